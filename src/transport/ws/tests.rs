//! The decoder against hand-made frames: cuts everywhere, fragments, control frames between them, limits.

use super::*;

const KEY: [u8; 4] = [7, 0, 201, 33];

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length => {
            out.push(0xfe);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&KEY);
    let at = out.len();
    out.extend_from_slice(payload);
    mask::apply(KEY, &mut out[at..]);
    out
}

/// Feeds `bytes` in pieces of `piece` as the session would, and tells what came out.
fn run(bytes: &[u8], piece: usize) -> (Vec<(Kind, Vec<u8>)>, Option<Fault>) {
    let mut decoder = Decoder::new(1000);
    let (mut unread, mut found) = (Vec::new(), Vec::new());
    for part in bytes.chunks(piece) {
        unread.extend_from_slice(part);
        loop {
            let mut batch = Vec::new();
            let decoded = decoder.decode(&mut unread, &mut batch);
            found.extend(batch.into_iter().map(|message| (message.kind, unread[message.span].to_vec())));
            unread.drain(..decoded.consumed);
            if decoded.fault.is_some() {
                return (found, decoded.fault);
            }
            if !decoded.again {
                break;
            }
        }
    }
    (found, None)
}

fn text(payload: &[u8]) -> (Kind, Vec<u8>) {
    (Kind::Message { text: true }, payload.to_vec())
}

#[test]
fn any_cutting_of_the_bytes_gives_the_same_messages() {
    let long = vec![b'z'; 300];
    let bytes = [
        frame(0x81, b"{}"),
        frame(0x01, b"{\"a\":"),
        frame(0x89, b"ping between"),
        frame(0x00, b""),
        frame(0x8a, b"pong"),
        frame(0x80, b"1}"),
        frame(0x82, &long),
        frame(0x81, b""),
    ]
    .concat();
    let expected = vec![
        text(b"{}"),
        (Kind::Ping, b"ping between".to_vec()),
        text(b"{\"a\":1}"),
        (Kind::Message { text: false }, long),
        text(b""),
    ];
    for piece in 1..=bytes.len() {
        assert_eq!(run(&bytes, piece), (expected.clone(), None), "pieces of {piece}");
    }
}

#[test]
fn broken_order_of_frames_is_refused() {
    for bytes in [
        frame(0x80, b"x"),
        [frame(0x01, b"x"), frame(0x81, b"y")].concat(),
        [frame(0x02, b"x"), frame(0x02, b"y")].concat(),
    ] {
        assert!(matches!(run(&bytes, 64).1, Some(Fault::BadFrame(_))), "{bytes:x?}");
    }
}

#[test]
fn text_must_be_utf8_across_fragments_and_binary_need_not() {
    let euro = "€".as_bytes();
    let whole = [frame(0x01, &euro[..1]), frame(0x80, &euro[1..])].concat();
    assert_eq!(run(&whole, 3), (vec![text(euro)], None));
    assert_eq!(run(&frame(0x81, &euro[..2]), 64).1, Some(Fault::BadText));
    assert_eq!(run(&frame(0x82, &euro[..2]), 64).1, None);
}

#[test]
fn the_limit_counts_all_fragments() {
    let at_limit = [frame(0x02, &[1; 600]), frame(0x80, &[1; 400])].concat();
    assert_eq!(run(&at_limit, 4096).0.len(), 1);
    let above = [frame(0x02, &[1; 600]), frame(0x80, &[1; 401])].concat();
    assert_eq!(run(&above, 4096).1, Some(Fault::TooLarge { bytes: 1001, bytes_max: 1000 }));
    let many = [frame(0x02, b""), frame(0x00, b"").repeat(FRAGMENTS_MAX)].concat();
    assert_eq!(run(&many, 4096).1, Some(Fault::TooManyFragments(FRAGMENTS_MAX)));
}

#[test]
fn an_abandoned_message_is_skipped_with_all_its_fragments() {
    let first = frame(0x01, &[b'a'; 700]);
    let bytes = [first.clone(), frame(0x00, &[b'b'; 200]), frame(0x80, b"c"), frame(0x81, b"{}")].concat();
    let mut decoder = Decoder::new(1000);
    let mut unread = bytes[..300].to_vec();
    let mut batch = Vec::new();
    assert_eq!(decoder.decode(&mut unread, &mut batch).consumed, 0);
    let abandoned = decoder.abandon(&mut unread);
    assert_eq!(abandoned.consumed, 300);
    assert!(unread[abandoned.salvage].iter().all(|&byte| byte == b'a'));
    for (at, byte) in bytes.iter().enumerate().skip(300) {
        unread = if at == 300 { Vec::new() } else { unread };
        unread.push(*byte);
        let consumed = decoder.decode(&mut unread, &mut batch).consumed;
        if batch.is_empty() {
            unread.drain(..consumed);
        }
    }
    assert_eq!(batch.len(), 1);
    assert_eq!(&unread[batch[0].span.clone()], b"{}");
}

#[test]
fn abandoning_between_fragments_keeps_a_begun_head() {
    let mut unread = [frame(0x01, &[b'a'; 50]), frame(0x80, &[b'b'; 50])[..3].to_vec()].concat();
    let mut decoder = Decoder::new(1000);
    let mut batch = Vec::new();
    let consumed = decoder.decode(&mut unread, &mut batch).consumed;
    unread.drain(..consumed);
    let abandoned = decoder.abandon(&mut unread);
    assert_eq!(unread[abandoned.salvage.clone()], [b'a'; 50]);
    unread.drain(..abandoned.consumed);
    assert_eq!(unread.len(), 3);
    unread.extend_from_slice(&frame(0x80, &[b'b'; 50])[3..]);
    unread.extend_from_slice(&frame(0x81, b"[]"));
    decoder.decode(&mut unread, &mut batch);
    assert_eq!(batch.len(), 1);
    assert_eq!(&unread[batch[0].span.clone()], b"[]");
}
