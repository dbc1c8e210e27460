//! Counts and latencies of a run, and what is computed from them.
//!
//! *Coordinated omission*: in a closed loop a stalled server is asked nothing while it stalls, so the
//! stall is sampled once instead of as often as requests would have come. The corrected figures fill
//! in the missing samples (Gil Tene's method): a reply that took ten times the mean stands for ten
//! requests, each of which would have waited one mean less. In the open loop latencies count from the
//! scheduled start and nothing is missing.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::reply::Verdict;

/// Longest latency told apart, in nanoseconds; longer ones count as this.
const LATENCY_NS_MAX: u64 = 100_000_000_000;

/// How many replies said what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub hits: u64,
    pub misses: u64,
    pub errors: u64,
}

impl Counts {
    /// All replies.
    pub fn total(&self) -> u64 {
        self.hits + self.misses + self.errors
    }
}

/// What one thread, or all of them, saw.
pub struct Measured {
    pub counts: Counts,
    /// Text of the first reply that was an error.
    pub error_sample: Option<String>,
    /// Bytes of all replies, without framing.
    pub reply_bytes: u64,
    /// From the end of the warm-up to the last counted reply.
    pub elapsed: Duration,
    /// Share of one processor this program used, in percent: near 100 a thread, it measured itself.
    pub client_cpu_percent: f64,
    latency_ns: Histogram<u64>,
}

impl Measured {
    /// Nothing seen yet.
    pub fn new() -> Measured {
        Measured {
            counts: Counts::default(),
            error_sample: None,
            reply_bytes: 0,
            elapsed: Duration::ZERO,
            client_cpu_percent: 0.0,
            latency_ns: Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("bounds are legal constants"),
        }
    }

    /// One reply.
    pub fn record(&mut self, verdict: Verdict, latency: Duration, payload: &[u8]) {
        match verdict {
            Verdict::Hit => self.counts.hits += 1,
            Verdict::Miss => self.counts.misses += 1,
            Verdict::Error => self.note_error(payload),
        }
        self.reply_bytes += payload.len() as u64;
        self.latency_ns.saturating_record(latency.as_nanos() as u64);
    }

    fn note_error(&mut self, payload: &[u8]) {
        self.counts.errors += 1;
        if self.error_sample.is_none() {
            let shown = &payload[..payload.len().min(400)];
            self.error_sample = Some(String::from_utf8_lossy(shown).into_owned());
        }
    }

    /// Adds what another thread saw in the same time.
    pub fn merge(&mut self, other: Measured) {
        self.counts.hits += other.counts.hits;
        self.counts.misses += other.counts.misses;
        self.counts.errors += other.counts.errors;
        self.error_sample = self.error_sample.take().or(other.error_sample);
        self.reply_bytes += other.reply_bytes;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.latency_ns.add(&other.latency_ns).expect("both histograms have the same bounds");
    }

    /// Replies a second.
    pub fn per_second(&self) -> f64 {
        self.counts.total() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Mean length of a reply, without framing.
    pub fn mean_reply_bytes(&self) -> u64 {
        self.reply_bytes.checked_div(self.counts.total()).unwrap_or(0)
    }

    /// Latencies as they were seen.
    pub fn seen(&self) -> Latency {
        Latency::of(&self.latency_ns)
    }

    /// Latencies with coordinated omission corrected; the same as seen in the open loop.
    pub fn corrected(&self, open_loop: bool) -> Latency {
        if open_loop {
            return self.seen();
        }
        Latency::of(&self.latency_ns.clone_correct(self.latency_ns.mean() as u64))
    }
}

/// Quantiles, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    pub mean_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl Latency {
    fn of(latency_ns: &Histogram<u64>) -> Latency {
        let at = |quantile| latency_ns.value_at_quantile(quantile) as f64 / 1000.0;
        Latency {
            mean_us: latency_ns.mean() / 1000.0,
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: latency_ns.max() as f64 / 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_filled_in() {
        let mut measured = Measured::new();
        for _ in 0..9_999 {
            measured.record(Verdict::Hit, Duration::from_micros(100), b"");
        }
        measured.record(Verdict::Hit, Duration::from_secs(1), b"");
        assert!(measured.seen().p99_us < 101.0);
        // The mean is 200 us: one second of silence stands for 5,000 requests, a third of all.
        assert!(measured.corrected(false).p99_us > 900_000.0);
        assert_eq!(measured.corrected(true), measured.seen());
    }

    #[test]
    fn merging_adds_and_keeps_the_first_error() {
        let (mut left, mut right) = (Measured::new(), Measured::new());
        left.record(Verdict::Miss, Duration::from_micros(1), b"1234");
        right.record(Verdict::Error, Duration::from_micros(3), b"bad");
        right.elapsed = Duration::from_secs(2);
        left.merge(right);
        assert_eq!(left.counts, Counts { hits: 0, misses: 1, errors: 1 });
        assert_eq!((left.per_second(), left.mean_reply_bytes()), (1.0, 3));
        assert_eq!(left.error_sample.as_deref(), Some("bad"));
    }
}
