//! Time that the test moves and chance that comes from a seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Clock, Rng};

/// A clock that stands still until the test moves it. Clones show the same time.
#[derive(Debug, Clone)]
pub struct SimClock {
    times: Arc<Times>,
}

#[derive(Debug)]
struct Times {
    wall_us: AtomicU64,
    monotonic_us: AtomicU64,
}

// Every access is SeqCst: a test that moves the time in one thread and looks in another must not
// depend on anything subtle, and speed does not matter here.
impl SimClock {
    /// Starts at this wall time, with monotonic time zero.
    pub fn new(wall_us: u64) -> Self {
        let times = Times { wall_us: AtomicU64::new(wall_us), monotonic_us: AtomicU64::new(0) };
        Self { times: Arc::new(times) }
    }

    /// Lets both clocks run for so many microseconds.
    pub fn advance_us(&self, us: u64) {
        self.times.wall_us.fetch_add(us, Ordering::SeqCst);
        self.times.monotonic_us.fetch_add(us, Ordering::SeqCst);
    }

    /// Sets the wall clock alone, forwards or back, as an administrator or NTP does.
    pub fn set_wall_us(&self, wall_us: u64) {
        self.times.wall_us.store(wall_us, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn wall_us(&self) -> u64 {
        self.times.wall_us.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> u64 {
        self.times.monotonic_us.load(Ordering::SeqCst)
    }
}

/// Numbers that a seed determines. Clones draw from the same row.
///
/// The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
#[derive(Debug, Clone)]
pub struct SimRng {
    state: Arc<AtomicU64>,
}

/// The odd constant SplitMix64 counts in: 2^64 divided by the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl SimRng {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(AtomicU64::new(seed)) }
    }

    /// A generator of its own for one component, so that a draw more here changes nothing there.
    pub fn split(&self, component: &str) -> Self {
        let start = mix(self.state.load(Ordering::SeqCst));
        let name = component.bytes().fold(start, |mixed, byte| mix(mixed ^ u64::from(byte)));
        Self::new(name)
    }

    /// A number below `bound`, which must not be 0. Biased by less than `bound / 2^64`.
    pub fn below(&self, bound: u64) -> u64 {
        debug_assert!(bound > 0, "nothing is below zero");
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

impl Rng for SimRng {
    fn next_u64(&self) -> u64 {
        mix(self.state.fetch_add(GOLDEN_GAMMA, Ordering::SeqCst).wrapping_add(GOLDEN_GAMMA))
    }
}

fn mix(counter: u64) -> u64 {
    let mixed = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_may_step_back_but_not_the_monotonic_clock() {
        let clock = SimClock::new(1_000_000);
        let other = clock.clone();
        clock.advance_us(5);
        clock.set_wall_us(10);
        clock.advance_us(1);
        assert_eq!((other.wall_us(), other.monotonic_us()), (11, 6));
    }

    #[test]
    fn a_seed_determines_the_numbers() {
        // The first outputs of SplitMix64 for seed 0, as its authors' reference code prints them.
        let rng = SimRng::new(0);
        let expected = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
        assert_eq!([rng.next_u64(), rng.next_u64(), rng.next_u64()], expected);
    }

    #[test]
    fn components_do_not_disturb_each_other() {
        let draw = |extra_draws: usize| {
            let run = SimRng::new(42);
            let (log, table) = (run.split("log"), run.split("table"));
            (0..extra_draws).for_each(|_| _ = log.next_u64());
            table.next_u64()
        };
        assert_eq!(draw(0), draw(9));
        assert_ne!(SimRng::new(1).split("log").next_u64(), SimRng::new(1).split("table").next_u64());
        assert!((0..1_000).map(|seed| SimRng::new(seed).below(7)).all(|number| number < 7));
    }
}
