//! Promise: when syncs stall, `eventual` writers are held before more than the cap is at risk, by bytes
//! and by age, and go on when the disk does.
//!
//! A gate stands in front of the log's syncs. The loss window is measured the hard way: the power goes
//! while threads write, and what was acknowledged and is gone is counted. `STALLED_CUTS` (default 12)
//! takes more such cuts.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mpreg_storage::disk::{Clock, CrashSpec, OsClock, SimClock, SimDisk};
use mpreg_storage::record::{Key, Lsn};
use mpreg_storage::store::{Level, Operation, Options, Store};
use parking_lot::{Condvar, Mutex};
use support::{Life, WALL_US, number};

const LOG: &str = "/data/wal";
const WRITERS: u64 = 3;
const CAP_BYTES: u64 = 64 << 10;
const VALUE: &[u8] = b"\"a value of some forty bytes, quotes included\"";
/// One record of a key and `VALUE`, generously.
const RECORD_BYTES_MAX: u64 = 256;

/// Lets syncs of the log through, or not.
#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Make it after the store: a test that fails must open it before the store's threads are joined.
    fn before_log_syncs(disk: &SimDisk) -> Keeper {
        let gate = Arc::new(Gate::default());
        let inside = Arc::clone(&gate);
        disk.on_sync(move |path| {
            // A disk knows a segment by the name it was made under.
            if path.starts_with(LOG) {
                let mut closed = inside.closed.lock();
                while *closed {
                    inside.opened.wait(&mut closed);
                }
            }
        });
        Keeper(gate)
    }
}

/// Opens the gate when it goes.
struct Keeper(Arc<Gate>);

impl Keeper {
    fn set_closed(&self, closed: bool) {
        *self.0.closed.lock() = closed;
        self.0.opened.notify_all();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.set_closed(false);
    }
}

fn key(writer: u64, round: u64) -> Key {
    Key::new("stalled", &format!("{writer}-{}", round % 500)).unwrap()
}

fn options(disk: &SimDisk, clock: Arc<dyn Clock>) -> Options {
    let sim = Arc::new(SimClock::new(WALL_US));
    let mut options = support::options(disk, &sim, 2);
    options.machine.clock = clock;
    options.threads = true;
    options.segment_bytes = 1 << 20;
    options.memory_bytes = 64 << 20;
    options.checkpoint_bytes = Some(16 << 20);
    options.sync_interval_us = 1_000;
    options.unsynced_bytes_max = CAP_BYTES;
    options.unsynced_age_us_max = u64::MAX;
    options
}

/// Eventual puts until the store says busy; the position of the last one acknowledged.
fn write_until_held(store: &Store, writer: u64) -> (u64, Lsn) {
    let (mut acked, mut last) = (0, Lsn::ZERO);
    for round in 0.. {
        let key = key(writer, round);
        let put = Operation::Put { key: key.as_bytes(), value: VALUE, ttl_us: None, extras: b"" };
        match store.stage(&put).map(|done| done.outcome) {
            Ok(outcome) => {
                store.hand_over(outcome.lsn).unwrap();
                (acked, last) = (acked + 1, last.max(outcome.lsn));
            }
            Err(error) => {
                assert!(error.is_busy(), "{error:?}");
                break;
            }
        }
    }
    (acked, last)
}

#[test]
fn writers_are_held_at_the_byte_cap_and_go_on_with_the_disk() {
    let disk = SimDisk::new();
    let store = Store::open(options(&disk, Arc::new(SimClock::new(WALL_US)))).unwrap();
    let gate = Gate::before_log_syncs(&disk);
    let before = store.put(key(9, 0).as_bytes(), b"\"before\"", Level::Strong).unwrap();
    // The next segment is made before the disk stalls: the cap is what must hold the writers, not the wait for it.
    store.step().unwrap();
    gate.set_closed(true);
    let acked: u64 = std::thread::scope(|scope| {
        let store = &store;
        let hold = |writer| scope.spawn(move || write_until_held(store, writer));
        let writers: Vec<_> = (0..WRITERS).map(hold).collect();
        writers.into_iter().map(|writer| writer.join().unwrap().0).sum()
    });
    let unsynced_bytes = store.stats().unwrap().unsynced_bytes;
    assert!(unsynced_bytes >= CAP_BYTES - RECORD_BYTES_MAX, "held too early: {unsynced_bytes}");
    assert!(unsynced_bytes <= CAP_BYTES + RECORD_BYTES_MAX, "beyond the cap: {unsynced_bytes}");
    let image = Life::begin(&disk.crash_image(&CrashSpec::NOTHING), 1).unwrap();
    assert!(image.store.recovered().last >= before.lsn, "what was strong before the stall is there");
    drop(image);
    let released = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| {
            store.put(key(8, 0).as_bytes(), VALUE, Level::Eventual).unwrap();
            assert!(released.load(Ordering::SeqCst), "a put went past the cap");
        });
        // Nothing changes however often the held writer asks; the disk decides.
        for _ in 0..1_000 {
            let refused = store.stage(&Operation::Delete { key: key(9, 0).as_bytes() });
            assert!(refused.unwrap_err().is_busy());
        }
        released.store(true, Ordering::SeqCst);
        gate.set_closed(false);
        held.join().unwrap();
    });
    let strong = store.put(key(9, 1).as_bytes(), VALUE, Level::Strong).unwrap();
    println!(
        "stalled_disk bytes acked={acked} unsynced_bytes={unsynced_bytes} cap_bytes={CAP_BYTES} violations=0"
    );
    drop(store);
    let image = Life::begin(&disk.crash_image(&CrashSpec::NOTHING), 1).unwrap();
    assert!(image.store.recovered().last >= strong.lsn);
}

#[test]
fn writers_are_held_at_the_age_cap() {
    const AGE_US_MAX: u64 = 1_000_000;
    let disk = SimDisk::new();
    let clock = Arc::new(SimClock::new(WALL_US));
    let mut options = options(&disk, clock.clone());
    (options.unsynced_age_us_max, options.unsynced_bytes_max) = (AGE_US_MAX, u64::MAX);
    let store = Store::open(options).unwrap();
    let gate = Gate::before_log_syncs(&disk);
    store.put(key(9, 0).as_bytes(), VALUE, Level::Strong).unwrap();
    gate.set_closed(true);
    let put = |round| {
        let key = key(0, round);
        store
            .stage(&Operation::Put { key: key.as_bytes(), value: VALUE, ttl_us: None, extras: b"" })
            .map(|done| done.outcome)
    };
    let first = put(0).unwrap();
    store.hand_over(first.lsn).unwrap();
    let mut last = first;
    for round in 1..10 {
        clock.advance_us(AGE_US_MAX / 10);
        last = put(round).unwrap();
        store.hand_over(last.lsn).unwrap();
    }
    clock.advance_us(AGE_US_MAX / 10 - 1);
    last.lsn = put(10).unwrap().lsn.max(last.lsn);
    clock.advance_us(1);
    assert!(put(11).unwrap_err().is_busy(), "a second old and not synced");
    clock.advance_us(60 * AGE_US_MAX);
    assert!(put(11).unwrap_err().is_busy(), "a minute old and not synced");
    gate.set_closed(false);
    store.durable(last.lsn).wait().unwrap();
    put(12).unwrap();
    println!("stalled_disk age held_at_us={AGE_US_MAX} violations=0");
}

/// One acknowledged write and when.
#[derive(Clone, Copy)]
struct Acked {
    lsn: Lsn,
    at_us: u64,
}

fn keep_writing(store: &Store, writer: u64, clock: &OsClock, stop: &AtomicBool, acks: &Mutex<Vec<Acked>>) {
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let put = store.put(key(writer, round).as_bytes(), VALUE, Level::Eventual).unwrap();
        acks.lock().push(Acked { lsn: put.lsn, at_us: clock.monotonic_us() });
    }
}

/// What a power cut now takes of what was acknowledged: how many, their bytes at most, and the time
/// between the first and the last of them.
fn loss(disk: &SimDisk, acks: &Mutex<Vec<Acked>>) -> (u64, u64) {
    let known = acks.lock().len();
    let image = disk.crash_image(&CrashSpec::NOTHING);
    let last = Life::begin(&image, 1).unwrap().store.recovered().last;
    let acks = acks.lock();
    let lost: Vec<u64> = acks[..known].iter().filter(|ack| ack.lsn > last).map(|ack| ack.at_us).collect();
    let span_us = lost.iter().max().zip(lost.iter().min()).map_or(0, |(last, first)| last - first);
    (lost.len() as u64, span_us)
}

#[test]
fn the_loss_window_of_eventual_writes_stays_below_the_caps() {
    const AGE_US_MAX: u64 = 1_000_000;
    let disk = SimDisk::new();
    let slow = Duration::from_millis(3);
    disk.on_sync(move |path: &Path| {
        if path.starts_with(LOG) {
            std::thread::sleep(slow);
        }
    });
    let clock = Arc::new(OsClock::new());
    let mut options = options(&disk, clock.clone());
    (options.unsynced_bytes_max, options.unsynced_age_us_max) = (4 << 20, AGE_US_MAX);
    options.sync_interval_us = 10_000;
    let store = Store::open(options).unwrap();
    let (stop, acks) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let (mut lost_max, mut span_max_us) = (0, 0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, clock, stop, acks) = (&store, &clock, &stop, &acks);
            scope.spawn(move || keep_writing(store, writer, clock, stop, acks));
        }
        let mut cuts = 0;
        while cuts < number("STALLED_CUTS", 12) {
            // A cut after every other sync, wherever the next one stands by then.
            if store.stats().unwrap().syncs < 2 * (cuts + 1) {
                std::thread::yield_now();
                continue;
            }
            let (lost, span_us) = loss(&disk, &acks);
            (lost_max, span_max_us) = (lost_max.max(lost), span_max_us.max(span_us));
            cuts += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    let syncs = store.stats().unwrap().syncs;
    println!(
        "stalled_disk window acks={} syncs={syncs} lost_max={lost_max} window_max_ms={:.1} (interval 10 ms, sync 3 ms) violations=0",
        acks.lock().len(),
        span_max_us as f64 / 1000.0
    );
    assert!(lost_max > 0 && syncs > 2, "a cut that loses nothing measures nothing");
    assert!(span_max_us <= AGE_US_MAX, "{span_max_us} us of acknowledged writes were lost");
    assert!(lost_max * RECORD_BYTES_MAX <= (4 << 20) + WRITERS * RECORD_BYTES_MAX);
}
