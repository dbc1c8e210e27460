//! What both transports have in common: bytes in, whole messages out, replies framed.
//!
//! A codec does no I/O. It looks at the unread bytes of an [`Inbox`](super::inbox::Inbox), unmasks and joins in
//! place, and hands out ranges; the session decides when to read, write and close.

use std::ops::Range;

use crate::transport::{tcp, ws};

/// One thing the peer said, as a range of the unread bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

/// Kinds of messages the session answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A protocol message. `text` is the WebSocket frame type; TCP frames count as binary.
    Message { text: bool },
    /// A liveness question; the answer repeats the payload on WebSocket.
    Ping,
}

/// What one pass over the unread bytes found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Bytes that may be dropped once the messages are handled.
    pub(crate) consumed: usize,
    /// Decode again before reading: the pass stopped at a full batch.
    pub(crate) again: bool,
    /// Why the connection must end after the messages before it are answered.
    pub(crate) fault: Option<Fault>,
}

/// A message given up for want of memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Abandoned {
    /// Its beginning, to find role and `u` in; empty when the message was given up before.
    pub(crate) salvage: Range<usize>,
    /// Bytes that may be dropped now.
    pub(crate) consumed: usize,
}

/// Why a connection is closed by us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The peer sent a close frame.
    #[error("the peer closed with {0}")]
    PeerClosed(u16),
    #[error("a message of {bytes} bytes, the limit is {bytes_max}")]
    TooLarge { bytes: u64, bytes_max: usize },
    #[error("a message of more than {0} fragments")]
    TooManyFragments(usize),
    #[error("broken framing: {0}")]
    BadFrame(&'static str),
    #[error("a text message that is not UTF-8")]
    BadText,
    #[error("a started message came slower than {0} bytes a second")]
    TooSlow(u64),
    #[error("no sign of life for {0} ms")]
    Silent(u64),
    #[error("the server is stopping")]
    Stopping,
    /// The outcome of a write is not known: the store has failed.
    #[error("the store has failed")]
    StoreFailed,
}

impl Fault {
    /// WebSocket close code.
    pub(crate) fn close_code(&self) -> u16 {
        match self {
            Fault::PeerClosed(code) => *code,
            Fault::TooLarge { .. } | Fault::TooManyFragments(_) => 1009,
            Fault::BadFrame(_) => 1002,
            Fault::BadText => 1007,
            Fault::TooSlow(_) | Fault::Silent(_) => 1008,
            Fault::Stopping => 1001,
            Fault::StoreFailed => 1011,
        }
    }
}

/// The framing of one connection.
#[derive(Debug)]
pub(crate) enum Codec {
    Tcp(tcp::Decoder),
    WebSocket(ws::Decoder),
}

/// Where a reply began in the out buffer, with room left for its head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    head: usize,
    body: usize,
}

impl Begun {
    /// Where the reply's text begins in the out buffer.
    pub(crate) fn body(self) -> usize {
        self.body
    }
}

impl Codec {
    /// Finds the complete messages at the front of `unread`, at most `BATCH_MESSAGES_MAX`, and appends them to
    /// `batch`. Their spans hold until `consumed` bytes are dropped or decode is called again.
    pub(crate) fn decode(&mut self, unread: &mut [u8], batch: &mut Vec<Message>) -> Decoded {
        match self {
            Codec::Tcp(decoder) => decoder.decode(unread, batch),
            Codec::WebSocket(decoder) => decoder.decode(unread, batch),
        }
    }

    /// Gives up the message that has begun in `unread` (for which there is no memory): its remaining bytes will
    /// be thrown away as they come.
    pub(crate) fn abandon(&mut self, unread: &mut [u8]) -> Abandoned {
        match self {
            Codec::Tcp(decoder) => decoder.abandon(unread),
            Codec::WebSocket(decoder) => decoder.abandon(unread),
        }
    }

    /// Leaves room for the head of a reply.
    pub(crate) fn begin(&self, out: &mut Vec<u8>) -> Begun {
        let head = out.len();
        let head_bytes = match self {
            Codec::Tcp(_) => tcp::HEAD_BYTES,
            Codec::WebSocket(_) => ws::head::REPLY_HEAD_BYTES,
        };
        out.resize(head + head_bytes, 0);
        Begun { head, body: out.len() }
    }

    /// Writes the head of the reply that now stands in `out`; an empty reply leaves no frame. `text` is the
    /// frame type to mirror.
    pub(crate) fn end(&self, begun: Begun, text: bool, out: &mut Vec<u8>) {
        if out.len() == begun.body {
            out.truncate(begun.head);
            return;
        }
        match self {
            Codec::Tcp(_) => tcp::finish(begun.head, out),
            Codec::WebSocket(_) => ws::head::finish(begun.head, text, out),
        }
    }

    /// Appends the answer to a [`Kind::Ping`].
    pub(crate) fn pong(&self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Codec::Tcp(_) => tcp::pong(out),
            Codec::WebSocket(_) => ws::head::control(ws::head::PONG, payload, out),
        }
    }

    /// Appends a ping of ours; TCP has none. Tells whether there is one.
    pub(crate) fn ping(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Codec::Tcp(_) => false,
            Codec::WebSocket(_) => {
                ws::head::control(ws::head::PING, b"", out);
                true
            }
        }
    }

    /// Appends the last words before a close: a close frame, or on TCP an error frame where one is due.
    pub(crate) fn farewell(&self, fault: &Fault, out: &mut Vec<u8>) {
        match self {
            Codec::Tcp(_) => tcp::farewell(fault, out),
            Codec::WebSocket(_) => ws::head::close(fault, out),
        }
    }
}
