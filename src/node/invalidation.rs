//! Publishes on `cache.invalidation.#` act on the cache.
//!
//! The payload becomes the cache request that the publisher could have sent itself, and goes the same way: whatever
//! that request would be refused for, the publish does not do. The message is published in any case.

use mpreg_storage::json::{Kind, Reader, member, write};

use crate::protocol::pubsub::{Level, Publish};

/// The request a publish stands for; nothing where its topic or its payload is another.
pub(super) fn request_of(publish: &Publish<'_>) -> Option<String> {
    if !is_invalidation(&publish.message.topic) {
        return None;
    }
    let payload = publish.message.payload();
    let present = |name: &str| member(payload, name).filter(|value| *value != "null");
    let mut request = br#"{"role":"cache-request","u":"invalidation","#.to_vec();
    match (present("cache_key"), present("pattern")) {
        (Some(key), _) => {
            request.extend_from_slice(br#""operation":"delete","key":"#);
            request.extend_from_slice(key.as_bytes());
        }
        (None, Some(pattern)) => {
            request.extend_from_slice(br#""operation":"invalidate","pattern":"#);
            request.extend_from_slice(pattern.as_bytes());
        }
        (None, None) => return None,
    }
    request.extend_from_slice(br#","options":{"consistency_level":"#);
    let strong = publish.level == Some(Level::Strong);
    write::string(&mut request, if strong { "strong" } else { "eventual" });
    if let Some(reason) = present("reason").filter(|reason| Reader::new(reason).kind() == Ok(Kind::String)) {
        request.extend_from_slice(br#","reason":"#);
        request.extend_from_slice(reason.as_bytes());
    }
    request.extend_from_slice(b"}}");
    String::from_utf8(request).ok()
}

/// Whether `cache.invalidation.#` matches.
fn is_invalidation(topic: &str) -> bool {
    topic.strip_prefix("cache.invalidation").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pubsub::Command;
    use crate::protocol::{Request, parse};

    fn request(topic: &str, payload: &str) -> Option<String> {
        let text = format!(
            r#"{{"role":"pubsub-publish","u":"1","message":{{"topic":"{topic}","payload":{payload}}},"options":{{"consistency_level":"strong"}}}}"#
        );
        let Ok(Request::PubSub(request)) = parse(text.as_bytes()) else { panic!("{text}") };
        let Command::Publish(publish) = &request.command else { panic!("{text}") };
        request_of(publish)
    }

    #[test]
    fn a_pattern_or_a_key_makes_a_request() {
        let made =
            request("cache.invalidation.pattern.ml.*", r#"{"pattern":"ml.*","reason":"model_updated"}"#);
        let expected = r#"{"role":"cache-request","u":"invalidation","operation":"invalidate","pattern":"ml.*","options":{"consistency_level":"strong","reason":"model_updated"}}"#;
        assert_eq!(made.as_deref(), Some(expected));
        let made = request(
            "cache.invalidation",
            r#"{"cache_key":{"namespace":"n","identifier":"i"},"pattern":"x"}"#,
        )
        .unwrap();
        assert!(made.contains(r#""operation":"delete","key":{"namespace":"n","identifier":"i"}"#), "{made}");
        let Ok(Request::Cache(_)) = parse(made.as_bytes()) else { panic!("{made}") };
    }

    #[test]
    fn anything_else_makes_none() {
        for (topic, payload) in [
            ("cache.invalidations", r#"{"pattern":"x"}"#),
            ("cache.events.a", r#"{"pattern":"x"}"#),
            ("cache.invalidation.x", r#"{"reason":"x"}"#),
            ("cache.invalidation.x", "null"),
            ("cache.invalidation.x", r#"["pattern"]"#),
            ("cache.invalidation.x", r#"{"pattern":null}"#),
        ] {
            assert_eq!(request(topic, payload), None, "{topic} {payload}");
        }
    }
}
