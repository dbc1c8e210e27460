//! What does a stored publish cost, how fast does a backlog come back, and how soon does it serve after a restart?
//!
//! Messages are JSON objects of `MESSAGE_BYTES` (64) bytes over `TOPICS` (1,000) topics, `MESSAGES` (1 M) of them.
//! Publish (durability in the name): batches of 16, each one hand-over, beside bare `write()`s of the same bytes; strong:
//! four threads with 16 messages in flight each, beside one thread that does `write()` and `fdatasync()` for each batch.
//! Replay: every message of one topic through a cursor, beside a walk over the frames of the log that only decodes.
//! Wildcard: 10 of 1,000 topics, beside a replay of all. Restart: `BACKLOG_MIB` (256) of backlog left by a killed process,
//! until the first message is read, beside the same without index files.
//!
//! `CLOCK=cpu` counts processor time instead, for busy machines; useless for strong.

#![allow(clippy::disallowed_methods)] // a bench measures real time

mod support;

use std::path::Path;
use std::sync::Arc;

use mpreg_storage::disk::{Disk, OpenMode, OsClock, OsDisk, OsRng};
use mpreg_storage::record::{Level, message};
use mpreg_storage::topics::{Cursor, Limits, Options, ReadOnlyTopics, Start, Step, Topics};
use mpreg_storage::write::recovery::Machine;
use support::ratio::{tell, versus, wanted};
use support::stores::scratch_dir;
use support::{Stopwatch, setting, timed};

const BATCH: usize = 16;

fn machine() -> Machine {
    Machine { disk: Arc::new(OsDisk), clock: Arc::new(OsClock::new()), rng: Arc::new(OsRng::new()) }
}

/// No topic limits, no retention: everything written is read again.
fn options() -> Options {
    let limits = Limits { age_us: u64::MAX >> 1, count: u64::MAX, bytes: u64::MAX };
    Options { bytes_max: 1 << 40, limits, free_bytes_min: Some(0), ..Options::default() }
}

fn open(dir: &Path) -> Topics {
    Topics::open(&machine(), dir, options(), None).expect("a backlog opens")
}

/// A message object, different for each number.
fn object(number: usize) -> Vec<u8> {
    let bytes = setting("MESSAGE_BYTES", 64);
    let head = format!("{{\"n\":{number},\"payload\":\"");
    let fill = bytes.saturating_sub(head.len() + 2);
    format!("{head}{}\"}}", "x".repeat(fill)).into_bytes()
}

fn topic(number: usize, topics: usize) -> String {
    // Topics do not follow each other in order.
    format!("bench.topic.{:04}", number.wrapping_mul(7919) % topics)
}

/// Topics and messages, made before the clock starts.
fn messages(count: usize, topics: usize) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|number| (topic(number, topics), object(number))).collect()
}

fn publish_eventual(topics: &Topics, messages: &[(String, Vec<u8>)]) {
    for batch in messages.chunks(BATCH) {
        let mut last = None;
        for (topic, message) in batch {
            last = Some(topics.stage_blocking(topic, message, Level::Eventual).expect("a burst has room"));
        }
        topics.hand_over(last.expect("chunks are not empty").position).expect("a batch is handed over");
    }
}

/// Messages a second into a new backlog.
fn burst(messages: &[(String, Vec<u8>)]) -> f64 {
    let dir = scratch_dir();
    let topics = open(dir.path());
    let start = Stopwatch::start();
    publish_eventual(&topics, messages);
    messages.len() as f64 / start.elapsed().as_secs_f64()
}

/// The same bytes in as many bare writes.
fn bare_burst(messages: &[(String, Vec<u8>)], sync: bool) -> f64 {
    let dir = scratch_dir();
    let file = OsDisk.open(&dir.path().join("bare"), OpenMode::Create).expect("a file is made");
    let mut at = 0;
    let mut buffer = Vec::new();
    let start = Stopwatch::start();
    for batch in messages.chunks(BATCH) {
        buffer.clear();
        batch.iter().for_each(|(topic, message)| {
            buffer.extend_from_slice(topic.as_bytes());
            buffer.extend_from_slice(message);
        });
        file.write_at(at, &buffer).expect("a write succeeds");
        if sync {
            file.sync_data().expect("a sync succeeds");
        }
        at += buffer.len() as u64;
    }
    messages.len() as f64 / start.elapsed().as_secs_f64()
}

/// Strong messages a second: four threads, 16 in flight each.
fn strong(messages: &[(String, Vec<u8>)]) -> f64 {
    const THREADS: usize = 4;
    let dir = scratch_dir();
    let topics = open(dir.path());
    let each = messages.len() / THREADS;
    let took = timed(THREADS, each as u64, |thread, _| {
        for batch in messages[thread * each..(thread + 1) * each].chunks(BATCH) {
            let stage = |(topic, message): &(String, Vec<u8>)| {
                topics.stage_blocking(topic, message, Level::Strong).expect("a message is staged").position
            };
            #[expect(clippy::double_ended_iterator_last, reason = "all are staged, in order")]
            let last = batch.iter().map(stage).last().expect("chunks are not empty");
            topics.durable(last).wait().expect("a batch is synced");
        }
    });
    (each * THREADS) as f64 / took.as_secs_f64()
}

fn publishing() {
    if wanted("topics/publish_eventual") {
        let messages = messages(setting("MESSAGES", 1_000_000), setting("TOPICS", 1000));
        let pair = versus(|| burst(&messages), || bare_burst(&messages, false));
        tell("topics/publish_eventual/batch=16/per_s", pair, "ours>=1500000");
    }
    if wanted("topics/publish_strong") {
        let messages = messages(setting("STRONG_MESSAGES", 100_000), setting("TOPICS", 1000));
        // The yardstick syncs for each batch: a tenth tells.
        let bare = || bare_burst(&messages[..messages.len() / 10], true);
        let pair = versus(|| strong(&messages), bare);
        tell("topics/publish_strong/4x16/per_s", pair, ">=1");
    }
}

/// Messages the cursor yields, and the time it took.
fn drain(mut cursor: Cursor) -> (usize, f64) {
    let start = Stopwatch::start();
    let (mut messages, mut bytes) = (0, 0);
    loop {
        match cursor.next().expect("the backlog is sound") {
            Step::Message(message) => {
                messages += 1;
                bytes += message.payload.len();
            }
            Step::Pause => {}
            Step::Gap { .. } => panic!("nothing was retired"),
            Step::End => break,
        }
    }
    assert!(bytes >= messages * 16);
    (messages, start.elapsed().as_secs_f64())
}

/// Waits until every sealed segment has its index.
fn settle(topics: &Topics) {
    let last = topics.written();
    topics.durable(last).wait().expect("the tail is synced");
    topics.step().expect("indexes are written");
}

fn replaying() {
    if !wanted("topics/replay") && !wanted("topics/wildcard") {
        return;
    }
    let count = setting("MESSAGES", 1_000_000);
    for (name, topic_count) in [("one_topic", 1), ("all_of_1000_topics", setting("TOPICS", 1000))] {
        let dir = scratch_dir();
        let topics = open(dir.path());
        publish_eventual(&topics, &messages(count, topic_count));
        settle(&topics);
        let all = || {
            let (seen, took) = drain(topics.cursor(Start::Earliest, |_| true));
            assert_eq!(seen, count);
            seen as f64 / took
        };
        if wanted("topics/replay") {
            let pair = versus(all, || walk(dir.path(), &topics));
            tell(&format!("topics/replay/{name}/per_s"), pair, "ours>=5000000");
        }
        if topic_count > 100 && wanted("topics/wildcard") {
            // One in a hundred: the topics whose number ends in 07.
            let part = || {
                let (seen, took) = drain(topics.cursor(Start::Earliest, |topic| topic.ends_with("07")));
                assert_eq!(seen, count / 100);
                1.0 / took
            };
            let pair = versus(part, || all() / count as f64);
            tell("topics/wildcard_1_percent/replays_per_s", pair, ">=20");
        }
        topics.close().expect("a clean stop");
    }
}

/// Messages a second by reading every frame of the log and decoding every record.
fn walk(dir: &Path, topics: &Topics) -> f64 {
    let records = ReadOnlyTopics::open(Arc::new(OsDisk), dir).expect("it can be read");
    let start = Stopwatch::start();
    let mut seen = 0_u64;
    let mut cursor = records.records();
    while let Some((_, message::Entry::Message(message))) = cursor.next().expect("the backlog is sound") {
        seen += u64::from(!message.message.is_empty());
    }
    assert_eq!(seen, topics.stats().messages);
    seen as f64 / start.elapsed().as_secs_f64()
}

/// Copies a running backlog's files as a kill leaves them.
fn copy(from: &Path, to: &Path, indexes: bool) {
    for entry in std::fs::read_dir(from).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let is_index = path.extension().is_some_and(|extension| extension == "index");
        if indexes || !is_index {
            let name = path.file_name().expect("files have names");
            std::fs::copy(&path, to.join(name)).expect("it can be copied");
        }
    }
}

fn restarting() {
    if !wanted("topics/restart") {
        return;
    }
    let mib = setting("BACKLOG_MIB", 256);
    let dir = scratch_dir();
    let topics = open(dir.path());
    let batch = messages(100_000, setting("TOPICS", 1000));
    while topics.stats().segments * 64 < mib + 64 {
        publish_eventual(&topics, &batch);
    }
    settle(&topics);
    publish_eventual(&topics, &batch[..1000]);
    let start = |indexes: bool| {
        let image = scratch_dir();
        copy(dir.path(), image.path(), indexes);
        let start = Stopwatch::start();
        let topics = open(image.path());
        let mut cursor = topics.cursor(Start::Earliest, |_| true);
        assert!(matches!(cursor.next(), Ok(Step::Message(_))));
        1.0 / start.elapsed().as_secs_f64()
    };
    let pair = versus(|| start(true), || start(false));
    let (ours, bare) = (1000.0 / pair.0, 1000.0 / pair.1);
    println!("topics/restart/{mib}MiB: {ours:.1} ms, without indexes {bare:.1} ms");
    tell(&format!("topics/restart/{mib}MiB/per_s"), pair, "ours>=1");
}

fn main() {
    publishing();
    replaying();
    restarting();
}
