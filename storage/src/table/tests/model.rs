//! A `BTreeMap` beside the table: random batches, every row compared, with closing, dropping
//! and reopening in between.

use super::*;

/// A plain xorshift; the seed is printed by every assertion.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A batch of one of three shapes: scattered, a dense run, or mostly removals.
fn random_batch(random: &mut Random, lsn: u64) -> Batch {
    let shape = random.below(3);
    let size = 1 + random.below(600);
    let base = random.below(4_000);
    let mut batch = BTreeMap::new();
    for step in 0..size {
        let number = if shape == 1 { base + step } else { random.below(4_000) };
        let removed = random.below(10) < if shape == 2 { 7 } else { 1 };
        let version = (!removed).then(|| Version {
            lsn,
            expires_us: if random.below(3) == 0 { 1 + random.below(50) } else { 0 },
            value: vec![b'0' + (lsn % 10) as u8; random.below(300) as usize],
            extras: vec![9; random.below(3) as usize * 4],
        });
        batch.insert(key(number), version);
    }
    batch.into_iter().collect()
}

fn compare(table: &Table, model: &Model, seed: u64) {
    let snapshot = table.snapshot();
    assert!(rows_of(table) == *model, "seed {seed}: rows differ");
    let mut expiring: Vec<(u64, Box<[u8]>)> = model
        .iter()
        .filter(|(_, version)| version.expires_us != 0)
        .map(|(key, version)| (version.expires_us, key.as_slice().into()))
        .collect();
    expiring.sort();
    assert!(snapshot.expired(u64::MAX, None, usize::MAX).unwrap() == expiring, "seed {seed}: expiry differs");
    assert_sound(table);
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let place = Place::new();
    let mut table = place.open();
    let mut model = Model::new();
    for lsn in 1..=25 {
        let batch = random_batch(&mut random, lsn);
        fold(&table, lsn, &batch);
        fold_model(&mut model, &batch);
        match random.below(6) {
            0 => {
                table.close().unwrap();
                table = place.open();
            }
            1 => {
                drop(table);
                table = place.open();
            }
            2 => table.reopen().unwrap(),
            3 => while table.filter_step(500).unwrap() == (FilterProgress::Building { rows: 500 }) {},
            _ => (),
        }
        for _ in 0..50 {
            let key = key(random.below(5_000));
            assert_eq!(read(&table, &key).as_ref(), model.get(&key), "seed {seed} lsn {lsn}");
            assert!(table.may_hold(&key) || !model.contains_key(&key), "seed {seed}: denied a key");
        }
        compare(&table, &model, seed);
    }
}

#[test]
fn random_batches_leave_what_a_map_holds() {
    for seed in [0x9e37_79b9, 0x1234_5678_9abc, 0xdead_beef] {
        run(seed);
    }
}

#[test]
fn a_run_into_a_gap_equals_the_same_rows_one_by_one() {
    let numbers = |from: u64, to: u64| (from..to).map(|number| (key(number), Some(Version::plain(2, b"2"))));
    let place = Place::new();
    let table = place.open();
    // Two islands; the batch fills the sea between, overlaps both, and goes beyond.
    fold(&table, 1, &numbers(1_000, 1_100).chain(numbers(3_000, 3_100)).collect());
    let mut batch: Batch = numbers(1_050, 3_050).chain(numbers(8_000, 9_000)).collect();
    for (at, change) in batch.iter_mut().enumerate() {
        if at % 7 == 0 {
            change.1 = None;
        } else if at % 5 == 0 {
            change.1 = Some(Version::expiring(2, at as u64));
        }
    }
    fold(&table, 2, &batch);
    let mut model: Model = numbers(1_000, 1_100)
        .chain(numbers(3_000, 3_100))
        .map(|(key, version)| (key, version.unwrap()))
        .collect();
    fold_model(&mut model, &batch);
    compare(&table, &model, 0);
}
