//! Promise: whoever follows the events of a store is told of every change once and in order, also across restarts,
//! of nothing a power cut takes back, and of what is kept no longer.
//!
//! `EVENTS_SEEDS` (default 24) and `EVENTS_STEPS` (default 200) lengthen the random part; `EVENTS_SEED` replays one.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mpreg_storage::disk::{CrashSpec, SimClock, SimDisk, SimRng};
use mpreg_storage::record::{Cause, EntryFields, EventId, Key};
use mpreg_storage::store::{
    Creation, Event, EventKind, EventStep, EventValue, Events, EventsFrom, Level, NewVersion, Operation,
    Options, Store, Update, Verdict, Witness, Witnessed,
};
use mpreg_storage::structure::{Command, Family};
use support::{History, Life, Replay, WALL_US, key, number, options, seeds, work};

/// An event as the tests compare them: kind, identifier, old and new value, what was told.
type Told = (EventKind, String, Value, Value, Option<String>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Unknown,
    Absent,
    Is(String),
    Large,
}

fn value(value: EventValue<'_>) -> Value {
    match value {
        EventValue::Unknown => Value::Unknown,
        EventValue::Absent => Value::Absent,
        EventValue::Json(text) => Value::Is(String::from_utf8(text.to_vec()).unwrap()),
        EventValue::TooLarge => Value::Large,
    }
}

fn is(text: &str) -> Value {
    Value::Is(text.to_owned())
}

fn told(event: &Event<'_>) -> Told {
    let identifier = event.key().map_or(String::new(), |key| key.identifier.into_owned());
    let details = event.told().map(|text| String::from_utf8(text.to_vec()).unwrap());
    (event.kind(), identifier, value(event.old_value()), value(event.new_value()), details)
}

/// Reads to the end.
fn drain<T>(events: &mut Events, mut each: impl FnMut(&Event<'_>) -> T) -> (Vec<T>, Vec<(EventId, EventId)>) {
    let (mut all, mut gaps) = (Vec::new(), Vec::new());
    loop {
        match events.next(&mut |event| all.push(each(event))).unwrap() {
            EventStep::Read => {}
            EventStep::Gap { from, to } => gaps.push((from, to)),
            EventStep::End => return (all, gaps),
        }
    }
}

fn life(change: impl FnOnce(&mut Options)) -> Life {
    let (disk, clock) = (SimDisk::new(), Arc::new(SimClock::new(WALL_US)));
    let mut options = options(&disk, &clock, 1);
    change(&mut options);
    Life { disk, clock, store: Store::open(options).unwrap() }
}

fn id(text: &str) -> Key {
    Key::new("ns", text).unwrap()
}

struct Set(&'static str, Cause);

impl Update for Set {
    fn decide(&self, _: Option<&EntryFields<'_>>, now_us: u64) -> Verdict {
        let (value, cause) = (self.0.as_bytes().to_vec(), self.1);
        Verdict::Store(NewVersion {
            value,
            extras: Vec::new(),
            created_us: None,
            expires_us: now_us * 2,
            cause,
        })
    }

    fn grows_by(&self) -> usize {
        64
    }
}

struct Echo;

impl Witness for Echo {
    fn tell(&self, change: &Witnessed<'_>) -> Option<Vec<u8>> {
        let text = |value: Option<&[u8]>| {
            value.map_or("-".to_owned(), |text| String::from_utf8(text.to_vec()).unwrap())
        };
        Some(format!("{} > {}", text(change.old), text(change.new)).into_bytes())
    }
}

/// One of everything.
fn do_everything(life: &Life) {
    let store = &life.store;
    let submit = |operation: &Operation<'_>| {
        store.submit(operation, Level::Eventual).unwrap().wait().unwrap();
    };
    let (a, s) = (id("a"), id("s"));
    let (a, s) = (a.as_bytes(), s.as_bytes());
    submit(&Operation::Put { key: a, value: b"1", ttl_us: None, extras: b"" });
    submit(&Operation::Update { key: a, update: &Set("2", Cause::Increment) });
    submit(&Operation::Update { key: a, update: &Set("3", Cause::Counter) });
    submit(&Operation::Remove { key: a, cause: Cause::Invalidate });
    submit(&Operation::Delete { key: a });
    let (family, create) = (Family::List, Some(Creation::default()));
    submit(&Operation::Structure { key: s, family, command: Command::PushBack(&["1", "2"]), create });
    submit(&Operation::Structure { key: s, family, command: Command::PushBack(&["3"]), create });
    let operations = [
        Operation::Put { key: a, value: b"4", ttl_us: None, extras: b"" },
        Operation::Put { key: a, value: b"5", ttl_us: Some(1000), extras: b"" },
        Operation::Delete { key: s },
    ];
    store.stage_batch_blocking(&operations, &|_| Ok(())).unwrap();
    store.stage_note("clear", "ns", "{}").unwrap();
    life.clock.advance_us(10_000);
    // The sweeper finds what the checkpoint has stored.
    store.checkpoint().unwrap();
    life.clock.advance_us(2_000_000);
    store.step().unwrap();
    store.step().unwrap();
}

const KINDS: [EventKind; 11] = [
    EventKind::Put,
    EventKind::Atomic,
    EventKind::Structure,
    EventKind::Invalidate,
    EventKind::Structure,
    EventKind::Structure,
    EventKind::Put,
    EventKind::Put,
    EventKind::Delete,
    EventKind::Namespace,
    EventKind::Expire,
];

#[test]
fn every_kind_of_change_is_an_event() {
    let life = life(|_| {});
    do_everything(&life);
    let mut events = life.store.events(EventsFrom::Earliest).unwrap();
    let (all, gaps) = drain(&mut events, told);
    assert_eq!(all.iter().map(|told| told.0).collect::<Vec<_>>(), KINDS);
    assert!(gaps.is_empty());
    assert_eq!(all[0], (EventKind::Put, "a".into(), Value::Unknown, is("1"), None));
    assert_eq!(all[1].3, is("2"));
    assert_eq!((&all[3].2, &all[3].3), (&Value::Unknown, &Value::Absent));
    assert_eq!(all[5].3, Value::Unknown, "a record holds only what changed");
    assert_eq!((&all[10].1, &all[10].2), (&"a".to_owned(), &Value::Unknown));
}

#[test]
fn with_values_every_event_knows_before_and_after() {
    let life = life(|options| options.event_values = true);
    do_everything(&life);
    let mut events = life.store.events(EventsFrom::Earliest).unwrap();
    let (all, _) = drain(&mut events, told);
    assert_eq!(all.iter().map(|told| told.0).collect::<Vec<_>>(), KINDS);
    let values: Vec<(Value, Value)> = all.into_iter().map(|told| (told.2, told.3)).collect();
    let expected = [
        (Value::Absent, is("1")),
        (is("1"), is("2")),
        (is("2"), is("3")),
        (is("3"), Value::Absent),
        (Value::Absent, is("[1,2]")),
        (is("[1,2]"), is("[1,2,3]")),
        (Value::Absent, is("4")),
        (is("4"), is("5")),
        (is("[1,2,3]"), Value::Absent),
        (Value::Unknown, Value::Unknown),
        (is("5"), Value::Absent),
    ];
    assert_eq!(values, expected);
}

#[test]
fn a_put_by_the_short_way_knows_what_was_there_too() {
    let life = life(|options| options.event_values = true);
    let key = id("a");
    // Until the filter is built, a put must ask L2 what was there.
    life.store.step().unwrap();
    for value in ["1", "2"] {
        life.store.stage_put(key.as_bytes(), value.as_bytes(), None, b"").unwrap();
    }
    life.store.step().unwrap();
    let (all, _) = drain(&mut life.store.events(EventsFrom::Earliest).unwrap(), told);
    assert_eq!((&all[1].2, &all[1].3), (&is("1"), &is("2")));
}

#[test]
fn a_long_value_is_not_kept_twice() {
    let life = life(|options| {
        options.event_values = true;
        options.memory_bytes = 64 << 20;
        options.segment_bytes = 8 << 20;
        options.checkpoint_bytes = Some(32 << 20);
    });
    let (key, long) = (id("a"), format!("\"{}\"", "x".repeat(1 << 20)));
    for value in ["1", &long, "2"] {
        life.store.put(key.as_bytes(), value.as_bytes(), Level::Strong).unwrap();
    }
    let (all, _) = drain(&mut life.store.events(EventsFrom::Earliest).unwrap(), told);
    assert_eq!((&all[1].2, &all[1].3), (&is("1"), &is(&long)));
    assert_eq!((&all[2].2, &all[2].3), (&Value::Large, &is("2")));
}

#[test]
fn a_witness_sees_what_changes_and_what_it_says_is_kept_with_it() {
    let life = life(|_| {});
    let store = &life.store;
    let witnessed = |operation: &Operation<'_>| {
        let told = Operation::Witnessed { operation, witness: &Echo };
        store.submit(&told, Level::Strong).unwrap().wait().unwrap().changed
    };
    let (a, s) = (id("a"), id("s"));
    let (a, s) = (a.as_bytes(), s.as_bytes());
    let create = Some(Creation::default());
    assert!(!witnessed(&Operation::Delete { key: a }), "nothing changes and nothing is told");
    assert!(witnessed(&Operation::Put { key: a, value: b"1", ttl_us: None, extras: b"" }));
    assert!(witnessed(&Operation::Update { key: a, update: &Set("2", Cause::Plain) }));
    let add = Command::Add(&["7"]);
    assert!(witnessed(&Operation::Structure { key: s, family: Family::Set, command: add, create }));
    assert!(!witnessed(&Operation::Structure { key: s, family: Family::Set, command: add, create }));
    // A value that becomes a structure.
    assert!(witnessed(&Operation::Put { key: a, value: b"[1]", ttl_us: None, extras: b"" }));
    let push = Command::PushBack(&["2"]);
    assert!(witnessed(&Operation::Structure { key: a, family: Family::List, command: push, create }));
    // What is only in L2 is found as well.
    store.checkpoint().unwrap();
    store.drop_clean();
    assert!(witnessed(&Operation::Delete { key: s }));
    let batch = [
        Operation::Delete { key: a },
        Operation::Witnessed {
            operation: &Operation::Put { key: a, value: b"9", ttl_us: None, extras: b"" },
            witness: &Echo,
        },
    ];
    store.stage_batch_blocking(&batch, &|_| Ok(())).unwrap();
    store.step().unwrap();
    let (all, _) = drain(&mut store.events(EventsFrom::Earliest).unwrap(), |event| told(event).4);
    let all: Vec<Option<&str>> = all.iter().map(Option::as_deref).collect();
    let expected = [
        Some("- > 1"),
        Some("1 > 2"),
        Some("- > [7]"),
        Some("2 > [1]"),
        None,
        Some("[1] > [1,2]"),
        Some("[7] > -"),
        None,
        Some("- > 9"),
    ];
    assert_eq!(all, expected);
}

#[test]
fn nothing_is_told_before_it_is_durable_and_whoever_waits_is_woken_by_the_sync() {
    let life = life(|_| {});
    let key = id("a");
    let mut events = life.store.events(EventsFrom::Latest).unwrap();
    life.store.put(key.as_bytes(), b"1", Level::Eventual).unwrap();
    assert_eq!(events.next(&mut |_| unreachable!()).unwrap(), EventStep::End);
    let mut grown = Box::pin(events.grown());
    let mut context = Context::from_waker(Waker::noop());
    assert!(Future::poll(grown.as_mut(), &mut context).is_pending());
    let durable = life.store.durable_lsn();
    assert!(Future::poll(grown.as_mut(), &mut context).is_pending());
    assert_eq!(life.store.durable_lsn(), durable, "watching syncs nothing");
    life.store.step().unwrap();
    let Poll::Ready(Ok(lsn)) = Future::poll(grown.as_mut(), &mut context) else { panic!("not woken") };
    assert_eq!(lsn, life.store.durable_lsn());
    assert_eq!(drain(&mut events, |event| event.kind()).0, [EventKind::Put]);
}

#[test]
fn a_watcher_on_another_thread_is_woken() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Options { free_bytes_min: Some(0), ..Options::new(dir.path()) }).unwrap();
    let grown = store.grown(store.durable_lsn());
    let waiting = std::thread::spawn(move || grown.wait(std::time::Duration::from_secs(20)).unwrap());
    let lsn = store.put(id("a").as_bytes(), b"1", Level::Eventual).unwrap().lsn;
    assert!(waiting.join().unwrap() >= Some(lsn));
    store.close().unwrap();
}

#[test]
fn reading_from_a_time_begins_there() {
    let life = life(|_| {});
    for number in 0..300_u64 {
        life.clock.advance_us(1000);
        life.store.put(key(number).as_bytes(), b"\"some value\"", Level::Strong).unwrap();
    }
    let mut all = life.store.events(EventsFrom::Since(WALL_US + 200_000)).unwrap();
    let (times, gaps) = drain(&mut all, |event| event.time_us);
    assert_eq!(times.len(), 101);
    assert!(times.iter().all(|time_us| *time_us >= WALL_US + 200_000) && gaps.is_empty());
}

/// Fills segments and checkpoints them away.
fn churn(life: &Life, rounds: u64) {
    for round in 0..rounds {
        for number in 0..40 {
            life.clock.advance_us(1000);
            let value = format!("\"{round:0200}\"");
            life.store.put(key(number).as_bytes(), value.as_bytes(), Level::Strong).unwrap();
        }
        life.store.checkpoint().unwrap();
        life.store.step().unwrap();
    }
}

#[test]
fn without_retention_the_log_goes_with_the_checkpoint_and_a_late_reader_is_told() {
    let life = life(|_| {});
    let mut before = life.store.events(EventsFrom::Earliest).unwrap();
    churn(&life, 10);
    let (late, gaps) = drain(&mut before, |event| event.id);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let (from, to) = gaps[0];
    assert_eq!(from.position.lsn.0, 1);
    assert_eq!(late[0].position.lsn, to.position.lsn.plus(1), "nothing is missing behind the gap");
    assert_eq!(late.last().unwrap().position.lsn, life.store.durable_lsn());
    let (_, gaps) = drain(&mut life.store.events(EventsFrom::Since(WALL_US)).unwrap(), |_| ());
    assert_eq!(gaps.len(), 1, "what was asked for by time is not all there");
    let (_, gaps) = drain(&mut life.store.events(EventsFrom::Earliest).unwrap(), |_| ());
    assert!(gaps.is_empty(), "whoever wants what there is misses nothing");
}

#[test]
fn with_retention_the_log_stays_for_its_age_and_no_longer() {
    let life = life(|options| {
        options.feed_age_us = 100_000;
        options.feed_bytes_max = 1 << 30;
    });
    churn(&life, 2);
    let (all, gaps) = drain(&mut life.store.events(EventsFrom::Since(WALL_US)).unwrap(), |_| ());
    assert_eq!((all.len(), gaps.len()), (80, 0), "80 ms are younger than the age");
    churn(&life, 10);
    let (all, gaps) = drain(&mut life.store.events(EventsFrom::Since(WALL_US)).unwrap(), |_| ());
    assert_eq!(gaps.len(), 1);
    assert!((100..300).contains(&all.len()), "{}", all.len());
}

#[test]
fn with_retention_the_log_stays_below_its_bytes() {
    let life = life(|options| {
        options.feed_age_us = u64::MAX / 4;
        options.feed_bytes_max = 64 << 10;
    });
    churn(&life, 30);
    let segments: u64 = life
        .disk
        .files()
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .map(|path| life.disk.read_file(path).unwrap().len() as u64)
        .sum();
    assert!(segments <= (64 << 10) + 4 * (16 << 10), "{segments}");
    let (_, gaps) = drain(&mut life.store.events(EventsFrom::Since(WALL_US)).unwrap(), |_| ());
    assert_eq!(gaps.len(), 1);
}

#[test]
fn events_replayed_are_the_state_through_restarts_and_power_cuts() {
    for seed in seeds("EVENTS", 24) {
        let _replay = Replay(format!("EVENTS_SEED={seed} cargo test -p mpreg-storage --test events"));
        let rng = SimRng::new(seed);
        let (mut disk, clock) = (SimDisk::new(), Arc::new(SimClock::new(WALL_US)));
        let mut followed: BTreeMap<Key, Vec<u8>> = BTreeMap::new();
        let mut reached = EventId::default();
        let (mut events_told, mut lives) = (0, 0);
        while lives < 6 {
            lives += 1;
            let mut options = options(&disk, &clock, seed);
            options.feed_age_us = u64::MAX / 4;
            options.event_values = rng.below(2) == 0;
            let values = options.event_values;
            let life =
                Life { disk: disk.clone(), clock: Arc::clone(&clock), store: Store::open(options).unwrap() };
            let mut events = life.store.events(EventsFrom::After(reached)).unwrap();
            for _ in 0..4 {
                let (mut history, mut acks) = (History::default(), Vec::new());
                work(&life, &rng, number("EVENTS_STEPS", 200) / 4, &mut history, &mut acks).unwrap();
                let (_, gaps) = drain(&mut events, |event| {
                    assert!(event.id > reached, "{} after {reached}", event.id);
                    reached = event.id;
                    events_told += 1;
                    let key = Key::from_bytes(event.op.key().unwrap()).unwrap();
                    let old =
                        followed.get(&key).map_or(Value::Absent, |old| is(std::str::from_utf8(old).unwrap()));
                    let known = value(event.old_value());
                    assert!(
                        known == old
                            || !values && known == Value::Unknown
                            || known == Value::Unknown && lives > 1,
                        "{known:?} instead of {old:?}"
                    );
                    match value(event.new_value()) {
                        Value::Is(text) => drop(followed.insert(key, text.into_bytes())),
                        _ => drop(followed.remove(&key)),
                    }
                });
                assert!(gaps.is_empty());
            }
            reached = events.position();
            if rng.below(2) == 0 {
                life.store.step().unwrap();
                drain(&mut events, |event| {
                    let key = Key::from_bytes(event.op.key().unwrap()).unwrap();
                    match value(event.new_value()) {
                        Value::Is(text) => drop(followed.insert(key, text.into_bytes())),
                        _ => drop(followed.remove(&key)),
                    }
                });
                reached = events.position();
                assert_eq!(followed, life.state().unwrap(), "all is durable and all was told");
            }
            disk = match rng.below(3) {
                0 => {
                    life.store.close().unwrap();
                    disk
                }
                1 => disk,
                _ => disk.crash_image(&CrashSpec::NOTHING),
            };
        }
        assert!(events_told > 50, "{events_told}");
    }
}
