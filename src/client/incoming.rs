//! What comes from the node, as far as it must be read to find who waits for it.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addressee {
    /// The call of this number.
    Call(u64),
    /// The subscription of this number.
    Subscription(u64),
    /// The worker of this connection.
    Worker,
    /// Nobody here.
    Nobody,
}

/// What the ids of our calls begin with.
pub(super) const CALL_PREFIX: &str = "c-";
/// What the ids of our subscriptions begin with, behind the name of this client.
pub(super) const SUBSCRIPTION_PREFIX: &str = "s-";

#[derive(Deserialize)]
struct Head<'a> {
    // As texts with their quotes: those that matter here hold no escapes.
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    u: Option<&'a RawValue>,
    #[serde(borrow)]
    operation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    subscription_id: Option<&'a RawValue>,
}

/// Reads the head of `message`.
pub(super) fn addressee(message: &[u8]) -> Addressee {
    let Ok(head) = serde_json::from_slice::<Head<'_>>(message) else { return Addressee::Nobody };
    let number = |id: Option<&RawValue>, prefix: &str| -> Option<u64> {
        let id = unquoted(id?)?;
        id.get(id.rfind(prefix)?..)?.strip_prefix(prefix)?.parse().ok()
    };
    match head.role.and_then(unquoted) {
        Some("pubsub-notification") => number(head.subscription_id, SUBSCRIPTION_PREFIX)
            .map_or(Addressee::Nobody, Addressee::Subscription),
        Some("rpc-invoke" | "rpc-cancel") => Addressee::Worker,
        // By `u`, or by `operation_id` for acknowledgements of pub/sub.
        _ => own_call(head.u)
            .or_else(|| own_call(head.operation_id))
            .map_or(Addressee::Nobody, Addressee::Call),
    }
}

/// The number of one of our calls: nothing stands before its prefix.
fn own_call(id: Option<&RawValue>) -> Option<u64> {
    unquoted(id?)?.strip_prefix(CALL_PREFIX)?.parse().ok()
}

fn unquoted(text: &RawValue) -> Option<&str> {
    text.get().strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_find_their_addressee() {
        let cases: [(&str, Addressee); 9] = [
            (r#"{"status":"hit","u":"c-7","operation_id":"uuid"}"#, Addressee::Call(7)),
            (r#"{"role":"pubsub-ack","operation_id":"c-8","u":"ack_c-8"}"#, Addressee::Call(8)),
            (r#"{"role":"rpc-invoke","u":"i42","fun":"f"}"#, Addressee::Worker),
            (r#"{"role":"rpc-cancel","u":"i42"}"#, Addressee::Worker),
            (
                r#"{"role":"pubsub-notification","message":{},"u":"notification_c-1_x","subscription_id":"ab-s-3"}"#,
                Addressee::Subscription(3),
            ),
            (r#"{"u":"unknown"}"#, Addressee::Nobody),
            (r#"{"u":5}"#, Addressee::Nobody),
            ("[]", Addressee::Nobody),
            ("nonsense", Addressee::Nobody),
        ];
        for (text, expected) in cases {
            assert_eq!(addressee(text.as_bytes()), expected, "{text}");
        }
    }
}
