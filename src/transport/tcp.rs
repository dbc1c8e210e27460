//! TCP frames.
//!
//! ```text
//! offset 0   4   length N, u32 big-endian, payload only
//! offset 4   N   payload: one JSON text, or exactly `PING`
//! ```
//!
//! `N = 0` is ignored. `N = FF FF FF FF` opens the stream form, which is refused for now. A length above the
//! limit is answered with an error frame of code 413 and a close, since the stream cannot be found again.

use crate::limits::{BATCH_MESSAGES_MAX, SALVAGE_BYTES};
use crate::transport::codec::{Abandoned, Decoded, Fault, Kind, Message};

/// Bytes of a frame head.
pub(crate) const HEAD_BYTES: usize = 4;
const STREAM_MARKER: u32 = u32::MAX;
const PING: &[u8] = b"PING";

/// Finds frames. Holds no bytes, only how much of an abandoned frame is still to come.
#[derive(Debug)]
pub(crate) struct Decoder {
    message_bytes_max: usize,
    discard_bytes: usize,
}

impl Decoder {
    pub(crate) fn new(message_bytes_max: usize) -> Decoder {
        Decoder { message_bytes_max, discard_bytes: 0 }
    }

    /// See [`Codec::decode`](super::codec::Codec::decode).
    pub(crate) fn decode(&mut self, unread: &[u8], batch: &mut Vec<Message>) -> Decoded {
        let mut at = self.discard_bytes.min(unread.len());
        self.discard_bytes -= at;
        while let Some((head, rest)) = unread[at..].split_first_chunk::<HEAD_BYTES>() {
            if batch.len() == BATCH_MESSAGES_MAX {
                return Decoded { consumed: at, again: true, fault: None };
            }
            let length = match self.checked_length(*head) {
                Ok(length) => length,
                Err(fault) => return Decoded { consumed: at, again: false, fault: Some(fault) },
            };
            if rest.len() < length {
                break;
            }
            let span = at + HEAD_BYTES..at + HEAD_BYTES + length;
            at = span.end;
            match &unread[span.clone()] {
                b"" => {}
                PING => batch.push(Message { kind: Kind::Ping, span }),
                _ => batch.push(Message { kind: Kind::Message { text: false }, span }),
            }
        }
        Decoded { consumed: at, again: false, fault: None }
    }

    fn checked_length(&self, head: [u8; HEAD_BYTES]) -> Result<usize, Fault> {
        let length = u32::from_be_bytes(head);
        if length == STREAM_MARKER {
            return Err(Fault::StreamForm);
        }
        let bytes_max = self.message_bytes_max;
        let too_large = Fault::TooLarge { bytes: length.into(), bytes_max };
        usize::try_from(length).ok().filter(|&length| length <= bytes_max).ok_or(too_large)
    }

    /// See [`Codec::abandon`](super::codec::Codec::abandon). Called only after `decode` left a begun frame.
    pub(crate) fn abandon(&mut self, unread: &[u8]) -> Abandoned {
        let Some((head, rest)) = unread.split_first_chunk::<HEAD_BYTES>() else {
            return Abandoned { salvage: 0..0, consumed: 0 };
        };
        let length = self.checked_length(*head).unwrap_or(0);
        self.discard_bytes = length.saturating_sub(rest.len());
        let salvage = HEAD_BYTES..HEAD_BYTES + rest.len().min(SALVAGE_BYTES);
        Abandoned { salvage, consumed: unread.len() }
    }
}

/// Writes the length of the frame that began at `head` and ends with `out`.
pub(crate) fn finish(head: usize, out: &mut [u8]) {
    let length = u32::try_from(out.len() - head - HEAD_BYTES).expect("replies are below MESSAGE_BYTES_MAX");
    out[head..head + HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
}

/// Appends the answer to `PING`.
pub(crate) fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\0\0\0\x04PONG");
}

/// Appends the error frame for faults that have one; the others just close.
pub(crate) fn farewell(fault: &Fault, out: &mut Vec<u8>) {
    let (code, message) = match fault {
        Fault::TooLarge { .. } => (413, "message_too_large"),
        Fault::StreamForm => (1005, "Malformed message"),
        _ => return,
    };
    let head = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    let body = format!(
        "{{\"role\":\"rpc-response\",\"u\":\"unknown\",\"r\":null,\"error\":{{\"code\":{code},\"message\":\"{message}\",\
         \"details\":\"{fault}\"}},\"intermediate_results\":[],\"execution_summary\":null}}"
    );
    out.extend_from_slice(body.as_bytes());
    finish(head, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0; HEAD_BYTES];
        out.extend_from_slice(payload);
        finish(0, &mut out);
        out
    }

    fn spans(unread: &[u8]) -> (Vec<Vec<u8>>, Decoded) {
        let mut batch = Vec::new();
        let decoded = Decoder::new(100).decode(unread, &mut batch);
        (batch.iter().map(|message| unread[message.span.clone()].to_vec()).collect(), decoded)
    }

    #[test]
    fn every_cut_of_three_frames_gives_the_whole_ones() {
        let bytes = [frame(b"{}"), frame(b""), frame(b"PING"), frame(b"{\"a\":1}")].concat();
        for cut in 0..=bytes.len() {
            let (found, decoded) = spans(&bytes[..cut]);
            let expected: &[&[u8]] = &[b"{}", b"PING", b"{\"a\":1}"];
            let whole = [6, 18, 29].iter().filter(|&&end| end <= cut).count();
            assert_eq!(found, expected[..whole], "cut {cut}");
            assert_eq!((decoded.fault, decoded.again), (None, false));
            assert!(decoded.consumed <= cut);
        }
    }

    #[test]
    fn the_limit_holds_at_the_limit_and_one_above() {
        assert_eq!(spans(&frame(&[b'x'; 100])).0.len(), 1);
        let (found, decoded) = spans(&[frame(b"{}"), 101_u32.to_be_bytes().to_vec()].concat());
        assert_eq!(found.len(), 1, "what stood before is answered");
        assert_eq!(decoded.fault, Some(Fault::TooLarge { bytes: 101, bytes_max: 100 }));
        assert_eq!(spans(&[0xff; 9]).1.fault, Some(Fault::StreamForm));
    }

    #[test]
    fn a_full_batch_asks_to_be_called_again() {
        let bytes = frame(b"{}").repeat(BATCH_MESSAGES_MAX + 3);
        let (found, decoded) = spans(&bytes);
        assert_eq!((found.len(), decoded.again), (BATCH_MESSAGES_MAX, true));
        assert_eq!(spans(&bytes[decoded.consumed..]).0.len(), 3);
    }

    #[test]
    fn an_abandoned_frame_is_skipped_to_its_end() {
        let bytes = [frame(&[b'x'; 90]), frame(b"{}")].concat();
        let mut decoder = Decoder::new(100);
        assert_eq!(decoder.abandon(&bytes[..30]), Abandoned { salvage: 4..30, consumed: 30 });
        let mut batch = Vec::new();
        assert_eq!(decoder.decode(&bytes[30..40], &mut batch).consumed, 10);
        let decoded = decoder.decode(&bytes[40..], &mut batch);
        assert_eq!((decoded.consumed, batch.len()), (bytes.len() - 40, 1));
        assert_eq!(&bytes[40..][batch[0].span.clone()], b"{}");
    }

    #[test]
    fn farewell_of_an_oversize_frame_is_one_json_frame() {
        let mut out = Vec::new();
        farewell(&Fault::TooLarge { bytes: 9, bytes_max: 5 }, &mut out);
        let text: serde_json::Value = serde_json::from_slice(&out[4..]).unwrap();
        assert_eq!(text["error"]["code"], 413);
        assert_eq!(out[..4], (out.len() as u32 - 4).to_be_bytes());
        farewell(&Fault::Stopping, &mut out);
        assert_eq!(out.len(), 4 + text.to_string().len(), "nothing more for a plain stop");
    }
}
