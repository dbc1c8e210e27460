//! Sessions over an in-memory stream, with a service that stages what the node would do.
//!
//! Its language: `w5` writes lsn 5, `s7` is a strong write of lsn 7, `cX` needs the row of key X, `b` waits for
//! room, `lX` is a call whose reply comes later, `-` has no reply, `big` has a reply of 300 KiB, everything else is
//! echoed.

mod pushes;

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

use super::*;
use crate::limits::{MESSAGE_BYTES_MAX, REPLY_MS_MAX, SILENCE_MS_MAX, UPGRADE_MS, WRITE_STALL_MS_MAX};
use crate::transport::budget::Budget;
use crate::transport::origin::Origins;
use crate::transport::slots::Slots;
use mpreg_storage::record::Lsn;

#[derive(Debug)]
struct Stage {
    log: Mutex<Vec<String>>,
    warm: Mutex<HashSet<Box<[u8]>>>,
    room: watch::Sender<bool>,
    /// Ok = durable up to here; Err = the store has failed.
    durable: watch::Sender<Result<u64, ()>>,
    /// The outbox of the connection that spoke last.
    outbox: Mutex<Option<Outbox>>,
    /// Calls without a reply yet.
    calls: Mutex<Vec<Call>>,
}

impl Stage {
    fn new() -> Arc<Stage> {
        let ((durable, _), (room, _)) = (watch::channel(Ok(0)), watch::channel(false));
        let (log, warm, outbox, calls) =
            (Mutex::default(), Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Stage { log, warm, room, durable, outbox, calls })
    }

    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

impl Service for Arc<Stage> {
    fn fork(&self) -> Self {
        Arc::clone(self)
    }

    type Parsed<'m> = &'m [u8];

    fn begin(&mut self) {}

    fn begin_run(&mut self) {}

    fn read<'m>(&mut self, message: &'m [u8]) -> &'m [u8] {
        message
    }

    fn prefetch(&self) {}

    fn end(&mut self) {}

    fn handle(&mut self, message: &&[u8], reply: &mut Reply<'_>) -> Step {
        let text = std::str::from_utf8(message).unwrap();
        *self.outbox.lock().unwrap() = Some(reply.outbox.clone());
        if text.starts_with('l') {
            let call = reply.outbox.call(message.len(), format!("lost {text}"));
            self.calls.lock().unwrap().push(call);
            return Step::Later;
        }
        if self.cold_key(message).is_some() {
            return Step::Cold;
        }
        if text == "b" && !*self.room.borrow() {
            return Step::Busy;
        }
        let lsn = text.get(1..).and_then(|rest| rest.parse().ok()).map(Lsn);
        match (text.as_bytes()[0], lsn) {
            (b'w', Some(lsn)) => reply.seen.saw(lsn, false),
            (b's', Some(lsn)) => reply.seen.saw(lsn, true),
            (b'-', _) => return Step::Done,
            _ => {}
        }
        match text {
            "big" => reply.out.resize(reply.out.len() + 300 * 1024, b'b'),
            _ => reply.out.extend_from_slice(message),
        }
        Step::Done
    }

    fn cold_key(&mut self, message: &[u8]) -> Option<Box<[u8]>> {
        let key = message.strip_prefix(b"c")?;
        (!self.warm.lock().unwrap().contains(key)).then(|| key.into())
    }

    fn handle_cold(&mut self, message: &[u8], reply: &mut Reply<'_>) {
        self.note("cold".to_owned());
        assert!(!message.starts_with(b"cstuck"), "staged");
        reply.out.extend_from_slice(message);
        reply.seen.saw(Lsn(4), false);
    }

    fn warm(&self, keys: &[Box<[u8]>]) {
        self.note(format!("warm {}", keys.len()));
        self.warm.lock().unwrap().extend(keys.iter().filter(|key| !key.starts_with(b"absent")).cloned());
    }

    async fn room(&self) {
        self.room.subscribe().wait_for(|room| *room).await.unwrap();
    }

    fn refuse(&mut self, message: &[u8], refusal: Error, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{refusal:?}:").as_bytes());
        out.extend_from_slice(&message[..message.len().min(3)]);
    }

    fn hand_over(&self, lsn: Lsn) -> Result<(), Failed> {
        self.note(format!("hand over {lsn}"));
        Ok(())
    }

    fn durable_lsn(&self) -> Lsn {
        Lsn(self.durable.borrow().unwrap_or(0))
    }

    async fn durable(&self, lsn: Lsn) -> Result<(), Failed> {
        self.note(format!("durable {lsn}"));
        let mut durable = self.durable.subscribe();
        let reached =
            durable.wait_for(|now| now.is_err() || now.is_ok_and(|now| now >= lsn.0)).await.unwrap();
        reached.map(|_| ()).map_err(|()| Failed("sync failed".to_owned()))
    }

    fn failed(&self, _: &Failed) {
        self.note("failed".to_owned());
    }
}

/// A client at the other end of a session.
struct Peer {
    stream: DuplexStream,
    slots: Arc<Slots>,
    budget: Arc<Budget>,
}

fn connect(stage: &Arc<Stage>, memory_bytes: usize) -> Peer {
    let (stream, far) = tokio::io::duplex(4 * 1024 * 1024);
    let (slots, budget) = (Slots::new(9, 9), Budget::new(memory_bytes));
    let slot = slots.take([127, 0, 0, 1].into()).unwrap();
    let door = Door::new(Arc::clone(stage), Arc::clone(&budget), Origins::default(), MESSAGE_BYTES_MAX);
    tokio::spawn(serve(Arc::new(door), far, slot));
    Peer { stream, slots, budget }
}

fn frame(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

impl Peer {
    async fn send(&mut self, texts: &[&str]) {
        let bytes: Vec<u8> = texts.iter().flat_map(|text| frame(text)).collect();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn reply(&mut self) -> String {
        let length = self.stream.read_u32().await.unwrap();
        let mut bytes = vec![0; length as usize];
        self.stream.read_exact(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    async fn replies(&mut self, count: usize) -> Vec<String> {
        let mut found = Vec::new();
        for _ in 0..count {
            found.push(self.reply().await);
        }
        found
    }

    /// Whether nothing has been sent, after all tasks ran as far as they can.
    async fn silent(&mut self) -> bool {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let mut byte = [0];
        let read = self.stream.read(&mut byte);
        tokio::time::timeout(Duration::ZERO, read).await.is_err()
    }

    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        rest
    }

    async fn upgrade(&mut self) {
        let head = "GET /x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        self.stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(self.stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"));
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order_with_one_hand_over() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["a", "w3", "-", "PING", "w2", "z"]).await;
    assert_eq!(peer.replies(5).await, ["a", "w3", "PONG", "w2", "z"]);
    assert_eq!(stage.log(), ["hand over 3"]);
}

#[tokio::test(start_paused = true)]
async fn no_reply_of_a_batch_leaves_before_its_strong_part_is_durable() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["a", "s7", "w9"]).await;
    assert!(peer.silent().await);
    assert_eq!(stage.log(), ["hand over 9", "durable 7"]);
    let _ = stage.durable.send_replace(Ok(6));
    assert!(peer.silent().await);
    let _ = stage.durable.send_replace(Ok(7));
    assert_eq!(peer.replies(3).await, ["a", "s7", "w9"]);
    peer.send(&["s5"]).await;
    assert_eq!(peer.reply().await, "s5", "durable already: nothing to wait for");
    assert!(stage.log().is_empty());
    peer.send(&["s8"]).await;
    assert!(peer.silent().await);
    assert_eq!(stage.log(), ["durable 8"], "the sync hands over what it covers");
}

#[tokio::test]
async fn a_failed_store_turns_every_reply_into_outcome_unknown_and_ends_the_connection() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["s7", "w9"]).await;
    let _ = stage.durable.send_replace(Err(()));
    let expected = [frame("UnknownOutcome:s7"), frame("UnknownOutcome:w9")].concat();
    assert_eq!(peer.rest().await, expected);
    assert!(stage.log().contains(&"failed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_late_sync_is_answered_unknown_within_the_limit_and_the_connection_stays() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    let begun = tokio::time::Instant::now();
    peer.send(&["s7"]).await;
    assert_eq!(peer.reply().await, "Late:s7");
    assert_eq!(begun.elapsed().as_millis() as u64 / 10, REPLY_MS_MAX / 10);
    peer.send(&["a"]).await;
    assert_eq!(peer.reply().await, "a");
}

#[tokio::test]
async fn cold_keys_of_a_batch_are_read_in_one_hop_and_order_is_kept() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["a", "c1", "z", "c2", "PING", "c3"]).await;
    assert_eq!(peer.replies(6).await, ["a", "c1", "z", "c2", "PONG", "c3"]);
    assert_eq!(stage.log(), ["cold", "warm 2", "hand over 4"]);
    peer.send(&["c4", "cabsent"]).await;
    assert_eq!(peer.replies(2).await, ["c4", "cabsent"]);
    assert_eq!(stage.log(), ["cold", "warm 1", "cold", "warm 0", "hand over 4"]);
}

#[tokio::test]
async fn a_cold_answer_that_breaks_is_unknown_and_the_connection_stays() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["a", "cstuck", "z"]).await;
    assert_eq!(peer.replies(3).await, ["a", "UnknownOutcome:cst", "z"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_without_room_waits_alone_and_is_refused_in_the_end() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.send(&["a", "b", "z"]).await;
    assert_eq!(peer.reply().await, "a");
    assert!(peer.silent().await);
    assert_eq!(peer.replies(2).await, ["Overloaded:b", "z"]);
    peer.send(&["b", "z"]).await;
    stage.room.send_replace(true);
    assert_eq!(peer.replies(2).await, ["b", "z"]);
}

#[tokio::test]
async fn a_message_without_memory_is_refused_and_skipped() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 100_000);
    let long = format!("xyz{}", "-".repeat(500_000));
    peer.send(&["a", &long, "z"]).await;
    assert_eq!(peer.replies(3).await, ["a", "Overloaded:xyz", "z"]);
    peer.send(&["big", "y"]).await;
    let replies = peer.replies(2).await;
    assert_eq!((replies[0].len(), replies[1].as_str()), (300 * 1024, "Overloaded:y"), "its memory is in use");
    peer.send(&["d"]).await;
    assert_eq!(peer.reply().await, "d");
    assert!(peer.budget.used_bytes() < 64 * 1024, "what a burst needed is given back");
}

#[tokio::test]
async fn large_replies_leave_in_settled_pieces() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 24);
    peer.send(&["w1", "big", "big", "big", "big", "w2", "z"]).await;
    let replies = peer.replies(7).await;
    assert_eq!((replies[4].len(), replies[6].as_str()), (300 * 1024, "z"));
    assert_eq!(stage.log(), ["hand over 1", "hand over 2"]);
}

#[tokio::test]
async fn a_stop_answers_what_was_sent_and_says_going_away() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.upgrade().await;
    peer.stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'w', b'1']).await.unwrap();
    peer.slots.stop_all();
    let rest = peer.rest().await;
    assert_eq!(rest[..8], [0x81, 2, b'w', b'1', 0x88, rest[5], 0x03, 0xe9]);
    peer.stream.shutdown().await.unwrap();
    peer.slots.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_websocket_peer_is_pinged_and_closed_a_silent_tcp_peer_is_not() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.upgrade().await;
    let begun = tokio::time::Instant::now();
    let rest = peer.rest().await;
    assert_eq!(rest[..4], [0x89, 0, 0x89, 0]);
    assert_eq!((rest[4], rest[6..8].try_into().map(u16::from_be_bytes).unwrap()), (0x88, 1008));
    assert_eq!(begun.elapsed().as_millis() as u64 / 100, SILENCE_MS_MAX / 100);
    let mut tcp = connect(&stage, 1 << 20);
    tcp.send(&["a"]).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    tcp.send(&["z"]).await;
    assert_eq!(tcp.replies(2).await, ["a", "z"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stands_still_is_given_up() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.stream.write_all(&[0, 0, 0, 9, b'x']).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(peer.rest().await, b"");
    assert!(begun.elapsed() >= Duration::from_secs(10) && begun.elapsed() < Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_does_not_come_to_its_end_is_given_up() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 20);
    peer.stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(peer.rest().await, b"");
    assert_eq!(begun.elapsed().as_millis() as u64 / 10, UPGRADE_MS / 10);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_given_up() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 24);
    // 9 MB of replies for a pipe that holds 4 MiB.
    peer.send(&["big"; 30]).await;
    let begun = tokio::time::Instant::now();
    peer.slots.drained().await;
    assert_eq!(begun.elapsed().as_millis() as u64 / 100, WRITE_STALL_MS_MAX / 100);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_is_not() {
    let stage = Stage::new();
    let mut peer = connect(&stage, 1 << 24);
    peer.send(&["big"; 30]).await;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(WRITE_STALL_MS_MAX / 2)).await;
        assert_eq!(peer.reply().await.len(), 300 * 1024);
    }
}
