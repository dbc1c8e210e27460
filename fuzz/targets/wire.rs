//! Bytes of a peer on either transport: never a panic, and however the network cuts them the same messages come
//! out and the same fault ends them. A message given up for want of memory leaves a decoder that goes on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mpreg::fuzzing::{abandon, decode};

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (websocket, piece, bytes) = input;
    let whole = decode(websocket, bytes, bytes.len());
    assert_eq!(decode(websocket, bytes, piece.into()), whole);
    let cut = usize::from(piece).min(bytes.len());
    abandon(websocket, &bytes[..cut], &bytes[cut..]);
});
