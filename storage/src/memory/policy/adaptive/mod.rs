//! The adaptive policy: shadows of the memory under other tunings, and the best of them steers.
//!
//! ```text
//! read, hit ──┐ one key in 2^n          lanes: a ring of samples for each thread
//! fill, write ┴───────────────────────> [ | | | ] ──┐ whoever fills next hands them on
//!                                       [ | ]     ──┴─> panel: a shadow for each candidate
//!                                                         │ who would have hit most?
//! shards' S3-FIFOs <── steering: number of a candidate <──┘
//! ```
//!
//! A shadow is a small S3-FIFO of 31-bit names instead of entries: it sees every access to the sampled keys and has a
//! place for one in 2^n of the entries held. A reader of a sampled key writes four bytes into its thread's ring,
//! and drops them when the ring is full; everybody else pays one comparison. Only those who fill or write hand the rings
//! on, and only one at a time. While everything fits, nothing is sampled.
//!
//! The choice changes when another candidate is ahead by more than chance and by more than it is worth, counted with a
//! memory of some ten windows. Changing costs nothing: the queues stay, their shares are
//! different from the next eviction on.

mod lanes;
mod panel;
mod shadow;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use self::lanes::Lanes;
use self::panel::Panel;
use super::tuning::Steering;
use crate::memory::hash::KeyHash;

/// Entries of one shadow: at 512 the choice over our traces is as good as at 2,048.
const SHADOW_ENTRIES_MAX: u64 = 1024;
/// With fewer than this many chance would steer.
const SHADOW_ENTRIES_MIN: u64 = 128;
/// A shadow may have one entry for this many bytes of memory, which keeps all shadows below 3 % of the smallest and 0.1 %
/// of the default memory.
const BYTES_PER_SHADOW_ENTRY: u64 = 8192;
/// The rate rises as soon as a shadow would outgrow its place, but falls only when it has become too high by this factor.
const RATE_SLACK: u64 = 4;
/// A bit above those of a tag: no key is sampled.
const NOTHING: u32 = 1 << 16;

/// Which keys are sampled. Readers look at it at every hit, so it stands beside what they read anyway.
#[derive(Debug)]
pub(in crate::memory) struct Sampling(AtomicU32);

impl Sampling {
    /// Samples nothing.
    pub(in crate::memory) fn new() -> Sampling {
        Sampling(AtomicU32::new(NOTHING))
    }

    /// Relaxed: a sample more or less decides nothing.
    #[inline]
    pub(in crate::memory) fn takes(&self, hash: KeyHash) -> bool {
        (u32::from(hash.tag()) | NOTHING) & self.0.load(Ordering::Relaxed) == 0
    }

    /// True while nothing is sampled.
    pub(in crate::memory) fn is_off(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NOTHING
    }

    /// One key in so many, a power of two.
    fn rate(&self) -> u64 {
        u64::from(self.0.load(Ordering::Relaxed)) + 1
    }

    fn set_rate(&self, rate: u64) {
        self.0.store((rate - 1) as u32, Ordering::Relaxed);
    }
}

/// What happened to a sampled key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::memory) enum Access {
    /// It was read, found here or filled in from below.
    Read = 0,
    /// It was written: it is here now, but nobody was served.
    Write = 1,
}

/// Samples accesses, judges the candidates and steers.
#[derive(Debug)]
pub(in crate::memory) struct Advisor {
    lanes: Lanes,
    steering: Arc<Steering>,
    shadow_entries_max: u64,
    panel: Mutex<Panel>,
}

impl Advisor {
    /// For a memory of these bounds; `None` when it is too small to afford one (below 1 MiB).
    pub(super) fn new(steering: Arc<Steering>, bytes_max: u64, entries_max: u64) -> Option<Advisor> {
        let affordable = (bytes_max / BYTES_PER_SHADOW_ENTRY).min(SHADOW_ENTRIES_MAX);
        if affordable < SHADOW_ENTRIES_MIN {
            return None;
        }
        let shadow_entries_max = if entries_max == 0 { affordable } else { affordable.min(entries_max) };
        let panel = Mutex::new(Panel::new());
        Some(Advisor { lanes: Lanes::new(), steering, shadow_entries_max, panel })
    }

    /// Bytes that lanes and shadows take at most.
    pub(in crate::memory) fn bytes(&self) -> u64 {
        self.lanes.bytes() + Panel::bytes(self.shadow_entries_max as usize)
    }

    /// The memory is full, with this many entries: from now on there is something to decide.
    #[cold]
    pub(in crate::memory) fn begin(&self, sampling: &Sampling, entries: u64) {
        let mut panel = self.panel.lock();
        if sampling.is_off() {
            self.fit(&mut panel, sampling, entries);
        }
    }

    /// Notes an access to a sampled key. Cost: two lines of this thread's own; no lock, no allocation.
    #[cold]
    pub(in crate::memory) fn note(&self, hash: KeyHash, access: Access) {
        self.lanes.push(hash.place() & !1 | access as u32);
    }

    /// Shows the shadows what was noted, unless somebody else is about it, and steers. `entries` is how many are held.
    #[cold]
    pub(in crate::memory) fn settle(&self, sampling: &Sampling, entries: impl FnOnce() -> u64) {
        let Some(mut panel) = self.panel.try_lock() else { return };
        self.lanes.drain(|sample| panel.access(sample >> 1, sample & 1 == Access::Read as u32));
        if let Some(best) = panel.verdict(self.steering.chosen()) {
            self.steering.choose(best);
        }
        if panel.is_new_window() {
            self.fit(&mut panel, sampling, entries());
        }
    }

    /// Chooses the rate and the size of the shadows for this many entries.
    fn fit(&self, panel: &mut Panel, sampling: &Sampling, entries: u64) {
        let wanted =
            entries.div_ceil(self.shadow_entries_max).next_power_of_two().min(u64::from(NOTHING) / 2);
        let rate = sampling.rate();
        if sampling.is_off() || wanted > rate || wanted * RATE_SLACK <= rate {
            *panel = Panel::new();
            sampling.set_rate(wanted);
        }
        let capacity = (entries / sampling.rate()).clamp(1, self.shadow_entries_max);
        panel.resize(capacity as usize);
    }

    /// Number of the candidate that steers.
    #[cfg(all(test, not(loom)))]
    pub(in crate::memory) fn chosen(&self) -> usize {
        self.steering.chosen()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
