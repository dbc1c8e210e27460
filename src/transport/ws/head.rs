//! WebSocket frame heads.
//!
//! ```text
//! byte 0   FIN 1 | RSV 3 (zero) | opcode 4
//! byte 1   MASK 1 | length 7      126: u16 big-endian follows, 127: u64 big-endian follows
//!          mask key, 4            always from clients, never from us
//! ```

use crate::transport::codec::Fault;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
/// From here on opcodes are control frames.
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTROL_BYTES_MAX: usize = 125;
/// Room left for the head of a reply: right for 126 - 65,535 bytes, which nearly all replies have.
pub(crate) const REPLY_HEAD_BYTES: usize = 4;
const NO_STATUS: u16 = 1005;

/// The head of one frame of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) fin: bool,
    pub(crate) opcode: u8,
    pub(crate) mask: [u8; 4],
    pub(crate) head_bytes: usize,
    pub(crate) payload_bytes: u64,
}

impl Head {
    /// Reads a head; `None` when it is not all there. Refuses what no client may send.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Head>, Fault> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let (fin, opcode) = (first & FIN != 0, first & 0x0f);
        if first & RESERVED != 0 {
            return Err(Fault::BadFrame("reserved bits are set, no extension was agreed"));
        }
        if second & MASKED == 0 {
            return Err(Fault::BadFrame("a frame without a mask"));
        }
        let short = second & !MASKED;
        match opcode {
            CONTINUATION | TEXT | BINARY => {}
            CLOSE | PING | PONG if !fin => return Err(Fault::BadFrame("a fragmented control frame")),
            CLOSE | PING | PONG if usize::from(short) > CONTROL_BYTES_MAX => {
                return Err(Fault::BadFrame("a control frame of more than 125 bytes"));
            }
            CLOSE | PING | PONG => {}
            _ => return Err(Fault::BadFrame("an unknown opcode")),
        }
        let Some((payload_bytes, rest)) = extended(short, rest) else { return Ok(None) };
        if payload_bytes > i64::MAX as u64 {
            return Err(Fault::BadFrame("a length with its highest bit set"));
        }
        let Some((&mask, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Head { fin, opcode, mask, head_bytes: bytes.len() - rest.len(), payload_bytes }))
    }
}

fn extended(short: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    match short {
        126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest)),
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
        _ => Some((u64::from(short), rest)),
    }
}

/// Writes the head of a reply whose room begins at `head`; moves the body when the head needs another size.
pub(crate) fn finish(head: usize, text: bool, out: &mut Vec<u8>) {
    let first = FIN | if text { TEXT } else { BINARY };
    let body = head + REPLY_HEAD_BYTES;
    let length = out.len() - body;
    if let Ok(short) = u8::try_from(length)
        && usize::from(short) <= CONTROL_BYTES_MAX
    {
        out[head..head + 2].copy_from_slice(&[first, short]);
        out.drain(head + 2..body);
    } else if let Ok(medium) = u16::try_from(length) {
        let [high, low] = medium.to_be_bytes();
        out[head..body].copy_from_slice(&[first, 126, high, low]);
    } else {
        let [a, b, rest @ ..] = (length as u64).to_be_bytes();
        out[head..body].copy_from_slice(&[first, 127, a, b]);
        out.splice(body..body, rest);
    }
}

/// Appends a control frame; `payload` is at most 125 bytes.
pub(crate) fn control(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(CONTROL_BYTES_MAX)];
    out.extend_from_slice(&[FIN | opcode, payload.len() as u8]);
    out.extend_from_slice(payload);
}

/// Appends the close frame that tells `fault`.
pub(crate) fn close(fault: &Fault, out: &mut Vec<u8>) {
    let code = fault.close_code();
    if code == NO_STATUS {
        return control(CLOSE, b"", out);
    }
    let mut payload = code.to_be_bytes().to_vec();
    if !matches!(fault, Fault::PeerClosed(_)) {
        payload.extend_from_slice(fault.to_string().as_bytes());
    }
    control(CLOSE, &payload, out);
}

/// What a received close frame means: the peer's code to echo, or a fault of its own.
pub(crate) fn close_fault(payload: &[u8]) -> Fault {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Fault::PeerClosed(NO_STATUS)
        } else {
            Fault::BadFrame("a close frame of one byte")
        };
    };
    match u16::from_be_bytes(*code) {
        _ if std::str::from_utf8(reason).is_err() => Fault::BadText,
        code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Fault::PeerClosed(code),
        _ => Fault::BadFrame("a close code nobody may send"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(length: usize, text: bool) -> Vec<u8> {
        let mut out = b"before".to_vec();
        out.resize(6 + REPLY_HEAD_BYTES, 0);
        out.resize(6 + REPLY_HEAD_BYTES + length, b'x');
        finish(6, text, &mut out);
        out.split_off(6)
    }

    #[test]
    fn reply_heads_have_the_shortest_form() {
        assert_eq!(reply(1, true), [0x81, 1, b'x']);
        assert_eq!(reply(125, false)[..3], [0x82, 125, b'x']);
        assert_eq!(reply(126, false)[..5], [0x82, 126, 0, 126, b'x']);
        assert_eq!(reply(65_535, true)[..5], [0x81, 126, 0xff, 0xff, b'x']);
        let long = reply(65_536, true);
        assert_eq!(long[..11], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0, b'x']);
        assert_eq!(long.len(), 10 + 65_536);
    }

    #[test]
    fn heads_are_read_at_every_length_and_wait_for_their_bytes() {
        for (bytes, payload_bytes) in [
            (&[0x81, 0x85, 1, 2, 3, 4][..], 5),
            (&[0x82, 0xfe, 1, 0, 1, 2, 3, 4][..], 256),
            (&[0x01, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4][..], 1 << 32),
        ] {
            let head = Head::parse(bytes).unwrap().unwrap();
            assert_eq!((head.payload_bytes, head.head_bytes), (payload_bytes, bytes.len()));
            assert_eq!(head.mask, [1, 2, 3, 4]);
            for cut in 0..bytes.len() {
                assert_eq!(Head::parse(&bytes[..cut]), Ok(None), "cut {cut}");
            }
        }
    }

    #[test]
    fn what_no_client_may_send_is_refused() {
        let long = [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0];
        for bytes in [&[0xc1, 0x80][..], &[0x81, 0x05], &[0x83, 0x80], &[0x09, 0x80], &[0x89, 0xfe], &long] {
            assert!(matches!(Head::parse(bytes), Err(Fault::BadFrame(_))), "{bytes:x?}");
        }
    }

    #[test]
    fn close_frames_are_judged() {
        assert_eq!(close_fault(b""), Fault::PeerClosed(1005));
        assert_eq!(close_fault(&[0x03, 0xe8, b'b', b'y', b'e']), Fault::PeerClosed(1000));
        assert_eq!(close_fault(&[0x03, 0xe8, 0xff]), Fault::BadText);
        for payload in [&[3][..], &[0x03, 0xed], &[0x03, 0xee], &[0x13, 0x88], &[0, 0]] {
            assert!(matches!(close_fault(payload), Fault::BadFrame(_)), "{payload:x?}");
        }
        let mut out = Vec::new();
        close(&Fault::PeerClosed(1005), &mut out);
        close(&Fault::PeerClosed(1000), &mut out);
        assert_eq!(out, [0x88, 0, 0x88, 2, 0x03, 0xe8]);
    }
}
