//! Which protocol a connection speaks, by its first byte.
//!
//! | first byte | protocol |
//! |---|---|
//! | `00` `01` | MPREG TCP frame (20 MiB is `01 40 00 00`) |
//! | `FF` | MPREG TCP frame, stream form |
//! | all others | MPREG TCP frame, oversize: answered and closed there |
//! | `A`-`Z` | HTTP: a WebSocket upgrade, or 426 |
//! | `16` | TLS, not served yet |
//! | `*` | RESP (Redis), not served yet |

/// What the first byte announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Frames,
    Http,
    Tls,
    Resp,
}

impl Protocol {
    pub(crate) fn of(first: u8) -> Protocol {
        match first {
            b'A'..=b'Z' => Protocol::Http,
            0x16 => Protocol::Tls,
            b'*' => Protocol::Resp,
            _ => Protocol::Frames,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_of_real_clients() {
        assert_eq!(Protocol::of(b"GET / HTTP/1.1"[0]), Protocol::Http);
        assert_eq!(Protocol::of((20 * 1024 * 1024_u32).to_be_bytes()[0]), Protocol::Frames);
        assert_eq!(Protocol::of(0xff), Protocol::Frames);
        assert_eq!(Protocol::of(0x16), Protocol::Tls);
        assert_eq!(Protocol::of(b"*1\r\n$4\r\nPING\r\n"[0]), Protocol::Resp);
    }
}
