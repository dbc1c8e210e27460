//! How many entries depend on a key: an estimate that is never too low, in memory that does not grow.
//!
//! Two rows of small counters; a key has one in each, chosen by its hash, and its estimate is the lower one. Keys
//! that share both counters with others look more needed than they are, which keeps them longer; nothing else.
//! A counter that is full stays full, for it no longer knows how many it stands for.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::json::Reader;
use crate::memory::entry::Entry;
use crate::memory::hash::KeyHasher;
use crate::record::{Extras, KeyParts};

/// One counter in each row for this many bytes of memory: a tenth of a percent of it for both.
const BYTES_PER_COUNTER: u64 = 4096;
const COUNTERS_MIN: u64 = 16;
const COUNTERS_MAX: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Dependents {
    rows: [Box<[AtomicU16]>; 2],
    hasher: KeyHasher,
}

impl Dependents {
    /// Counters for a memory of `bytes_max`, hashed by `seed`.
    pub(super) fn new(bytes_max: u64, seed: u64) -> Dependents {
        let counters = (bytes_max / BYTES_PER_COUNTER).clamp(COUNTERS_MIN, COUNTERS_MAX);
        let row = || (0..counters).map(|_| AtomicU16::new(0)).collect();
        Dependents { rows: [row(), row()], hasher: KeyHasher::new(seed) }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| size_of_val(&**row) as u64).sum()
    }

    /// Entries known to depend on this one, or more. Cost: one short allocation, two cache lines.
    pub(super) fn count(&self, entry: &Entry) -> u16 {
        let Ok(key) = KeyParts::decode(entry.key()) else { return 0 };
        let name = format!("{}:{}:{}", key.namespace, key.identifier, key.version);
        self.counters(&name).map(|counter| counter.load(Ordering::Relaxed)).into_iter().min().unwrap_or(0)
    }

    /// An entry is there: those it names have a dependent more.
    pub(super) fn add(&self, entry: &Entry) {
        self.each(entry, |count| count.saturating_add(1));
    }

    /// An entry that was added is gone.
    pub(super) fn remove(&self, entry: &Entry) {
        self.each(entry, |count| if count == u16::MAX { count } else { count.saturating_sub(1) });
    }

    /// Relaxed and one by one: a count decides who leaves, nothing else.
    fn each(&self, entry: &Entry, change: impl Fn(u16) -> u16) {
        let Ok(extras) = Extras::decode(entry.extras()) else { return };
        if extras.dependencies == Extras::default().dependencies {
            return;
        }
        let mut reader = Reader::new(extras.dependencies);
        // Malformed texts were refused when they were written; here they end the list.
        let Ok(mut elements) = reader.array("") else { return };
        while let Ok(true) = elements.next(&mut reader) {
            let Ok(name) = reader.string("") else { return };
            for counter in self.counters(&name.decode()) {
                let _ =
                    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| Some(change(count)));
            }
        }
    }

    fn counters(&self, name: &str) -> [&AtomicU16; 2] {
        let hash = self.hasher.hash(name.as_bytes()).0;
        let at = |row: usize, half: u64| {
            let row = &self.rows[row];
            &row[((half * row.len() as u64) >> 32) as usize]
        };
        [at(0, hash >> 32), at(1, hash & u64::from(u32::MAX))]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::memory::entry::EntryRef;
    use crate::record::{EntryFields, EntryKind, Key, Lsn};

    fn entry(key: &Key, dependencies: &str) -> EntryRef {
        let mut extras = Vec::new();
        Extras { dependencies, ..Extras::default() }.encode_into(&mut extras).expect("they are short");
        let fields = EntryFields {
            kind: EntryKind::Value,
            lsn: Lsn(1),
            created_us: 1,
            expires_us: 0,
            access_count: 0,
            last_access_us: 1,
            value: b"1",
            extras: &extras,
        };
        EntryRef::allocate(key.as_bytes(), &fields, false)
    }

    #[test]
    fn dependents_are_counted_and_counted_out() {
        let dependents = Dependents::new(1 << 22, 7);
        let parent = entry(&Key::with_version("in\"put", "x:y", "v2").unwrap(), "[]");
        let child = entry(&Key::new("a", "b").unwrap(), r#"["in\"put:x:y:v2","other:z:v1.0.0"]"#);
        assert_eq!(dependents.count(&parent), 0);
        (0..3).for_each(|_| dependents.add(&child));
        assert_eq!(dependents.count(&parent), 3);
        assert_eq!(dependents.count(&child), 0);
        (0..3).for_each(|_| dependents.remove(&child));
        assert_eq!(dependents.count(&parent), 0);
    }

    #[test]
    fn estimates_are_never_too_low_and_a_full_counter_stays() {
        let dependents = Dependents::new(1 << 22, 7);
        let name = |number: usize| Key::new("n", &number.to_string()).unwrap();
        let child = |number: usize| entry(&name(number), &format!(r#"["n:{}:v1.0.0"]"#, number % 5000));
        (0..20_000).for_each(|number| dependents.add(&child(number)));
        assert!((0..5000).all(|number| dependents.count(&entry(&name(number), "[]")) >= 4));
        let full = child(1);
        (0..70_000).for_each(|_| dependents.add(&full));
        (0..70_000).for_each(|_| dependents.remove(&full));
        assert_eq!(dependents.count(&entry(&name(1), "[]")), u16::MAX);
    }

    #[test]
    fn memory_is_a_tenth_of_a_percent() {
        assert_eq!(Dependents::new(256 << 20, 1).bytes(), 256 << 10);
        assert_eq!(Dependents::new(0, 1).bytes(), 64);
    }
}
