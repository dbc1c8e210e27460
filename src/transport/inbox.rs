//! The receive buffer of one connection.
//!
//! ```text
//! bytes   | handled | unread ............ | free |
//!         0         start              filled    len
//! ```
//!
//! One contiguous buffer: messages are decoded, unmasked and joined in place and handed out as ranges, so
//! nothing is copied between the socket and the parser. It grows with bytes that have *arrived*, never with
//! what a length field claims, and what it grows is leased from the shared budget first.

use std::ops::Range;

use crate::limits::{BUFFER_KEEP_BYTES, INBOX_BYTES, READ_BYTES_MIN};
use crate::transport::budget::Lease;

/// The budget has no room for a larger buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

/// Bytes received and not yet handled.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    filled: usize,
    lease: Lease,
}

impl Inbox {
    pub(crate) fn new(lease: Lease) -> Inbox {
        Inbox { bytes: vec![0; INBOX_BYTES], start: 0, filled: 0, lease }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.filled]
    }

    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.filled]
    }

    /// The bytes of a span counted from the first unread byte.
    pub(crate) fn span(&self, span: Range<usize>) -> &[u8] {
        &self.unread()[span]
    }

    /// Drops `count` bytes from the front of what is unread.
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.filled - self.start, "consumed more than was there");
        self.start += count;
        if self.start == self.filled {
            (self.start, self.filled) = (0, 0);
        }
    }

    /// Room for a read, at least [`READ_BYTES_MIN`] bytes. Moves or doubles the buffer when the free end is short.
    pub(crate) fn room(&mut self) -> Result<&mut [u8], Overloaded> {
        if self.bytes.len() - self.filled < READ_BYTES_MIN {
            self.bytes.copy_within(self.start..self.filled, 0);
            (self.start, self.filled) = (0, self.filled - self.start);
        }
        if self.bytes.len() - self.filled < READ_BYTES_MIN {
            let grown = self.bytes.len() * 2;
            if !self.lease.resize(grown - INBOX_BYTES) {
                return Err(Overloaded);
            }
            self.bytes.resize(grown, 0);
        }
        Ok(&mut self.bytes[self.filled..])
    }

    /// Tells that a read put `count` bytes into [`Inbox::room`].
    pub(crate) fn received(&mut self, count: usize) {
        self.filled += count;
        debug_assert!(self.filled <= self.bytes.len());
    }

    /// Gives a grown and now empty buffer back.
    pub(crate) fn relax(&mut self) {
        if self.filled == self.start && self.bytes.len() > BUFFER_KEEP_BYTES {
            self.bytes = vec![0; INBOX_BYTES];
            self.lease.resize(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::budget::Budget;

    fn put(inbox: &mut Inbox, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = inbox.room().unwrap();
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            inbox.received(count);
            rest = &rest[count..];
        }
    }

    #[test]
    fn keeps_bytes_while_it_moves_grows_and_relaxes() {
        let budget = Budget::new(1 << 20);
        let mut inbox = Inbox::new(budget.lease());
        let text: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        put(&mut inbox, &text[..INBOX_BYTES]);
        inbox.consume(INBOX_BYTES - 10);
        put(&mut inbox, &text[INBOX_BYTES..]);
        assert_eq!(inbox.unread(), &text[INBOX_BYTES - 10..]);
        assert!(budget.used_bytes() >= 180_000);
        inbox.relax();
        assert_eq!(inbox.unread().len(), 200_000 - INBOX_BYTES + 10, "not while bytes are unread");
        inbox.consume(inbox.unread().len());
        inbox.relax();
        assert_eq!(budget.used_bytes(), 0);
        assert_eq!(inbox.room().unwrap().len(), INBOX_BYTES);
    }

    #[test]
    fn refuses_to_grow_beyond_the_budget() {
        let mut inbox = Inbox::new(Budget::new(INBOX_BYTES).lease());
        put(&mut inbox, &vec![1; 2 * INBOX_BYTES - READ_BYTES_MIN]);
        inbox.received(READ_BYTES_MIN);
        assert_eq!(inbox.room().unwrap_err(), Overloaded);
        assert_eq!(inbox.unread().len(), 2 * INBOX_BYTES, "what arrived stays");
    }
}
