//! Batches that change several keys, and readers that look for one of which only a part is there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mpreg_storage::record::Key;
use mpreg_storage::store::{Creation, Found, Level, Operation, Options, Read, Store};
use mpreg_storage::structure::{Command, End, Family, Range};

/// Keys between the first and the last of a batch, so that applying one takes a while.
const BETWEEN: u64 = 300;

fn key(name: &str) -> Key {
    Key::new("halves", name).unwrap()
}

/// The number a value or the last element of a list shows; 0 for nothing.
fn number_at(store: &Store, key: &Key, found: bool) -> u64 {
    if !found {
        return match store.read(key.as_bytes(), store.now_us(), |entry| number(entry.value())) {
            Read::Hit(number) => number,
            Read::Miss { .. } => 0,
            Read::Cold => store.get(key.as_bytes()).unwrap().map_or(0, |entry| number(entry.value())),
        };
    }
    match store.find(key.as_bytes()).unwrap() {
        Found::Absent(_) => 0,
        Found::Value(entry) => number(entry.value()),
        Found::Structure(_, list) => {
            let mut last = 0;
            let all = Range::Ranks { start: -1, end: None };
            let source = store.cells(list.id());
            list.visit(&all, End::Front, &source, |_, text| {
                last = text.parse().unwrap();
                true
            })
            .unwrap();
            last
        }
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// One batch: everything becomes `round`.
fn write(store: &Store, round: u64) {
    let text = round.to_string();
    let texts = [&*text];
    let (first, list, last) = (key("first"), key("list"), key("last"));
    let between: Vec<Key> = (0..BETWEEN).map(|number| key(&format!("between-{number}"))).collect();
    let put = |key| Operation::Put { key, value: text.as_bytes(), ttl_us: None, extras: b"" };
    let push = Operation::Structure {
        key: list.as_bytes(),
        family: Family::List,
        command: Command::PushBack(&texts),
        create: Some(Creation::default()),
    };
    let mut operations = vec![put(first.as_bytes()), push];
    operations.extend(between.iter().map(|key| put(key.as_bytes())));
    operations.push(put(last.as_bytes()));
    let done = store.stage_batch_blocking(&operations, &|_| Ok(())).unwrap();
    store.hand_over(done.lsn).unwrap();
}

/// Whoever has met the first effects of a batch must find the last one. How often one did not.
fn read(store: &Store, stop: &AtomicBool, reads: &AtomicU64) -> u64 {
    let mut halves = 0;
    for turn in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // By turns through a value and through a structure, by the lock-free read and by the one that may block.
        let early = if turn.is_multiple_of(2) {
            number_at(store, &key("first"), turn.is_multiple_of(4))
        } else {
            number_at(store, &key("list"), true)
        };
        let late = number_at(store, &key("last"), turn.is_multiple_of(3));
        halves += u64::from(late < early);
        // The same at one glance: exactly equal.
        let keys = [key("first"), key("last")];
        if let Ok(seen) = store.glance(&[keys[0].as_bytes(), keys[1].as_bytes()]) {
            let numbers: Vec<u64> = seen
                .iter()
                .map(|seen| seen.entry.as_ref().map_or(0, |entry| number(entry.value())))
                .collect();
            halves += u64::from(numbers[0] != numbers[1]);
        }
        reads.fetch_add(1, Ordering::Relaxed);
    }
    halves
}

/// Runs both; how many halves were seen, of how many looks.
pub fn look_for_halves(rounds: u64) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.free_bytes_min = Some(0);
    let store = Store::open(options).unwrap();
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let halves = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read(&store, &stop, &reads))).collect();
        let writer = scope.spawn(|| (1..=rounds).for_each(|round| write(&store, round)));
        let written = writer.join();
        stop.store(true, Ordering::Relaxed);
        written.unwrap();
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    store.put(key("end").as_bytes(), b"1", Level::Strong).unwrap();
    (halves, reads.load(Ordering::Relaxed))
}
