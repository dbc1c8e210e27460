//! WebSocket messages (RFC 6455), server side, without extensions.
//!
//! Our own decoder instead of a stream of `tungstenite` messages: it works in the receive buffer, so a
//! pipelined batch costs one read, no copy and no allocation. `tungstenite` serves the opening handshake.
//!
//! While a fragmented message is open, `unread` looks like this; fragments are moved down as they come:
//!
//! ```text
//! | joined payload so far | heads and control frames already seen | frames not yet seen ... |
//! 0                       joined_bytes                             next
//! ```

pub(crate) mod head;
pub(crate) mod mask;
pub(crate) mod upgrade;

use std::ops::Range;

use crate::limits::{BATCH_MESSAGES_MAX, FRAGMENTS_MAX, SALVAGE_BYTES};
use crate::transport::codec::{Abandoned, Decoded, Fault, Kind, Message};
use head::{CLOSE, CONTINUATION, Head, PING, PONG, TEXT};

/// Finds messages; remembers only the open fragmented message and what is to be thrown away.
#[derive(Debug)]
pub(crate) struct Decoder {
    message_bytes_max: usize,
    open: Option<Open>,
    discard: Option<Discard>,
}

/// A message whose last fragment has not come. Offsets count from the first unread byte.
#[derive(Debug, Clone)]
struct Open {
    text: bool,
    start: usize,
    joined_end: usize,
    next: usize,
    fragments: usize,
}

/// The rest of an abandoned message.
#[derive(Debug)]
struct Discard {
    frame_bytes: usize,
    more_frames: bool,
}

impl Decoder {
    pub(crate) fn new(message_bytes_max: usize) -> Decoder {
        Decoder { message_bytes_max, open: None, discard: None }
    }

    /// See [`Codec::decode`](super::codec::Codec::decode).
    pub(crate) fn decode(&mut self, unread: &mut [u8], batch: &mut Vec<Message>) -> Decoded {
        let mut at = self.skip_abandoned(unread.len()) + self.open.as_ref().map_or(0, |open| open.next);
        let (mut again, mut fault) = (false, None);
        while !again && fault.is_none() {
            if batch.len() == BATCH_MESSAGES_MAX {
                again = true;
                break;
            }
            match self.frame(unread, &mut at, batch) {
                Ok(true) => {}
                Ok(false) => break,
                Err(cause) => fault = Some(cause),
            }
            // A ping between two fragments is answered before the next fragment is moved over it.
            again = self.open.is_some() && batch.last().is_some_and(|last| last.kind == Kind::Ping);
        }
        Decoded { consumed: self.rebase(at), again, fault }
    }

    /// The front that may be dropped: all up to `at`, but nothing of an open message, whose offsets are moved
    /// accordingly.
    fn rebase(&mut self, at: usize) -> usize {
        let Some(open) = &mut self.open else { return at };
        let front = open.start;
        (open.start, open.joined_end, open.next) = (0, open.joined_end - front, at - front);
        front
    }

    fn skip_abandoned(&mut self, unread_bytes: usize) -> usize {
        let Some(discard) = &mut self.discard else { return 0 };
        let skipped = discard.frame_bytes.min(unread_bytes);
        discard.frame_bytes -= skipped;
        if discard.frame_bytes == 0 && !discard.more_frames {
            self.discard = None;
        }
        skipped
    }

    /// Takes one frame at `at`; `false` when it is not all there.
    fn frame(&mut self, unread: &mut [u8], at: &mut usize, batch: &mut Vec<Message>) -> Result<bool, Fault> {
        let Some(head) = Head::parse(&unread[*at..])? else { return Ok(false) };
        let payload_bytes = self.admit(&head)?;
        let body = *at + head.head_bytes..*at + head.head_bytes + payload_bytes;
        let Some(payload) = unread.get_mut(body.clone()) else { return Ok(false) };
        mask::apply(head.mask, payload);
        *at = body.end;
        match head.opcode {
            CLOSE => return Err(head::close_fault(payload)),
            PING => batch.push(Message { kind: Kind::Ping, span: body }),
            PONG => {}
            opcode => self.data(unread, opcode, head.fin, body, batch)?,
        }
        Ok(true)
    }

    /// Checks a head against what is open and against the limits, before any memory is spent on the frame.
    fn admit(&self, head: &Head) -> Result<usize, Fault> {
        let discarding = self.discard.is_some();
        match (head.opcode, &self.open) {
            (CONTINUATION, None) if !discarding => return Err(Fault::BadFrame("a fragment of nothing")),
            (CONTINUATION, Some(open)) if open.fragments == FRAGMENTS_MAX => {
                return Err(Fault::TooManyFragments(FRAGMENTS_MAX));
            }
            (opcode, open) if opcode < CLOSE && opcode != CONTINUATION && (open.is_some() || discarding) => {
                return Err(Fault::BadFrame("a new message inside a fragmented one"));
            }
            _ => {}
        }
        let joined = match (&self.open, head.opcode) {
            (Some(open), CONTINUATION) => open.joined_end - open.start,
            _ => 0,
        };
        let bytes = head.payload_bytes.saturating_add(joined as u64);
        let bytes_max = self.message_bytes_max;
        let fits = usize::try_from(bytes).is_ok_and(|bytes| bytes <= bytes_max);
        if fits { Ok(bytes as usize - joined) } else { Err(Fault::TooLarge { bytes, bytes_max }) }
    }

    /// Joins a data frame to its message and hands the message out when it is whole.
    fn data(
        &mut self,
        unread: &mut [u8],
        opcode: u8,
        fin: bool,
        body: Range<usize>,
        batch: &mut Vec<Message>,
    ) -> Result<(), Fault> {
        if self.discard.is_some() {
            self.discard = (!fin).then_some(Discard { frame_bytes: 0, more_frames: true });
            return Ok(());
        }
        let (text, span) = match self.open.take() {
            None => (opcode == TEXT, body.clone()),
            Some(open) => {
                let joined_end = open.joined_end + body.len();
                unread.copy_within(body.clone(), open.joined_end);
                if !fin {
                    let (next, fragments) = (body.end, open.fragments + 1);
                    self.open = Some(Open { joined_end, next, fragments, ..open });
                    return Ok(());
                }
                (open.text, open.start..joined_end)
            }
        };
        if !fin {
            let (start, joined_end, next) = (body.start, body.end, body.end);
            self.open = Some(Open { text, start, joined_end, next, fragments: 1 });
            return Ok(());
        }
        if text && std::str::from_utf8(&unread[span.clone()]).is_err() {
            return Err(Fault::BadText);
        }
        batch.push(Message { kind: Kind::Message { text }, span });
        Ok(())
    }

    /// See [`Codec::abandon`](super::codec::Codec::abandon). Called only after `decode` found no whole message.
    pub(crate) fn abandon(&mut self, unread: &mut [u8]) -> Abandoned {
        let known = self.discard.is_some();
        let open = self.open.take();
        let at = open.as_ref().map_or(0, |open| open.next);
        let head = Head::parse(&unread[at..]).ok().flatten();
        let Some(head) = head else {
            // The rest is the beginning of a head: it stays, and its frame will be dropped when it is known.
            self.discard = Some(Discard { frame_bytes: 0, more_frames: true });
            let salvage = open.map_or(0..0, |open| open.start..open.joined_end);
            return Abandoned { salvage: shorten(salvage, known), consumed: at };
        };
        let begun = at + head.head_bytes..unread.len();
        let payload_bytes = usize::try_from(head.payload_bytes).expect("decode has admitted this head");
        let frame_bytes = payload_bytes.saturating_sub(begun.len());
        self.discard = Some(Discard { frame_bytes, more_frames: !head.fin });
        let salvage = match open {
            Some(open) => open.start..open.joined_end,
            None => {
                mask::apply(head.mask, &mut unread[begun.clone()]);
                begun
            }
        };
        Abandoned { salvage: shorten(salvage, known), consumed: unread.len() }
    }
}

fn shorten(span: Range<usize>, empty: bool) -> Range<usize> {
    let bytes_max = if empty { 0 } else { SALVAGE_BYTES };
    span.start..span.end.min(span.start + bytes_max)
}

#[cfg(test)]
mod tests;
