//! The opening handshake: one HTTP head in, one HTTP answer out. No I/O here.
//!
//! Any path is accepted, no subprotocol and no extension is ever chosen. Whatever HTTP is not an upgrade gets
//! `426 Upgrade Required`.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::limits::{UPGRADE_HEAD_BYTES_MAX, UPGRADE_HEADERS_MAX};
use crate::transport::origin::Origins;

/// What became of the bytes of a head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// The head is not all there.
    Partial,
    /// Send `answer`, drop the first `head_bytes` bytes, speak WebSocket.
    Accepted { head_bytes: usize, answer: String },
    /// Send `answer` and close.
    Refused { answer: String, reason: &'static str },
}

/// Judges the head at the front of `bytes`.
pub(crate) fn judge(bytes: &[u8], origins: &Origins) -> Upgrade {
    let mut headers = [httparse::EMPTY_HEADER; UPGRADE_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let within = &bytes[..bytes.len().min(UPGRADE_HEAD_BYTES_MAX)];
    match request.parse(within) {
        Ok(httparse::Status::Complete(head_bytes)) => match answer(&request, origins) {
            Ok(answer) => Upgrade::Accepted { head_bytes, answer },
            Err(refusal) => refusal.into_upgrade(),
        },
        Ok(httparse::Status::Partial) if within.len() < UPGRADE_HEAD_BYTES_MAX => Upgrade::Partial,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Refusal::plain("431 Request Header Fields Too Large", "a head above the limits").into_upgrade()
        }
        Err(_) => Refusal::plain("400 Bad Request", "not HTTP").into_upgrade(),
    }
}

struct Refusal {
    status: &'static str,
    extra: &'static str,
    reason: &'static str,
}

impl Refusal {
    fn plain(status: &'static str, reason: &'static str) -> Refusal {
        Refusal { status, extra: "", reason }
    }

    fn into_upgrade(self) -> Upgrade {
        let Refusal { status, extra, reason } = self;
        let body = format!("{status}: {reason}\n");
        let answer = format!(
            "HTTP/1.1 {status}\r\n{extra}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Upgrade::Refused { answer, reason }
    }
}

fn answer(request: &httparse::Request<'_, '_>, origins: &Origins) -> Result<String, Refusal> {
    let header = |name: &str| {
        let mut found = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        found.next().and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    };
    let has_token = |name: &str, token: &str| {
        header(name).is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    let not_upgrade = |reason| {
        let extra = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
        Refusal { status: "426 Upgrade Required", extra, reason }
    };
    if request.method != Some("GET")
        || !has_token("upgrade", "websocket")
        || !has_token("connection", "upgrade")
    {
        return Err(not_upgrade("this port speaks WebSocket and MPREG TCP frames, not plain HTTP"));
    }
    if header("sec-websocket-version") != Some("13") {
        return Err(not_upgrade("only WebSocket version 13 is spoken"));
    }
    if header("origin").is_some_and(|origin| !origins.allow(origin)) {
        return Err(Refusal::plain("403 Forbidden", "this Origin is not allowed"));
    }
    // A key is 16 bytes in base64: 22 characters and two signs of padding.
    let key = header("sec-websocket-key").filter(|key| key.len() == 24 && key.ends_with("=="));
    let key = key.ok_or(Refusal::plain("400 Bad Request", "Sec-WebSocket-Key is missing or malformed"))?;
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const USUAL: &str =
        "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n";

    fn judge_text(head: &str) -> Upgrade {
        judge(head.as_bytes(), &Origins::new(&["https://good.example".to_owned()]))
    }

    fn refused_with(head: &str) -> String {
        match judge_text(head) {
            Upgrade::Refused { answer, .. } => answer.split_whitespace().nth(1).unwrap().to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_sample_of_the_standard_is_accepted_on_any_path() {
        let head =
            format!("GET /any/path?x=1 HTTP/1.1\r\nHost: h\r\n{USUAL}{KEY}Sec-WebSocket-Protocol: chat\r\n");
        let whole = format!("{head}\r\nrest");
        let Upgrade::Accepted { head_bytes, answer } = judge_text(&whole) else { panic!("refused") };
        assert_eq!(head_bytes, whole.len() - 4);
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
        assert!(!answer.contains("Sec-WebSocket-Protocol"), "no subprotocol is chosen");
        for cut in 0..head.len() {
            assert_eq!(judge_text(&head[..cut]), Upgrade::Partial, "cut {cut}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_its_status() {
        assert_eq!(refused_with("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "426");
        assert_eq!(refused_with(&format!("POST / HTTP/1.1\r\n{USUAL}{KEY}\r\n")), "426");
        let old = USUAL.replace("13", "8");
        assert_eq!(refused_with(&format!("GET / HTTP/1.1\r\n{old}{KEY}\r\n")), "426");
        assert_eq!(refused_with(&format!("GET / HTTP/1.1\r\n{USUAL}\r\n")), "400");
        assert_eq!(refused_with("GET \u{1}\r\n\r\n"), "400");
        assert_eq!(
            refused_with(&format!("GET / HTTP/1.1\r\n{USUAL}{KEY}Origin: https://evil.example\r\n\r\n")),
            "403"
        );
        let origin = format!("GET / HTTP/1.1\r\n{USUAL}{KEY}Origin: https://good.example\r\n\r\n");
        assert!(matches!(judge_text(&origin), Upgrade::Accepted { .. }));
    }

    #[test]
    fn heads_at_and_above_the_limits() {
        let fill = |count: usize| "a: b\r\n".repeat(count - 4);
        let head = |count| format!("GET / HTTP/1.1\r\n{USUAL}{KEY}{}\r\n", fill(count));
        assert!(matches!(judge_text(&head(UPGRADE_HEADERS_MAX)), Upgrade::Accepted { .. }));
        assert_eq!(refused_with(&head(UPGRADE_HEADERS_MAX + 1)), "431");
        let long = format!("GET /{}", "x".repeat(UPGRADE_HEAD_BYTES_MAX));
        assert_eq!(refused_with(&long), "431");
        assert_eq!(judge_text(&long[..UPGRADE_HEAD_BYTES_MAX - 1]), Upgrade::Partial);
    }
}
