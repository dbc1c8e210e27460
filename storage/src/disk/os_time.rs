//! Time and chance of the real machine.
// This room is where the disallowed calls of `clippy.toml` live.
#![allow(clippy::disallowed_methods)]

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use super::{Clock, Rng};

/// The clocks of the system. Monotonic time starts at zero when the value is made.
#[derive(Debug, Clone, Copy)]
pub struct OsClock {
    start: Instant,
}

impl OsClock {
    /// Starts the monotonic clock.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for OsClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for OsClock {
    fn wall_us(&self) -> u64 {
        // A clock set before 1970 reads as 1970: state time never goes back anyway (decision 9).
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    fn coarse_wall_us(&self) -> u64 {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        // Neither part is negative after 1970.
        let part = |count: i64| u64::try_from(count).unwrap_or_default();
        part(now.tv_sec).saturating_mul(1_000_000).saturating_add(part(now.tv_nsec) / 1000)
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Random numbers: SipHash of a counter under keys that the system chose.
///
/// Good for salts and ids, not for secrets. One hash (some 10 ns) a number, shared by all threads
/// without a lock.
#[derive(Debug)]
pub struct OsRng {
    keys: RandomState,
    drawn: AtomicU64,
}

impl OsRng {
    /// Takes fresh keys from the system; no two values in a process have the same.
    pub fn new() -> Self {
        Self { keys: RandomState::new(), drawn: AtomicU64::new(0) }
    }
}

impl Default for OsRng {
    fn default() -> Self {
        Self::new()
    }
}

impl Rng for OsRng {
    fn next_u64(&self) -> u64 {
        // Relaxed: the counter orders nothing, each value of it is only handed out once.
        self.keys.hash_one(self.drawn.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn clocks_run() {
        let clock = OsClock::new();
        let year_2020_us = 1_577_836_800_000_000;
        assert!(clock.wall_us() > year_2020_us);
        let earlier = clock.monotonic_us();
        assert!(clock.monotonic_us() >= earlier);
    }

    #[test]
    fn the_coarse_clock_follows_the_wall() {
        let clock = OsClock::new();
        for _ in 0..1_000 {
            let before_us = clock.wall_us();
            let coarse_us = clock.coarse_wall_us();
            assert!(coarse_us <= clock.wall_us(), "ahead");
            assert!(coarse_us + 100_000 > before_us, "ten ticks of the slowest kernel behind");
        }
    }

    #[test]
    fn numbers_differ_within_and_between_generators() {
        let (one, two) = (OsRng::new(), OsRng::new());
        let drawn: HashSet<u64> = (0..1_000).flat_map(|_| [one.next_u64(), two.next_u64()]).collect();
        assert_eq!(drawn.len(), 2_000);
        // Every bit is used: salts cut to 32 bits stay random.
        let (ones, zeros) =
            drawn.iter().fold((0, 0), |(ones, zeros), number| (ones | number, zeros | !number));
        assert_eq!((ones, zeros), (u64::MAX, u64::MAX));
    }
}
