//! Why a call failed, in the words its caller reads.

use std::borrow::Cow;
use std::time::Duration;

use crate::protocol::rpc::{
    self, COMMAND_NOT_FOUND, EXECUTION_FAILED, TIMED_OUT, UNAVAILABLE, write_failure,
};

/// Longest text of a failure that is sent, in bytes.
const TEXT_BYTES_MAX: usize = 2048;
/// Longest class name that is sent, in bytes.
const KIND_BYTES_MAX: usize = 128;

/// A call that failed. Functions make one with [`Failure::new`], or with `?` from any error.
///
/// ```
/// use mpreg::rpc::Failure;
///
/// fn parse(text: &str) -> Result<i64, Failure> {
///     if text.is_empty() {
///         return Err(Failure::new("ValueError", "nothing to parse"));
///     }
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse("x").unwrap_err().kind(), "ParseIntError");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: i64,
    message: Cow<'static, str>,
    kind: Cow<'static, str>,
    details: Option<String>,
}

impl Failure {
    /// A function that could not do what it was asked to. `kind` is a class name such as `ValueError`; both texts
    /// are sent to the caller, so they should name no internals.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Failure {
        let (mut kind, mut message) = (kind.into(), message.into());
        message.truncate(message.floor_char_boundary(TEXT_BYTES_MAX));
        if kind.len() > KIND_BYTES_MAX {
            kind = kind[..kind.floor_char_boundary(KIND_BYTES_MAX)].to_owned().into();
        }
        let details = Some(format!("{kind}: {message}"));
        Failure { code: EXECUTION_FAILED, message: "RPC execution failed".into(), kind, details }
    }

    /// Called in a way it cannot be called.
    pub(crate) fn arguments(message: impl Into<String>) -> Failure {
        Failure::new("TypeError", message)
    }

    /// A value that is out of its range.
    pub(crate) fn value(message: impl Into<String>) -> Failure {
        Failure::new("ValueError", message)
    }

    /// Nobody here runs `fun` as it was asked for.
    pub(crate) fn not_found(fun: &str) -> Failure {
        let fun = &fun[..fun.floor_char_boundary(TEXT_BYTES_MAX)];
        let details = Some(format!("Command not found: {fun}"));
        let message = "Command not found".into();
        Failure { code: COMMAND_NOT_FOUND, message, kind: "CommandNotFound".into(), details }
    }

    /// A connection that serves nothing (any more) says something only a worker may.
    pub(crate) fn no_worker() -> Failure {
        let details = "this connection has registered no functions, or its lease has ended: register again";
        let details = Some(details.to_owned());
        Failure {
            code: COMMAND_NOT_FOUND,
            message: "Not registered".into(),
            kind: "NotRegistered".into(),
            details,
        }
    }

    /// The request took longer than it may.
    pub(crate) fn timed_out(limit: Duration) -> Failure {
        let message = format!("RPC execution timed out after {:?} seconds", limit.as_secs_f64()).into();
        Failure { code: TIMED_OUT, message, kind: "Timeout".into(), details: None }
    }

    /// Nothing was run: there is no room for it now.
    pub(crate) fn unavailable(why: &str) -> Failure {
        let details = Some(why.to_owned());
        Failure { code: UNAVAILABLE, message: "unavailable".into(), kind: "Unavailable".into(), details }
    }

    /// The code of the protocol, such as 1003.
    #[must_use]
    pub fn code(&self) -> i64 {
        self.code
    }

    /// The class name.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What exactly.
    #[must_use]
    pub fn details(&self) -> Option<&str> {
        self.details.as_deref()
    }

    /// Appends the reply that tells it. `u` is the quoted request id.
    pub(crate) fn write_into(&self, u: &str, out: &mut Vec<u8>) {
        let Failure { code, message, kind, details } = self;
        write_failure(out, u, &rpc::Failure { code: *code, message, details: details.as_deref(), kind });
    }
}

/// Any error is a failure of the kind its type is called.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        let path = std::any::type_name::<E>();
        let bare = path.split('<').next().unwrap_or(path);
        Failure::new(bare.rsplit("::").next().unwrap_or(bare).to_owned(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(failure: &Failure) -> Value {
        let mut out = Vec::new();
        failure.write_into("\"q\"", &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn the_words_of_the_chapter() {
        assert_eq!(
            told(&Failure::not_found("nope")),
            json!({"role": "rpc-response", "u": "q", "r": null,
                "error": {"code": 1001, "message": "Command not found", "details": "Command not found: nope",
                          "type": "CommandNotFound"},
                "intermediate_results": [], "execution_summary": null})
        );
        let late = told(&Failure::timed_out(Duration::from_secs(30)));
        assert_eq!(late["error"]["code"], 1004);
        assert_eq!(late["error"]["message"], "RPC execution timed out after 30.0 seconds");
        let failed = told(&Failure::from("x".parse::<i64>().unwrap_err()));
        assert_eq!(failed["error"]["message"], "RPC execution failed");
        assert_eq!(failed["error"]["details"], "ParseIntError: invalid digit found in string");
        assert_eq!(failed["error"]["type"], "ParseIntError");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let failure = Failure::new("X", "é".repeat(5000));
        assert!(failure.details().is_some_and(|details| details.len() <= TEXT_BYTES_MAX + 8));
        assert!(Failure::not_found(&"é".repeat(5000)).details().is_some());
        assert_eq!(Failure::new("é".repeat(500), "").kind().len(), KIND_BYTES_MAX);
    }
}
