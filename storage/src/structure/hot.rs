//! Structures in memory: one handle for each, with what the checkpoint needs to know of it.
//!
//! ```text
//! writers      under the store's core lock; change members in place, unless a view or a checkpoint shares them
//! readers      take a view: one short lock, one reference; then read without any lock
//! checkpoint   freezes an epoch; the first change afterwards keeps the frozen state aside, O(1)
//! ```
//!
//! A structure with changes that no checkpoint holds stays in memory. Clean ones leave when the bound is passed, the
//! large ones node by node: what is asked of them again is read from their cells.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::{Mutex, RwLock};

use super::Structure;
use crate::limits::STRUCTURE_WHOLE_BYTES_MAX;
use crate::record::Lsn;

/// Parts of the table of structures, each with a lock of its own.
const SHARDS: usize = 64;
/// What a structure without members takes, with its place in the table.
const HANDLE_BYTES: u64 = 320;

/// One structure in memory.
#[derive(Debug)]
pub struct Hot {
    id: u64,
    state: Mutex<State>,
    /// Used since the last time room was made.
    warm: AtomicBool,
    /// Bytes counted for it.
    bytes: AtomicU64,
}

#[derive(Debug)]
struct State {
    structure: Structure,
    /// As it was at the last freeze, when it has changed since and the checkpoint has not stored it yet.
    frozen: Option<Structure>,
    /// Epoch of the last change that no checkpoint holds; 0 = none.
    dirty_epoch: u64,
    /// The cells hold it as of here.
    saved: Lsn,
    /// The record that replaced or removed its entry.
    dead: Option<Lsn>,
}

/// What a checkpoint stores of a structure.
#[derive(Debug)]
pub struct Frozen {
    /// As it was at the freeze.
    pub structure: Structure,
    /// The cells hold it as of here.
    pub saved: Lsn,
}

impl Hot {
    fn new(structure: Structure, saved: Lsn) -> Hot {
        Hot {
            id: structure.id(),
            bytes: AtomicU64::new(HANDLE_BYTES + structure.memory_bytes()),
            state: Mutex::new(State { structure, frozen: None, dirty_epoch: 0, saved, dead: None }),
            warm: AtomicBool::new(true),
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The structure of this instant, which never changes.
    #[must_use]
    pub fn view(&self) -> Structure {
        // Relaxed: a mark that comes late costs a reload at worst.
        self.warm.store(true, Ordering::Relaxed);
        self.state.lock().structure.clone()
    }

    /// Works on the structure in place. Only under the store's core lock. `true` when it was clean in this epoch and
    /// must be put on the dirty list.
    pub fn change<R>(&self, epoch: u64, change: impl FnOnce(&mut Structure) -> R) -> (R, bool) {
        self.warm.store(true, Ordering::Relaxed);
        let mut state = self.state.lock();
        let first = state.dirty_epoch != epoch;
        if first {
            // Changed before the last freeze and not stored yet: that state is the checkpoint's.
            if state.dirty_epoch != 0 {
                state.frozen = Some(state.structure.clone());
            }
            state.dirty_epoch = epoch;
        }
        (change(&mut state.structure), first)
    }

    /// Looks at the structure without sharing it, so that the next change stays in place. Only under the core lock.
    pub fn look<R>(&self, look: impl FnOnce(&Structure) -> R) -> R {
        look(&self.state.lock().structure)
    }

    /// The structure as of the freeze that ended `epoch` at `through`; `None` when its entry was gone by then.
    #[must_use]
    pub fn frozen(&self, epoch: u64, through: Lsn) -> Option<Frozen> {
        let state = self.state.lock();
        if state.dead.is_some_and(|dead| dead <= through) {
            return None;
        }
        let changed_since = state.dirty_epoch > epoch;
        let structure = match &state.frozen {
            Some(frozen) if changed_since => frozen.clone(),
            _ => state.structure.clone(),
        };
        Some(Frozen { structure, saved: state.saved })
    }

    /// A checkpoint holds the structure as of the freeze that ended `epoch`; `stored` is its position then.
    pub fn stored(&self, epoch: u64, stored: Lsn) {
        let mut state = self.state.lock();
        state.frozen = None;
        state.saved = stored;
        if state.dirty_epoch <= epoch {
            state.dirty_epoch = 0;
        }
        state.structure.forget_removed(stored);
    }

    fn is_dirty(&self) -> bool {
        self.state.lock().dirty_epoch != 0
    }
}

/// Structures by number. Numbers are ours: nobody can choose them to collide.
type Shard = RwLock<HashMap<u64, Arc<Hot>, RandomState>>;

/// All structures in memory.
#[derive(Debug)]
pub struct Structures {
    shards: Vec<Shard>,
    bytes_max: u64,
    bytes: AtomicU64,
    /// Shard at which room is made next.
    cursor: AtomicUsize,
}

impl Structures {
    /// None yet; clean ones leave above `bytes_max`.
    #[must_use]
    pub fn new(bytes_max: u64) -> Structures {
        Structures {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            bytes_max,
            bytes: AtomicU64::new(0),
            cursor: AtomicUsize::new(0),
        }
    }

    fn shard(&self, id: u64) -> &Shard {
        // Ids are positions shifted by the place in a batch: fold both into the shard's number.
        let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        &self.shards[mixed as usize % SHARDS]
    }

    /// The structure, if it is in memory.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<Hot>> {
        self.shard(id).read().get(&id).cloned()
    }

    /// Keeps a structure that was just made or loaded; one that is there already wins. `saved`: what its cells hold.
    pub fn keep(&self, structure: Structure, saved: Lsn) -> Arc<Hot> {
        let id = structure.id();
        let mut shard = self.shard(id).write();
        let hot = shard.entry(id).or_insert_with(|| {
            let hot = Arc::new(Hot::new(structure, saved));
            self.bytes.fetch_add(hot.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
            hot
        });
        Arc::clone(hot)
    }

    /// The entry of this structure was replaced or removed by `lsn`. Only under the core lock.
    pub fn kill(&self, id: u64, lsn: Lsn) {
        let Some(hot) = self.shard(id).write().remove(&id) else { return };
        self.bytes.fetch_sub(hot.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        hot.state.lock().dead.get_or_insert(lsn);
    }

    /// Counts bytes that a structure has gained or cells that were loaded for it.
    pub fn grew(&self, hot: &Hot, bytes: u64) {
        hot.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes counted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Structures in memory.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// True when clean ones should leave.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.bytes() > self.bytes_max
    }

    /// Makes room in one shard: what is clean and was not used since the last round leaves. Only under the core lock,
    /// which keeps writers from changing what is about to leave; a call looks at one shard only.
    pub fn make_room(&self) {
        let at = self.cursor.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let mut shard = self.shards[at].write();
        shard.retain(|_, hot| {
            let warm = hot.warm.swap(false, Ordering::Relaxed);
            let alone = Arc::strong_count(hot) == 1;
            if !warm
                && alone
                && !hot.is_dirty()
                && hot.bytes.load(Ordering::Relaxed) <= STRUCTURE_WHOLE_BYTES_MAX
            {
                self.bytes.fetch_sub(hot.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
                return false;
            }
            self.prune(hot);
            true
        });
    }

    /// Lets nodes of a large structure go that its cells hold.
    fn prune(&self, hot: &Hot) {
        let counted = hot.bytes.load(Ordering::Relaxed);
        if counted <= STRUCTURE_WHOLE_BYTES_MAX {
            return;
        }
        let mut state = hot.state.lock();
        let saved = state.saved;
        state.structure.prune(saved);
        let bytes = HANDLE_BYTES + state.structure.memory_bytes();
        // A reader may have counted cells meanwhile: what is taken off is what was there.
        let before = hot.bytes.swap(bytes, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
    }
}
