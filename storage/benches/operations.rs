//! How many operations of the whole cache protocol a second, and what the operations on very many cost?
//!
//! In process, durability eventual: every operation (or every 16) is handed to the OS with one write before the next,
//! as a server does before it answers. Three ways: `one_by_one`; `batch=16`, sixteen operations and one hand-over, as a
//! connection with requests in its pipeline does; `atom=16`, one batch record of sixteen, all or nothing.
//! `many` spreads over a thousand keys, `one` meets a single structure that grows to all members.
//!
//! `sorted` is a sorted set of a million members with 16 byte members, in memory and with its rows on disk (memory for
//! it bounded to a part); `tag` hides a tag that every one of a million keys carries; `clear` is what a glob clear does.
//! There is no yardstick: goals are absolute, so the machine and its load belong to the figure.
//! `OPERATIONS`, `MEMBERS` and `KEYS` set other sizes.
#![allow(clippy::disallowed_methods)] // a bench measures real time

mod support;

use std::hint::black_box;
use std::time::Duration;

use mpreg_storage::glob::{Dialect, Glob};
use mpreg_storage::json;
use mpreg_storage::record::{Cause, EntryFields, Extras, KeyParts};
use mpreg_storage::store::{Creation, Done, Found, NewVersion, Operation, Options, Store, Update, Verdict};
use mpreg_storage::structure::{Command, End, Family, FieldChange, Range};
use support::ratio::{Latencies, median, wanted};
use support::stores::Scratch;
use support::{Chance, Key, Stopwatch, json_value, key, scattered, setting};

const BATCH: usize = 16;
/// Keys that the operations of `many` are spread over.
const SPREAD: usize = 1000;

/// Adds one to a number.
struct Increment;

impl Update for Increment {
    fn decide(&self, current: Option<&EntryFields<'_>>, _: u64) -> Verdict {
        let text = current.and_then(|fields| std::str::from_utf8(fields.value).ok()).unwrap_or("0");
        let mut value = Vec::new();
        match json::add(text, "1", &mut value) {
            Ok(()) => stored(value, Cause::Increment),
            Err(_) => Verdict::Keep,
        }
    }

    fn grows_by(&self) -> usize {
        32
    }
}

/// Stores a value if the one that is there equals another.
struct TestAndSet {
    expected: Option<String>,
    new: String,
}

impl Update for TestAndSet {
    fn decide(&self, current: Option<&EntryFields<'_>>, _: u64) -> Verdict {
        let text = current.and_then(|fields| std::str::from_utf8(fields.value).ok());
        let equal = match (&self.expected, text) {
            (None, None) => true,
            (Some(expected), Some(text)) => json::equal(expected, text),
            _ => false,
        };
        assert!(equal, "nobody else writes: {:?}", self.expected);
        stored(self.new.clone().into_bytes(), Cause::TestAndSet)
    }

    fn grows_by(&self) -> usize {
        self.new.len() + 64
    }
}

fn stored(value: Vec<u8>, cause: Cause) -> Verdict {
    Verdict::Store(NewVersion { value, extras: Vec::new(), created_us: None, expires_us: 0, cause })
}

/// What is done over and over.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// Calls back with operation `number` on a key.
    run: Run,
}

type Run = fn(key: &[u8], number: usize, each: &mut dyn FnMut(&Operation<'_>));

const KINDS: [Kind; 6] = [
    Kind { name: "increment", run: |key, _, each| each(&Operation::Update { key, update: &Increment }) },
    Kind {
        name: "test_and_set",
        run: |key, number, each| {
            let round = number / SPREAD;
            let expected = round.checked_sub(1).map(|before| before.to_string());
            each(&Operation::Update { key, update: &TestAndSet { expected, new: round.to_string() } });
        },
    },
    Kind {
        name: "set_add",
        run: |key, number, each| {
            let member = member(number);
            structure(key, Family::Set, Command::Add(&[&member]), each);
        },
    },
    Kind {
        name: "list_append",
        run: |key, number, each| {
            let member = member(number);
            structure(key, Family::List, Command::PushBack(&[&member]), each);
        },
    },
    Kind {
        name: "map_set",
        run: |key, number, each| {
            let field = format!("field-{:08}", mixed(number));
            let changes = [(&*field, FieldChange::Set("\"a value of some length\""))];
            structure(key, Family::Map, Command::SetFields(&changes), each);
        },
    },
    Kind {
        name: "zset_add",
        run: |key, number, each| {
            let (score, member) = (score(number), member(number));
            structure(key, Family::Sorted, Command::Score(&[(&score, &member)]), each);
        },
    },
];

fn structure(key: &[u8], family: Family, command: Command<'_>, each: &mut dyn FnMut(&Operation<'_>)) {
    each(&Operation::Structure { key, family, command, create: Some(Creation::default()) });
}

/// A number below 2^32, different for each number, in no order.
fn mixed(number: usize) -> u32 {
    (number as u32).wrapping_mul(0x9e37_79b1) ^ 0x5bd1_e995
}

/// A JSON string of 16 bytes.
fn member(number: usize) -> String {
    format!("\"mb-{:011}\"", mixed(number))
}

fn score(number: usize) -> String {
    (Chance(number as u64).next() % 1_000_000_000).to_string()
}

/// One way of sending operations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    OneByOne,
    Batches,
    Atoms,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::OneByOne => "one_by_one",
            Way::Batches => "batch=16",
            Way::Atoms => "atom=16",
        }
    }

    fn goal(self) -> &'static str {
        match self {
            Way::OneByOne => ">=250000",
            Way::Batches => ">=700000",
            Way::Atoms => "-",
        }
    }
}

/// Operations a second on a new store.
fn rate(kind: Kind, way: Way, spread: usize, count: usize) -> f64 {
    let scratch = Scratch::for_bursts();
    let store = &scratch.store;
    let keys: Vec<Key> = (0..spread).map(key).collect();
    let start = Stopwatch::start();
    match way {
        Way::OneByOne => (0..count).for_each(|number| {
            (kind.run)(&keys[number % spread], number, &mut |operation| {
                let lsn = store.stage_blocking(operation).expect("a burst has room").outcome.lsn;
                store.hand_over(lsn).expect("the log takes it");
            });
        }),
        Way::Batches => (0..count).for_each(|number| {
            (kind.run)(&keys[number % spread], number, &mut |operation| {
                let lsn = store.stage_blocking(operation).expect("a burst has room").outcome.lsn;
                if number % BATCH == BATCH - 1 {
                    store.hand_over(lsn).expect("the log takes it");
                }
            });
        }),
        Way::Atoms => (0..count / BATCH).for_each(|atom| {
            gather(kind, &keys, atom * BATCH, BATCH, &mut Vec::new(), &mut |operations| {
                let done = store.stage_batch_blocking(operations, &|_: &[Done]| Ok(())).expect("it has room");
                store.hand_over(done.lsn).expect("the log takes it");
            });
        }),
    }
    count as f64 / start.elapsed().as_secs_f64()
}

/// Operations borrow what they are made of: each is made on the stack of the one before.
fn gather<'o>(
    kind: Kind,
    keys: &[Key],
    first: usize,
    left: usize,
    gathered: &mut Vec<Operation<'o>>,
    each: &mut dyn FnMut(&[Operation<'_>]),
) {
    if left == 0 {
        return each(gathered);
    }
    (kind.run)(&keys[first % keys.len()], first, &mut |operation| {
        let mut more = gathered.clone();
        more.push(*operation);
        gather(kind, keys, first + 1, left - 1, &mut more, each);
    });
}

fn rates() {
    let count = setting("OPERATIONS", 320_000);
    for kind in KINDS {
        let structured = !matches!(kind.name, "increment" | "test_and_set");
        for (at, spread) in [("many", SPREAD), ("one", 1)] {
            if spread == 1 && !structured {
                continue;
            }
            for way in [Way::OneByOne, Way::Batches, Way::Atoms] {
                let name = format!("operations/{}/{at}/{}", kind.name, way.name());
                if !wanted(&name) {
                    continue;
                }
                let rounds = setting("ROUNDS", 3);
                let rates = (0..rounds).map(|_| rate(kind, way, spread, count)).collect();
                println!("FIGURE {name} per_s={:.0} goal={}", median(rates), way.goal());
            }
        }
    }
}

/// Runs `turn` and keeps how long each took.
fn latencies(name: &str, count: usize, goal: &str, mut turn: impl FnMut(usize)) {
    let start = Stopwatch::start();
    let each = (0..count).map(|number| {
        let began = Stopwatch::start();
        turn(number);
        began.elapsed().as_secs_f64() * 1e6
    });
    let latencies = Latencies::new(each.collect());
    latencies.tell(name, start.elapsed());
    println!("FIGURE {name} p99_us={:.1} goal={goal}", latencies.quantile_us(990));
}

fn apply(store: &Store, operation: &Operation<'_>) -> Done {
    let done = store.stage_blocking(operation).expect("a store with room takes it");
    store.hand_over(done.outcome.lsn).expect("the log takes it");
    done
}

/// A sorted set of this many members.
fn fill(store: &Store, key: &[u8], members: usize) {
    for first in (0..members).step_by(1000) {
        let texts: Vec<(String, String)> =
            (first..members.min(first + 1000)).map(|number| (score(number), member(number))).collect();
        let pairs: Vec<(&str, &str)> = texts.iter().map(|(score, member)| (&**score, &**member)).collect();
        structure(key, Family::Sorted, Command::Score(&pairs), &mut |operation| {
            apply(store, operation);
        });
    }
}

fn sorted(place: &str, goal: &str, adjust: impl Fn(&mut Options)) {
    let name = |what: &str| format!("operations/sorted/{place}/{what}");
    if !["add", "rank_range", "pop_min"].iter().any(|what| wanted(&name(what))) {
        return;
    }
    let members = setting("MEMBERS", 1_000_000);
    let key = key(0);
    let scratch = Scratch::new(adjust);
    let store = &scratch.store;
    fill(store, &key, members);
    store.checkpoint().expect("a checkpoint succeeds");
    // The housekeeper lets go of what does not fit.
    std::thread::sleep(Duration::from_secs(3));
    let turns = setting("TURNS", 10_000);
    latencies(&name("add"), turns, goal, |number| {
        let (score, member) = (score(members + number), member(members + number));
        structure(&key, Family::Sorted, Command::Score(&[(&score, &member)]), &mut |operation| {
            apply(store, operation);
        });
    });
    let mut chance = Chance(7);
    latencies(&name("rank_range"), turns, goal, |_| {
        let start = (chance.next() % members as u64) as i64;
        let found = store.find(&key).expect("the set is read");
        let Found::Structure(_, set) = found else { panic!("the key holds a set") };
        let range = Range::Ranks { start, end: Some(start + 10) };
        let source = store.cells(set.id());
        let mut shown = 0;
        set.visit(&range, End::Front, &source, |score, member| {
            shown += black_box(score.len() + member.len());
            true
        })
        .expect("the cells are there");
        store.count_loaded(&source, set.id());
    });
    latencies(&name("pop_min"), turns, goal, |_| {
        let command = Command::PopScored { end: End::Front, count: 1 };
        let operation = Operation::Structure { key: &key, family: Family::Sorted, command, create: None };
        assert!(apply(store, &operation).outcome.changed);
    });
}

/// Puts a million keys.
fn load(store: &Store, keys: usize, extras: &[u8]) {
    for (at, number) in scattered(keys, 3).into_iter().enumerate() {
        let (key, value) = (key(number as usize), json_value(number as usize));
        let operation = Operation::Put { key: &key, value: &value, ttl_us: None, extras };
        let lsn = store.stage_blocking(&operation).expect("the store has room").outcome.lsn;
        if at % 64 == 63 {
            store.hand_over(lsn).expect("the log takes it");
        }
    }
}

/// How long gets of another client take while `busy` runs.
fn gets(store: &Store, keys: usize, busy: impl FnOnce() + Send) -> Latencies {
    std::thread::scope(|scope| {
        let other = scope.spawn(busy);
        let mut chance = Chance(11);
        let mut all_us = Vec::new();
        while !other.is_finished() {
            let key = key((chance.next() % keys as u64) as usize);
            let began = Stopwatch::start();
            black_box(store.get(&key)).expect("a get is answered");
            all_us.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Latencies::new(all_us)
    })
}

fn tag() {
    if !wanted("operations/tag") {
        return;
    }
    let keys = setting("KEYS", 1_000_000);
    let mut extras = Vec::new();
    Extras { tags: r#"["everything"]"#, ..Extras::default() }.encode_into(&mut extras).expect("short extras");
    let scratch = Scratch::new(|options| options.memory_bytes = 1 << 30);
    let store = &scratch.store;
    load(store, keys, &extras);
    store.checkpoint().expect("a checkpoint succeeds");
    let quiet = gets(store, keys, || std::thread::sleep(Duration::from_secs(2)));
    let mut took = Duration::ZERO;
    let busy = gets(store, keys, || {
        let began = Stopwatch::start();
        let (outcome, count) = store.stage_hide_tag("everything", "{}").expect("the tag is hidden");
        store.hand_over(outcome.lsn).expect("the log takes it");
        took = began.elapsed();
        assert_eq!(count, keys as u64);
        std::thread::sleep(Duration::from_secs(5));
    });
    println!("FIGURE operations/tag/invalidate us={:.1} goal=<1000", took.as_secs_f64() * 1e6);
    let p99 = |latencies: &Latencies| latencies.quantile_us(990);
    println!("FIGURE operations/tag/get_p99_us before={:.1} meanwhile={:.1}", p99(&quiet), p99(&busy));
}

fn clear(what: &str, pattern: &str) {
    let name = format!("operations/clear/{what}");
    if !wanted(&name) {
        return;
    }
    let keys = setting("KEYS", 1_000_000);
    let scratch = Scratch::new(|options| options.memory_bytes = 1 << 30);
    let store = &scratch.store;
    load(store, keys, b"");
    store.checkpoint().expect("a checkpoint succeeds");
    let quiet = gets(store, keys, || std::thread::sleep(Duration::from_secs(2)));
    let (mut removed, mut took) = (0, Duration::ZERO);
    let busy = gets(store, keys, || {
        let began = Stopwatch::start();
        let glob = Glob::compile(pattern, Dialect::Fnmatch).expect("a pattern");
        let prefix = [b"bench\0", glob.literal_prefix().as_bytes()].concat();
        let mut chosen: Vec<Box<[u8]>> = Vec::new();
        store
            .snapshot()
            .visit(&prefix, None, |key, _| {
                let matches = KeyParts::decode(key).is_ok_and(|parts| glob.matches(&parts.identifier));
                if matches {
                    chosen.push(key.into());
                }
                true
            })
            .expect("a scan succeeds");
        let keys = chosen.iter().map(|key| &**key);
        removed = store.remove_all(keys, Cause::Clear, u64::MAX).expect("they go").count;
        took = began.elapsed();
    });
    let per_s = removed as f64 / took.as_secs_f64();
    println!("FIGURE {name} per_s={per_s:.0} goal=>=200000 removed={removed}");
    let p99 = |latencies: &Latencies| latencies.quantile_us(990);
    println!("FIGURE {name}/get_p99_us before={:.1} meanwhile={:.1}", p99(&quiet), p99(&busy));
}

fn main() {
    rates();
    sorted("memory", "<100", |options| options.memory_bytes = 2 << 30);
    sorted("rows", "<2000", |options| options.memory_bytes = 64 << 20);
    tag();
    // One key in ten, in one run of the key order, and scattered over all of it.
    clear("prefix", "key-00000002*");
    clear("suffix", "key-*3");
}
