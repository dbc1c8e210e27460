//! Promise: whatever instant the power goes, what was acknowledged `strong` is there, and what is
//! there is a prefix of the log.
//!
//! One seeded run is traced operation by operation. At every boundary the machine dies in many ways
//! (nothing pending survives, everything, each page or name missing or alone, torn writes, random
//! subsets) and the store is opened on what is left, judged, written to, and killed again. For a
//! sample of images the recovery itself dies at each of its own operations.
//!
//! `CRASH_SEEDS` (default 2), `CRASH_STEPS` (60), `CRASH_SPREAD` (2) and a lower `CRASH_RECOVERIES_EVERY`
//! (151) make it longer; `CRASH_SEED` replays one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use support::crash::{Spread, Tally, enumerate};
use support::{number, seeds};

#[test]
fn every_crash_point_keeps_the_promises() {
    let began = std::time::Instant::now();
    let seeds = seeds("CRASH", 2);
    let spread = Spread {
        steps: number("CRASH_STEPS", 60),
        each_max: usize::try_from(number("CRASH_SPREAD", 2)).unwrap(),
        recoveries_every: number("CRASH_RECOVERIES_EVERY", 151),
    };
    let mut total = Tally::default();
    for seed in seeds.clone() {
        let tally = enumerate(seed, spread);
        total.images += tally.images;
        total.recoveries_killed += tally.recoveries_killed;
        total.violations.extend(tally.violations);
    }
    println!(
        "crash_points seeds={seeds:?} images={} recoveries_killed={} violations={} secs={:.1}",
        total.images,
        total.recoveries_killed,
        total.violations.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(total.images > 500 && total.recoveries_killed > 100, "too few crashes to prove anything");
    assert!(
        total.violations.is_empty(),
        "replay with CRASH_SEED=<seed> cargo test -p mpreg-storage --test crash_points\n{}",
        total.violations.join("\n")
    );
}
