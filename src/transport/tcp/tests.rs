//! The decoder against hand-made frames and streams: cuts everywhere, limits, abandoned messages.

use super::*;

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; HEAD_BYTES];
    out.extend_from_slice(payload);
    finish(0, &mut out);
    out
}

fn spans(unread: &[u8]) -> (Vec<Vec<u8>>, Decoded) {
    let (mut unread, mut batch) = (unread.to_vec(), Vec::new());
    let decoded = Decoder::new(100).decode(&mut unread, &mut batch);
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
    let mut bytes = [frame(&[b'x'; 90]), frame(b"{}")].concat();
    let mut decoder = Decoder::new(100);
    assert_eq!(decoder.abandon(&bytes[..30]), Abandoned { salvage: 4..30, consumed: 30 });
    let mut batch = Vec::new();
    assert_eq!(decoder.decode(&mut bytes[30..40], &mut batch).consumed, 10);
    let decoded = decoder.decode(&mut bytes[40..], &mut batch);
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

fn chunk(flags: u32, data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes()[..], &flags.to_be_bytes(), data].concat()
}

fn stream(chunks: &[Vec<u8>]) -> Vec<u8> {
    [STREAM_MARKER.to_be_bytes().to_vec(), chunks.concat()].concat()
}

/// Feeds `bytes` in pieces of `piece` as the session would, and tells what came out.
fn run(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<Fault>) {
    let mut decoder = Decoder::new(100);
    let (mut unread, mut found) = (Vec::new(), Vec::new());
    for part in bytes.chunks(piece) {
        unread.extend_from_slice(part);
        let mut batch = Vec::new();
        let decoded = decoder.decode(&mut unread, &mut batch);
        found.extend(batch.into_iter().map(|message| unread[message.span].to_vec()));
        unread.drain(..decoded.consumed);
        if decoded.fault.is_some() {
            return (found, decoded.fault);
        }
    }
    (found, None)
}

#[test]
fn any_cutting_of_streams_between_frames_gives_the_same_messages() {
    let bytes = [
        frame(b"{}"),
        stream(&[chunk(1, b"{\"a\""), chunk(1, b""), chunk(1, b":"), chunk(2, b"1}")]),
        stream(&[chunk(3, b"[2]")]),
        frame(b"PING"),
        stream(&[chunk(1, b"half"), chunk(4, b"")]),
        stream(&[chunk(1, b"[3"), chunk(1, b"]"), chunk(2, b"")]),
        stream(&[chunk(2, b"")]),
        frame(b"{}"),
    ]
    .concat();
    let expected: [&[u8]; 6] = [b"{}", b"{\"a\":1}", b"[2]", b"PING", b"[3]", b"{}"];
    for piece in 1..=bytes.len() {
        let (found, fault) = run(&bytes, piece);
        assert_eq!((found, fault), (expected.map(<[u8]>::to_vec).to_vec(), None), "pieces of {piece}");
    }
}

#[test]
fn a_stream_is_bounded_by_its_sum_and_its_flags() {
    let longest = [vec![chunk(1, &[b'x'; 100]); STREAM_MESSAGES], vec![chunk(2, b"")]].concat();
    assert_eq!(run(&stream(&longest), 64).0[0].len(), 100 * STREAM_MESSAGES);
    let bytes_max = 100 * STREAM_MESSAGES;
    let (bytes, above) = (bytes_max as u64 + 1, [&longest[..STREAM_MESSAGES], &[chunk(2, b"x")]].concat());
    assert_eq!(run(&stream(&above), 64).1, Some(Fault::TooLarge { bytes, bytes_max }));
    // The length alone is refused, before a byte of the chunk comes.
    assert!(matches!(
        run(&[[0xff; 8], [0, 0, 0, 1, 0, 0, 0, 0]].concat(), 3).1,
        Some(Fault::TooLarge { .. })
    ));
    for (flags, data) in [(0, &b""[..]), (4, b"x"), (5, b""), (8, b""), (u32::MAX, b"")] {
        let fault = run(&stream(&[chunk(flags, data)]), 1).1;
        assert_eq!(fault, Some(Fault::BadFrame("the flags of a chunk")), "{flags}");
    }
    let many = stream(&vec![chunk(1, b""); STREAM_CHUNKS_MAX + 1]);
    assert_eq!(run(&many, 1 << 20).1, Some(Fault::TooManyFragments(STREAM_CHUNKS_MAX)));
}

/// Wherever memory ends, the rest of the stream goes, and the frame behind it is served.
#[test]
fn an_abandoned_stream_is_skipped_to_its_end() {
    let begun = [chunk(1, b"{\"u\":1,"), chunk(1, b"\"b\":22222")];
    for end in [chunk(2, b"}"), chunk(4, b"")] {
        let whole = stream(&[&begun[..], &[end]].concat());
        for cut in HEAD_BYTES..whole.len() {
            let (mut decoder, mut batch) = (Decoder::new(100), Vec::new());
            let mut unread = whole[..cut].to_vec();
            let consumed = decoder.decode(&mut unread, &mut batch).consumed;
            unread.drain(..consumed);
            let abandoned = decoder.abandon(&unread);
            let come = &b"{\"u\":1,"[..cut.saturating_sub(HEAD_BYTES + CHUNK_HEAD_BYTES).min(7)];
            assert!(unread[abandoned.salvage].starts_with(come), "cut {cut}");
            unread.drain(..abandoned.consumed);
            unread.extend_from_slice(&whole[cut..]);
            unread.extend_from_slice(&frame(b"[]"));
            assert_eq!(decoder.decode(&mut unread, &mut batch).fault, None, "cut {cut}");
            assert_eq!(batch.len(), 1, "cut {cut}");
            assert_eq!(unread[batch[0].span.clone()], *b"[]");
        }
    }
}

#[test]
fn broken_chunks_are_told_in_one_json_frame() {
    let mut out = Vec::new();
    farewell(&Fault::BadFrame("x"), &mut out);
    let text: serde_json::Value = serde_json::from_slice(&out[4..]).unwrap();
    assert_eq!(text["error"]["code"], 1005);
}
