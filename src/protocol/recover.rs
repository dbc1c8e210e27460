//! Finding `u`, `role` and `operation` in a message that could not be read, so that even its sender
//! gets an answer it can match.
//!
//! The walk is lenient: it only follows quotes and brackets, so it survives `NaN`, missing values,
//! bad UTF-8 further on and a truncated end. What it returns is a well-formed JSON string all the same,
//! because it is copied into the reply.

use mpreg_storage::json::{Reader, Text};

/// What could be made out.
#[derive(Debug, Default)]
pub(super) struct Recovered<'a> {
    /// The request id.
    pub u: Option<Text<'a>>,
    /// The role.
    pub role: Option<Text<'a>>,
    /// The operation of a cache request.
    pub operation: Option<Text<'a>>,
}

/// Walks `message` as far as it makes sense. Cost: one pass.
#[cold]
pub(super) fn recover(message: &[u8]) -> Recovered<'_> {
    let text = match std::str::from_utf8(message) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&message[..error.valid_up_to()]).unwrap_or_default(),
    };
    let mut found = Recovered::default();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let Some(end) = quote_end(text.as_bytes(), at) else { break };
                if depth == 1 {
                    note(&mut found, &text[at..end], &text[end..]);
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The offset behind the string that begins at `start`.
fn quote_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Notes the string that follows `name` if that is a member's name we look for. The first one counts.
fn note<'a>(found: &mut Recovered<'a>, name: &str, behind: &'a str) {
    let slot = match name {
        "\"u\"" => &mut found.u,
        "\"role\"" => &mut found.role,
        "\"operation\"" => &mut found.operation,
        _ => return,
    };
    let value = behind.trim_ascii_start().strip_prefix(':');
    if slot.is_none() {
        *slot = value.and_then(|value| Reader::new(value).string("").ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u(message: &[u8]) -> Option<String> {
        recover(message).u.map(|text| text.quoted().to_owned())
    }

    #[test]
    fn survives_what_breaks_a_parser() {
        for message in [
            &br#"{"u":"a1","value":NaN}"#[..],
            br#"{"value":NaN,"u" : "a1"}"#,
            br#"{"value":,"u":"a1","x":"#,
            br#"{"x":[1,2,{"u":"inner"}],"u":"a1""#,
            br#"{"x":"a \" , \"u\":\"no\" ","u":"a1"}"#,
            b"{\"u\":\"a1\",\"x\":\"\xff\"}",
        ] {
            assert_eq!(u(message).as_deref(), Some("\"a1\""), "{}", String::from_utf8_lossy(message));
        }
    }

    #[test]
    fn finds_nothing_where_nothing_is() {
        for message in
            [&b""[..], b"\xff", b"[\"u\",\"a1\"]", br#"{"u":5}"#, br#"{"u":"a1"#, br#"{"u":"\x"}"#, b"\"\\"]
        {
            assert_eq!(u(message), None, "{}", String::from_utf8_lossy(message));
        }
    }

    #[test]
    fn finds_role_and_operation() {
        let found = recover(br#"{"role":"cache-request","operation":"put","value":}"#);
        assert_eq!(found.role.unwrap().decode(), "cache-request");
        assert_eq!(found.operation.unwrap().decode(), "put");
    }
}
