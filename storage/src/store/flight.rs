//! Single flight: however many readers miss the same key at once, one reads L2.

use std::collections::HashSet;
use std::hash::BuildHasher;

use parking_lot::{Condvar, Mutex};

const LANES: usize = 64;

#[derive(Debug, Default)]
struct Lane {
    flying: Mutex<HashSet<u64>>,
    landed: Condvar,
}

/// Keys being read, by hash; two keys with one hash only wait for each other.
#[derive(Debug)]
pub(super) struct Flights {
    lanes: Vec<Lane>,
    hasher: foldhash::fast::RandomState,
}

/// The right to read a key; dropping it lets the others go on.
pub(super) struct Flight<'a> {
    lane: &'a Lane,
    hash: u64,
}

impl Flights {
    pub(super) fn new() -> Flights {
        Flights {
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// `Some`: the caller reads. `None`: someone else did meanwhile; look into memory again.
    pub(super) fn board(&self, key: &[u8]) -> Option<Flight<'_>> {
        let hash = self.hasher.hash_one(key);
        let lane = &self.lanes[usize::try_from(hash % LANES as u64).unwrap_or(0)];
        let mut flying = lane.flying.lock();
        if flying.insert(hash) {
            return Some(Flight { lane, hash });
        }
        while flying.contains(&hash) {
            lane.landed.wait(&mut flying);
        }
        None
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.lane.flying.lock().remove(&self.hash);
        self.lane.landed.notify_all();
    }
}
