//! TCP frames.
//!
//! ```text
//! offset 0   4   length N, u32 big-endian, payload only
//! offset 4   N   payload: one JSON text, or exactly `PING`
//! ```
//!
//! `N = 0` is ignored. A length above the limit is answered with an error frame of code 413 and a close, since the
//! stream cannot be found again. `N = FF FF FF FF` opens the stream form, for messages a sender does not know the
//! length of; we never send one:
//!
//! ```text
//! 4   FF FF FF FF
//! repeated:
//!   4   length L of the chunk, u32 big-endian
//!   4   flags: 1 more follow, 2 the last one, 4 the sender gave up (L = 0)
//!   L   the chunk
//! ```
//!
//! The chunks together are one message, [`STREAM_MESSAGES`] times as long as a frame's at most. While one is open,
//! `unread` looks like this; chunks are moved down as they come:
//!
//! ```text
//! | chunks so far | heads already seen | bytes not yet seen ... |
//! start           joined_end           next
//! ```

use std::ops::Range;

use crate::limits::{BATCH_MESSAGES_MAX, SALVAGE_BYTES, STREAM_CHUNKS_MAX, STREAM_MESSAGES};
use crate::transport::codec::{Abandoned, Decoded, Fault, Kind, Message};

/// Bytes of a frame head.
pub(crate) const HEAD_BYTES: usize = 4;
const CHUNK_HEAD_BYTES: usize = 8;
const STREAM_MARKER: u32 = u32::MAX;
const MORE: u32 = 1;
const LAST: u32 = 2;
const GIVEN_UP: u32 = 4;
const PING: &[u8] = b"PING";

/// Finds messages. Holds no bytes, only where the open stream stands and what is to be thrown away.
#[derive(Debug)]
pub(crate) struct Decoder {
    message_bytes_max: usize,
    open: Option<Open>,
    discard: Discard,
}

/// A stream whose last chunk has not come. Offsets count from the first unread byte.
#[derive(Debug, Clone)]
struct Open {
    start: usize,
    joined_end: usize,
    next: usize,
    chunks: usize,
}

/// The rest of an abandoned message.
#[derive(Debug, Default)]
struct Discard {
    bytes: usize,
    more_chunks: bool,
}

/// What the head of a chunk says.
struct Chunk {
    bytes: usize,
    flags: u32,
}

impl Chunk {
    /// `None` when it is not all there.
    fn parse(unread: &[u8]) -> Result<Option<Chunk>, Fault> {
        let Some((head, _)) = unread.split_first_chunk::<CHUNK_HEAD_BYTES>() else { return Ok(None) };
        let [a, b, c, d, e, f, g, h] = *head;
        let (length, flags) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        match (flags, length) {
            (MORE | LAST, _) | (GIVEN_UP, 0) => Ok(Some(Chunk { bytes: length as usize, flags })),
            // Some senders say of the last one that it goes on, too: the end counts.
            (3, _) => Ok(Some(Chunk { bytes: length as usize, flags: LAST })),
            _ => Err(Fault::BadFrame("the flags of a chunk")),
        }
    }
}

impl Decoder {
    pub(crate) fn new(message_bytes_max: usize) -> Decoder {
        Decoder { message_bytes_max, open: None, discard: Discard::default() }
    }

    /// See [`Codec::decode`](super::codec::Codec::decode).
    pub(crate) fn decode(&mut self, unread: &mut [u8], batch: &mut Vec<Message>) -> Decoded {
        let mut at = match self.skip_abandoned(unread) {
            Ok(skipped) => skipped + self.open.as_ref().map_or(0, |open| open.next),
            Err(fault) => return Decoded { consumed: 0, again: false, fault: Some(fault) },
        };
        let (mut again, mut fault) = (false, None);
        while fault.is_none() {
            if batch.len() == BATCH_MESSAGES_MAX {
                again = true;
                break;
            }
            let whole = match self.open.take() {
                None => self.frame(unread, &mut at, batch),
                Some(open) => self.chunk(open, unread, &mut at, batch),
            };
            match whole {
                Ok(true) => {}
                Ok(false) => break,
                Err(cause) => fault = Some(cause),
            }
        }
        Decoded { consumed: self.rebase(at), again, fault }
    }

    /// The front that may be dropped: all up to `at`, but nothing of an open stream, whose offsets are moved
    /// accordingly.
    fn rebase(&mut self, at: usize) -> usize {
        let Some(open) = &mut self.open else { return at };
        let front = open.start;
        (open.start, open.joined_end, open.next) = (0, open.joined_end - front, at - front);
        front
    }

    fn skip_abandoned(&mut self, unread: &[u8]) -> Result<usize, Fault> {
        let mut at = 0;
        loop {
            let skipped = self.discard.bytes.min(unread.len() - at);
            at += skipped;
            self.discard.bytes -= skipped;
            if self.discard.bytes > 0 || !self.discard.more_chunks {
                return Ok(at);
            }
            let Some(chunk) = Chunk::parse(&unread[at..])? else { return Ok(at) };
            at += CHUNK_HEAD_BYTES;
            self.discard = Discard { bytes: chunk.bytes, more_chunks: chunk.flags == MORE };
        }
    }

    /// Takes one frame at `at`; `false` when it is not all there.
    fn frame(&mut self, unread: &[u8], at: &mut usize, batch: &mut Vec<Message>) -> Result<bool, Fault> {
        if self.discard.more_chunks || self.discard.bytes > 0 {
            return Ok(false);
        }
        let Some((head, rest)) = unread[*at..].split_first_chunk::<HEAD_BYTES>() else { return Ok(false) };
        if u32::from_be_bytes(*head) == STREAM_MARKER {
            *at += HEAD_BYTES;
            self.open = Some(Open { start: *at, joined_end: *at, next: *at, chunks: 0 });
            return Ok(true);
        }
        let length = self.checked_length(*head)?;
        if rest.len() < length {
            return Ok(false);
        }
        let span = *at + HEAD_BYTES..*at + HEAD_BYTES + length;
        *at = span.end;
        match &unread[span.clone()] {
            b"" => {}
            PING => batch.push(Message { kind: Kind::Ping, span }),
            _ => batch.push(Message { kind: Kind::Message { text: false }, span }),
        }
        Ok(true)
    }

    fn checked_length(&self, head: [u8; HEAD_BYTES]) -> Result<usize, Fault> {
        let length = u32::from_be_bytes(head);
        let bytes_max = self.message_bytes_max;
        let too_large = Fault::TooLarge { bytes: length.into(), bytes_max };
        usize::try_from(length).ok().filter(|&length| length <= bytes_max).ok_or(too_large)
    }

    /// Takes one chunk of `open` at `at`, which stays open unless it was the last; `false` when it is not all there.
    fn chunk(
        &mut self,
        open: Open,
        unread: &mut [u8],
        at: &mut usize,
        batch: &mut Vec<Message>,
    ) -> Result<bool, Fault> {
        let Some(chunk) = Chunk::parse(&unread[*at..])? else {
            self.open = Some(open);
            return Ok(false);
        };
        self.admit(&open, &chunk)?;
        let body = *at + CHUNK_HEAD_BYTES..*at + CHUNK_HEAD_BYTES + chunk.bytes;
        if body.end > unread.len() {
            self.open = Some(open);
            return Ok(false);
        }
        *at = body.end;
        let joined_end = open.joined_end + body.len();
        unread.copy_within(body, open.joined_end);
        match chunk.flags {
            MORE => self.open = Some(Open { joined_end, next: *at, chunks: open.chunks + 1, ..open }),
            LAST if joined_end > open.start => {
                batch.push(Message { kind: Kind::Message { text: false }, span: open.start..joined_end });
            }
            // Nothing in all, or given up by its sender: forgotten.
            _ => {}
        }
        Ok(true)
    }

    /// Checks a chunk against the limits, before any memory is spent on it.
    fn admit(&self, open: &Open, chunk: &Chunk) -> Result<(), Fault> {
        let bytes_max = self.message_bytes_max.saturating_mul(STREAM_MESSAGES);
        let bytes = (open.joined_end - open.start).saturating_add(chunk.bytes);
        if bytes > bytes_max {
            return Err(Fault::TooLarge { bytes: bytes as u64, bytes_max });
        }
        if open.chunks == STREAM_CHUNKS_MAX {
            return Err(Fault::TooManyFragments(STREAM_CHUNKS_MAX));
        }
        Ok(())
    }

    /// See [`Codec::abandon`](super::codec::Codec::abandon). Called only after `decode` left a begun message.
    pub(crate) fn abandon(&mut self, unread: &[u8]) -> Abandoned {
        if let Some(open) = self.open.take() {
            return self.abandon_stream(&open, unread);
        }
        let Some((head, rest)) = unread.split_first_chunk::<HEAD_BYTES>() else {
            return Abandoned { salvage: 0..0, consumed: 0 };
        };
        let length = self.checked_length(*head).unwrap_or(0);
        self.discard.bytes = length.saturating_sub(rest.len());
        Abandoned { salvage: shorten(HEAD_BYTES..unread.len()), consumed: unread.len() }
    }

    fn abandon_stream(&mut self, open: &Open, unread: &[u8]) -> Abandoned {
        let joined = open.start..open.joined_end;
        // `decode` has admitted the head, if it is there.
        let Ok(Some(chunk)) = Chunk::parse(&unread[open.next..]) else {
            self.discard = Discard { bytes: 0, more_chunks: true };
            return Abandoned { salvage: shorten(joined), consumed: open.next };
        };
        let begun = open.next + CHUNK_HEAD_BYTES..unread.len();
        self.discard =
            Discard { bytes: chunk.bytes.saturating_sub(begun.len()), more_chunks: chunk.flags == MORE };
        let salvage = if joined.is_empty() { begun } else { joined };
        Abandoned { salvage: shorten(salvage), consumed: unread.len() }
    }
}

fn shorten(span: Range<usize>) -> Range<usize> {
    span.start..span.end.min(span.start + SALVAGE_BYTES)
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
        Fault::BadFrame(_) | Fault::TooManyFragments(_) => (1005, "Malformed message"),
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
mod tests;
