//! What does one operation on a tree of a million items cost, beside a `BTreeMap` of boxed bytes?
//!
//! Keys of 16 bytes in random order, values of 8; lists of 8 byte values. One thread, everything in memory (durability:
//! none). `in place` is a tree of which nobody holds a clone; `copied` holds a fresh clone at every operation, which
//! is what pure path copying costs; `snapshot/1000` takes one every thousand. The map knows no ranks, so `rank` and `at`
//! have no yardstick; its `clone` is what a snapshot of it would cost. Nanoseconds an operation; `TREE_ITEMS` sets another size.

mod support;

use std::collections::BTreeMap;
use std::hint::black_box;

use mpreg_storage::tree::{Cells, Edit, NoSource, Tree};
use support::ratio::{tell, wanted};
use support::{Chance, Stopwatch, resident_bytes, scattered, setting};

type Key = [u8; 16];
type Map = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Different for each number, in no order.
fn key(number: u32) -> Key {
    let mut chance = Chance(u64::from(number));
    let mut key = [0; 16];
    key[..8].copy_from_slice(&chance.next().to_be_bytes());
    key[8..].copy_from_slice(&chance.next().to_be_bytes());
    key
}

/// Nanoseconds for each of `count` turns.
fn ns(count: usize, mut turn: impl FnMut(usize)) -> f64 {
    let start = Stopwatch::start();
    (0..count).for_each(&mut turn);
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}

fn say(name: &str, ns: f64) {
    println!("{name}: {ns:.0} ns");
}

/// A tree and its cell numbers.
#[derive(Default)]
struct Grown {
    tree: Tree,
    cells: Cells,
    stamp: u64,
}

impl Grown {
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        self.stamp += 1;
        let mut edit = Edit { cells: &mut self.cells, stamp: self.stamp, source: &NoSource };
        black_box(self.tree.insert(key, value, &mut edit)).expect("all is in memory");
    }

    fn remove(&mut self, key: &[u8]) {
        self.stamp += 1;
        let mut edit = Edit { cells: &mut self.cells, stamp: self.stamp, source: &NoSource };
        black_box(self.tree.remove(key, &mut edit)).expect("all is in memory");
    }

    fn insert_at(&mut self, index: u64, value: &[u8]) {
        self.stamp += 1;
        let mut edit = Edit { cells: &mut self.cells, stamp: self.stamp, source: &NoSource };
        self.tree.insert_at(index, value, &mut edit).expect("all is in memory");
    }
}

fn lists(items: usize, order: &[u32]) {
    let mut list = Grown::default();
    say("append, in place", ns(items, |number| list.insert_at(number as u64, &number.to_le_bytes())));
    let indexes = &order[..order.len().min(500_000)];
    let at = ns(indexes.len(), |number| {
        black_box(list.tree.at(u64::from(indexes[number]), &NoSource)).expect("all is in memory");
    });
    say("at, random", at);
    say(
        "insert_at, random, in place",
        ns(indexes.len(), |number| list.insert_at(u64::from(indexes[number]), b"inserted")),
    );
    let mut count = 0;
    let walk = ns(1, |_| {
        list.tree.ascend(0, &NoSource).for_each(|item| count += usize::from(black_box(item).is_ok()))
    });
    say("ascend, an item", walk / count as f64);
    let appended = ns(indexes.len(), |_| {
        let snapshot = list.tree.clone();
        list.insert_at(list.tree.len(), b"appended");
        drop(black_box(snapshot));
    });
    say("append, copied", appended);
    let mut front = Grown::default();
    say("prepend, in place", ns(items, |number| front.insert_at(0, &number.to_le_bytes())));
}

fn grow(items: usize, order: &[u32]) -> (Grown, Map) {
    let before_bytes = resident_bytes();
    let mut set = Grown::default();
    let ours = ns(items, |number| set.insert(&key(order[number]), b"8 bytes."));
    let set_bytes = resident_bytes() - before_bytes;
    let mut map = Map::new();
    let yardstick = ns(items, |number| {
        map.insert(key(order[number]).into(), b"8 bytes.".as_slice().into());
    });
    let map_bytes = resident_bytes() - before_bytes - set_bytes;
    tell("tree/insert_while_growing/ns_vs_btreemap", (ours, yardstick), "-");
    let each = |bytes: u64| bytes as f64 / items as f64;
    tell("tree/resident/bytes_an_item_vs_btreemap", (each(set_bytes), each(map_bytes)), "<=1");
    println!("memory_bytes: {:.1} an item", each(set.tree.memory_bytes()));
    (set, map)
}

fn sets(items: usize, order: &[u32]) {
    let (mut set, mut map) = grow(items, order);
    let turns = items.min(500_000);
    let other = scattered(items, 2);
    let get = ns(turns, |number| {
        black_box(set.tree.get(&key(other[number]), &NoSource)).expect("all is in memory");
    });
    let yardstick = ns(turns, |number| _ = black_box(map.get(key(other[number]).as_slice())));
    tell("tree/get/ns_vs_btreemap", (get, yardstick), "-");
    let rank = ns(turns, |number| {
        black_box(set.tree.rank(&key(other[number]), &NoSource)).expect("all is in memory");
    });
    say("rank, random", rank);

    let new = |number: usize| key((items + number) as u32);
    let insert = ns(turns / 2, |number| set.insert(&new(number), b"8 bytes."));
    let yardstick = ns(turns / 2, |number| {
        map.insert(new(number).into(), b"8 bytes.".as_slice().into());
    });
    tell("tree/insert/in_place/ns_vs_btreemap", (insert, yardstick), "-");
    let remove = ns(turns / 2, |number| set.remove(&new(number)));
    let yardstick = ns(turns / 2, |number| _ = black_box(map.remove(new(number).as_slice())));
    tell("tree/remove/in_place/ns_vs_btreemap", (remove, yardstick), "-");

    let new = |number: usize| key((2 * items + number) as u32);
    let copied = ns(turns / 10, |number| {
        let snapshot = set.tree.clone();
        set.insert(&new(number), b"8 bytes.");
        drop(black_box(snapshot));
    });
    tell("tree/insert/copied/ns_vs_in_place", (copied, insert), "-");
    let mut snapshot = set.tree.clone();
    let between = ns(turns / 2, |number| {
        if number % 1000 == 0 {
            snapshot = set.tree.clone();
        }
        set.insert(&new(turns + number), b"8 bytes.");
    });
    drop(snapshot);
    tell("tree/insert/snapshot_every_1000/ns_vs_in_place", (between, insert), "-");
    checkpoints(&mut set, &map);
}

fn checkpoints(set: &mut Grown, map: &Map) {
    let copy = ns(1, |_| _ = black_box(map.clone()));
    tell("tree/snapshot/ns_vs_btreemap_clone", (ns(1000, |_| _ = black_box(set.tree.clone())), copy), "-");
    say("memory_bytes", ns(100, |_| _ = black_box(set.tree.memory_bytes())));
    let (mut cells, mut bytes) = (0, 0);
    let changed = ns(1, |_| {
        set.tree.changed_since(0, |_, row| {
            cells += 1;
            bytes += black_box(row).len();
        });
    });
    println!(
        "changed_since, everything: {cells} cells, {bytes} bytes, {:.0} ns a cell",
        changed / f64::from(cells)
    );
    let mut freed = 0;
    let prune = ns(1, |_| freed = set.tree.prune(set.stamp));
    println!("prune, everything: {freed} bytes, {:.0} ns a cell", prune / f64::from(cells));
}

fn main() {
    let items = setting("TREE_ITEMS", 1_000_000);
    let order = scattered(items, 1);
    if wanted("tree/lists") {
        lists(items, &order);
    }
    if wanted("tree/sets") {
        sets(items, &order);
    }
}
