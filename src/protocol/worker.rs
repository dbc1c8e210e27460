//! Messages of workers: connections that run functions for others. An addition to the protocol.
//!
//! ```text
//! worker ── rpc-register ──> node        functions it runs; answered by an rpc-response
//! worker <─ rpc-invoke ───── node        one call
//! worker ── rpc-result ────> node        its outcome; no answer
//! worker <─ rpc-cancel ───── node        nobody waits for that call any more
//! worker ── rpc-heartbeat ─> node        renews the lease; answered
//! worker ── rpc-unregister > node        answered
//! ```

use mpreg_storage::json::{Reader, Text, write};

use super::fields::Fields;
use super::{Error, read_request_id};

/// A message from a worker.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    /// `rpc-register`.
    Register(Register<'a>),
    /// `rpc-unregister`.
    Unregister {
        /// The quoted request id.
        u: &'a str,
        /// JSON array of names; `None`: all.
        functions: Option<&'a str>,
    },
    /// `rpc-heartbeat`.
    Heartbeat {
        /// The quoted request id.
        u: &'a str,
    },
    /// `rpc-result`.
    Result {
        /// The id of the invocation, quoted.
        u: &'a str,
        /// What came of it.
        outcome: Outcome<'a>,
    },
}

/// What a worker offers.
#[derive(Debug, PartialEq)]
pub struct Register<'a> {
    /// The quoted request id.
    pub u: &'a str,
    /// JSON array of declarations.
    pub functions: &'a str,
    /// What the worker calls itself, for people.
    pub worker: Option<Text<'a>>,
    /// Calls it takes at once.
    pub max_in_flight: Option<u64>,
    /// How long it may be silent, in milliseconds.
    pub lease_ms: Option<u64>,
}

/// What came of an invocation.
#[derive(Debug, PartialEq)]
pub enum Outcome<'a> {
    /// The result, as JSON text.
    Value(&'a str),
    /// The function failed.
    Failure {
        /// A class name.
        kind: Option<Text<'a>>,
        /// What happened.
        message: Option<Text<'a>>,
    },
}

/// The roles of these messages.
pub(super) fn is_role(role: &str) -> bool {
    matches!(role, "rpc-register" | "rpc-unregister" | "rpc-heartbeat" | "rpc-result")
}

impl<'a> Message<'a> {
    /// Reads the whole message; `reader` stands at its start.
    pub(super) fn read(role: &str, reader: &mut Reader<'a>) -> Result<Message<'a>, Error> {
        match role {
            "rpc-result" => read_result(reader),
            "rpc-register" => read_register(reader),
            _ => read_other(role, reader),
        }
    }
}

fn read_result<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    let mut fields = Fields::open(reader, "message")?;
    let (mut u, mut result, mut failure) = (None, None, None);
    while let Some(name) = fields.next()? {
        match &*name {
            "u" => u = fields.string(0, "u")?,
            "result" => result = fields.raw(1, "result")?,
            "error" => failure = fields.enter(2, "error")?.map(read_failure).transpose()?,
            _ => fields.pass()?,
        }
    }
    reader.end()?;
    let outcome = failure.unwrap_or(Outcome::Value(result.unwrap_or("null")));
    Ok(Message::Result { u: read_request_id(u)?, outcome })
}

fn read_failure<'a>(reader: &mut Reader<'a>) -> Result<Outcome<'a>, Error> {
    let mut fields = Fields::open(reader, "error")?;
    let (mut kind, mut message) = (None, None);
    while let Some(name) = fields.next()? {
        match &*name {
            "type" => kind = fields.string(0, "error.type")?,
            "message" => message = fields.string(1, "error.message")?,
            _ => fields.pass()?,
        }
    }
    Ok(Outcome::Failure { kind, message })
}

fn read_register<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    let mut fields = Fields::open(reader, "message")?;
    let (mut u, mut functions, mut worker, mut max_in_flight, mut lease_ms) = (None, None, None, None, None);
    while let Some(name) = fields.next()? {
        match &*name {
            "u" => u = fields.string(0, "u")?,
            "functions" => functions = fields.raw_array(1, "functions")?,
            "worker" => worker = fields.string(2, "worker")?,
            "max_in_flight" => {
                max_in_flight = fields
                    .enter(3, "max_in_flight")?
                    .map(|reader| reader.unsigned("max_in_flight"))
                    .transpose()?;
            }
            "lease_ms" => {
                lease_ms =
                    fields.enter(4, "lease_ms")?.map(|reader| reader.unsigned("lease_ms")).transpose()?;
            }
            _ => fields.pass()?,
        }
    }
    reader.end()?;
    let (u, functions) = (read_request_id(u)?, functions.ok_or(Error::Missing("functions"))?);
    Ok(Message::Register(Register { u, functions, worker, max_in_flight, lease_ms }))
}

fn read_other<'a>(role: &str, reader: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    let mut fields = Fields::open(reader, "message")?;
    let (mut u, mut functions) = (None, None);
    while let Some(name) = fields.next()? {
        match &*name {
            "u" => u = fields.string(0, "u")?,
            "functions" if role == "rpc-unregister" => functions = fields.raw_strings(1, "functions")?,
            _ => fields.pass()?,
        }
    }
    reader.end()?;
    let u = read_request_id(u)?;
    if role == "rpc-heartbeat" {
        Ok(Message::Heartbeat { u })
    } else {
        Ok(Message::Unregister { u, functions })
    }
}

/// One call, as a worker gets it.
#[derive(Debug, Clone, Copy)]
pub struct Invoke<'a> {
    /// The id its result must carry.
    pub id: u64,
    /// Name of the function.
    pub fun: &'a str,
    /// Its id.
    pub function_id: &'a str,
    /// Its version.
    pub version: &'a str,
    /// JSON array.
    pub args: &'a str,
    /// JSON object.
    pub kwargs: &'a str,
    /// How long anybody waits for the result, in milliseconds.
    pub timeout_ms: u64,
}

impl Invoke<'_> {
    /// Appends the message.
    pub fn write_into(&self, out: &mut Vec<u8>) {
        out.reserve(160 + self.args.len() + self.kwargs.len());
        out.extend_from_slice(br#"{"role":"rpc-invoke","u":""#);
        write_id(self.id, out);
        out.extend_from_slice(br#"","fun":"#);
        write::string(out, self.fun);
        out.extend_from_slice(br#","function_id":"#);
        write::string(out, self.function_id);
        out.extend_from_slice(br#","version":"#);
        write::string(out, self.version);
        out.extend_from_slice(br#","args":"#);
        out.extend_from_slice(self.args.as_bytes());
        out.extend_from_slice(br#","kwargs":"#);
        out.extend_from_slice(self.kwargs.as_bytes());
        out.extend_from_slice(br#","timeout_ms":"#);
        write::unsigned(out, self.timeout_ms);
        out.push(b'}');
    }
}

/// Appends the message that nobody waits for invocation `id` any more.
pub fn write_cancel(id: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"role":"rpc-cancel","u":""#);
    write_id(id, out);
    out.extend_from_slice(br#""}"#);
}

/// `i` and the number: unlike the ids clients choose, though nothing depends on that.
fn write_id(id: u64, out: &mut Vec<u8>) {
    out.push(b'i');
    write::unsigned(out, id);
}

/// The number of a quoted invocation id.
#[must_use]
pub fn read_id(u: &str) -> Option<u64> {
    u.strip_prefix("\"i")?.strip_suffix('"')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Request, parse};
    use serde_json::{Value, json};

    fn read(text: &str) -> Message<'_> {
        match parse(text.as_bytes()) {
            Ok(Request::Worker(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn results_of_both_kinds() {
        let message = r#"{"role":"rpc-result","u":"i7","result":{"a":1.0}}"#;
        assert_eq!(read(message), Message::Result { u: "\"i7\"", outcome: Outcome::Value(r#"{"a":1.0}"#) });
        let null = read(r#"{"role":"rpc-result","u":"i7","result":null,"error":null}"#);
        assert_eq!(null, Message::Result { u: "\"i7\"", outcome: Outcome::Value("null") });
        let failed = read(r#"{"role":"rpc-result","u":"i7","error":{"type":"KeyError","message":"x"}}"#);
        let Message::Result { outcome: Outcome::Failure { kind, message }, .. } = failed else { panic!() };
        assert_eq!((kind.unwrap().quoted(), message.unwrap().quoted()), ("\"KeyError\"", "\"x\""));
    }

    #[test]
    fn the_other_messages() {
        let text = r#"{"role":"rpc-register","u":"r","worker":"w","functions":[{"name":"f"}],"max_in_flight":4,"lease_ms":null}"#;
        let Message::Register(register) = read(text) else { panic!() };
        assert_eq!(
            (register.functions, register.max_in_flight, register.lease_ms),
            (r#"[{"name":"f"}]"#, Some(4), None)
        );
        assert_eq!(
            read(r#"{"role":"rpc-heartbeat","u":"h","functions":5}"#),
            Message::Heartbeat { u: "\"h\"" }
        );
        let some = read(r#"{"role":"rpc-unregister","u":"x","functions":["f"]}"#);
        assert_eq!(some, Message::Unregister { u: "\"x\"", functions: Some(r#"["f"]"#) });
        assert_eq!(
            read(r#"{"role":"rpc-unregister","u":"x"}"#),
            Message::Unregister { u: "\"x\"", functions: None }
        );
        for bad in [
            r#"{"role":"rpc-register","u":"r"}"#,
            r#"{"role":"rpc-register","u":"r","functions":{}}"#,
            r#"{"role":"rpc-unregister","u":"r","functions":[1]}"#,
            r#"{"role":"rpc-result","result":1}"#,
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn invocations_as_they_are_sent() {
        let mut out = Vec::new();
        Invoke {
            id: 12,
            fun: "f\"",
            function_id: "m.f",
            version: "1.0.0",
            args: "[1.0]",
            kwargs: "{}",
            timeout_ms: 30_000,
        }
        .write_into(&mut out);
        assert_eq!(
            serde_json::from_slice::<Value>(&out).unwrap(),
            json!({"role": "rpc-invoke", "u": "i12", "fun": "f\"", "function_id": "m.f", "version": "1.0.0",
                   "args": [1.0], "kwargs": {}, "timeout_ms": 30000})
        );
        out.clear();
        write_cancel(12, &mut out);
        assert_eq!(out, br#"{"role":"rpc-cancel","u":"i12"}"#);
        assert_eq!(read_id("\"i12\""), Some(12));
        assert_eq!((read_id("\"12\""), read_id("\"i\""), read_id("\"i1x\"")), (None, None, None));
    }
}
