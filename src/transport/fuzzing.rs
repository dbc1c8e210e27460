//! The decoders of both transports as a fuzzer sees them: bytes in pieces, messages out.

use crate::transport::budget::Budget;
use crate::transport::codec::{Codec, Kind};
use crate::transport::inbox::Inbox;
use crate::transport::{tcp, ws};

/// Limit of a message here, so that a fuzzer comes by it.
const MESSAGE_BYTES_MAX: usize = 1000;

/// What `bytes` hold when they come `piece` at a time, as a session would find it: the messages (pings marked) and
/// the words of the fault that ended it.
#[must_use]
pub fn decode(websocket: bool, bytes: &[u8], piece: usize) -> (Vec<(bool, Vec<u8>)>, Option<String>) {
    let mut codec = match websocket {
        true => Codec::WebSocket(ws::Decoder::new(MESSAGE_BYTES_MAX)),
        false => Codec::Tcp(tcp::Decoder::new(MESSAGE_BYTES_MAX)),
    };
    let mut inbox = Inbox::new(Budget::new(usize::MAX).lease());
    let mut found = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        receive(&mut inbox, part);
        loop {
            let mut batch = Vec::new();
            let decoded = codec.decode(inbox.unread_mut(), &mut batch);
            let messages = batch.into_iter().map(|message| (message.kind == Kind::Ping, message.span));
            found.extend(messages.map(|(ping, span)| (ping, inbox.span(span).to_vec())));
            inbox.consume(decoded.consumed);
            if let Some(fault) = decoded.fault {
                return (found, Some(fault.to_string()));
            }
            if !decoded.again {
                break;
            }
        }
    }
    (found, None)
}

fn receive(inbox: &mut Inbox, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let room = inbox.room().expect("the budget has no end");
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        inbox.received(count);
        bytes = &bytes[count..];
    }
}

/// Gives up whatever has begun after `bytes`, then sends `rest`: nothing may panic, whatever comes.
pub fn abandon(websocket: bool, bytes: &[u8], rest: &[u8]) {
    let mut codec = match websocket {
        true => Codec::WebSocket(ws::Decoder::new(MESSAGE_BYTES_MAX)),
        false => Codec::Tcp(tcp::Decoder::new(MESSAGE_BYTES_MAX)),
    };
    let (mut unread, mut batch) = (bytes.to_vec(), Vec::new());
    let decoded = codec.decode(&mut unread, &mut batch);
    unread.drain(..decoded.consumed);
    if decoded.fault.is_some() || decoded.again {
        return;
    }
    let abandoned = codec.abandon(&mut unread);
    assert!(abandoned.salvage.end <= unread.len() && abandoned.consumed <= unread.len());
    unread.drain(..abandoned.consumed);
    unread.extend_from_slice(rest);
    batch.clear();
    let decoded = codec.decode(&mut unread, &mut batch);
    assert!(decoded.consumed <= unread.len());
    assert!(batch.iter().all(|message| message.span.end <= unread.len()));
}
