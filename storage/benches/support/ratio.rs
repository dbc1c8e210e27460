//! Ratios: ours and its yardstick in turns, medians, one line each.
//!
//! Absolute figures of a shared machine move by a third from one minute to the next; what lasts is the
//! ratio of two medians measured in turns in one run. A line reads
//! `RATIO <name> ours=<..> yardstick=<..> ratio=<ours / yardstick> goal=<..>`.

use std::time::Duration;

/// Rounds of each side unless `ROUNDS` says otherwise.
const ROUNDS: usize = 3;

/// Whether the part of the bench called `name` was asked for. Criterion's own rule: no word on the command
/// line means everything, a word means the names that contain it; `--test` measures nothing.
pub fn wanted(name: &str) -> bool {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--test" || word == "--list") {
        return false;
    }
    let mut filters = words.iter().filter(|word| !word.starts_with('-')).peekable();
    filters.peek().is_none() || filters.any(|filter| name.contains(filter.as_str()))
}

/// Runs both in turns and returns their medians.
pub fn versus(mut ours: impl FnMut() -> f64, mut yardstick: impl FnMut() -> f64) -> (f64, f64) {
    let rounds = super::setting("ROUNDS", ROUNDS).max(1);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        left.push(ours());
        right.push(yardstick());
    }
    (median(left), median(right))
}

/// The middle one; of an even number the upper.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints the line. `goal` is text: it says the direction too.
pub fn tell(name: &str, (ours, yardstick): (f64, f64), goal: &str) {
    let ratio = ours / yardstick;
    println!("RATIO {name} ours={ours:.1} yardstick={yardstick:.1} ratio={ratio:.2} goal={goal}");
}

/// Latencies of one run.
#[derive(Default)]
pub struct Latencies {
    sorted_us: Vec<f64>,
}

impl Latencies {
    pub fn new(mut all_us: Vec<f64>) -> Latencies {
        all_us.sort_by(f64::total_cmp);
        Latencies { sorted_us: all_us }
    }

    /// `per_mille` 500 is the median. 0 when nothing was measured.
    pub fn quantile_us(&self, per_mille: usize) -> f64 {
        let at = self.sorted_us.len() * per_mille / 1000;
        self.sorted_us.get(at).or(self.sorted_us.last()).copied().unwrap_or(0.0)
    }

    pub fn len(&self) -> usize {
        self.sorted_us.len()
    }

    /// Prints throughput and quantiles.
    pub fn tell(&self, name: &str, elapsed: Duration) {
        let quantile = |per_mille| self.quantile_us(per_mille);
        println!(
            "{name}: {:.0}/s p50={:.1}us p99={:.1}us p99.9={:.1}us n={}",
            self.len() as f64 / elapsed.as_secs_f64(),
            quantile(500),
            quantile(990),
            quantile(999),
            self.len()
        );
    }
}
