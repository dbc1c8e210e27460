//! Which key comes next. Everything costly is computed before the clock starts.
//!
//! Zipf by the method of Gray et al., "Quickly generating billion-record synthetic databases"
//! (SIGMOD 1994): one power per sample. Popular ranks are scattered over the key space, since real
//! hot keys are no neighbours either.

use std::sync::Arc;

use super::plan::{Distribution, Plan};
use crate::random::Random;

/// Samples drawn in advance; longer than any cache, short enough to draw in a moment.
const SEQUENCE_LENGTH: usize = 1 << 20;

/// A stream of key numbers in `0..keys`.
#[derive(Clone)]
pub struct Keys {
    kind: Kind,
    keys: u64,
    random: Random,
}

#[derive(Clone)]
enum Kind {
    Uniform,
    Sequential { next: u64, stride: u64 },
    Drawn { sequence: Arc<[u32]>, at: usize },
}

impl Keys {
    /// One stream for each thread of `plan`. Sequential streams split the key space between them.
    pub fn for_threads(plan: &Plan) -> Vec<Keys> {
        let drawn = match plan.distribution {
            Distribution::Zipf { theta } => draw(plan.keys, theta, plan.seed),
            _ => Arc::new([]),
        };
        let stream = |thread: usize| Keys {
            kind: match plan.distribution {
                Distribution::Uniform => Kind::Uniform,
                Distribution::Sequential => {
                    Kind::Sequential { next: thread as u64, stride: plan.threads as u64 }
                }
                Distribution::Zipf { .. } => Kind::Drawn {
                    sequence: Arc::clone(&drawn),
                    at: thread * (SEQUENCE_LENGTH / plan.threads),
                },
            },
            keys: plan.keys,
            random: Random::split(plan.seed, thread as u64),
        };
        (0..plan.threads).map(stream).collect()
    }

    /// The next key's number.
    pub fn next(&mut self) -> u64 {
        match &mut self.kind {
            Kind::Uniform => self.random.below(self.keys),
            Kind::Sequential { next, stride } => {
                let key = *next % self.keys;
                *next += *stride;
                key
            }
            Kind::Drawn { sequence, at } => {
                *at = (*at + 1) % sequence.len();
                u64::from(sequence[*at])
            }
        }
    }

    /// Uniform in `0..1`, from the same seed: for choices beside the key.
    pub fn fraction(&mut self) -> f64 {
        self.random.fraction()
    }

    /// 64 random bits, from the same seed.
    pub fn bits(&mut self) -> u64 {
        self.random.next()
    }
}

fn draw(keys: u64, theta: f64, seed: u64) -> Arc<[u32]> {
    let zipf = Zipf::new(keys, theta);
    let mut random = Random::split(seed, u64::MAX);
    let spread = coprime_to(keys);
    let mut sample = || scatter(zipf.rank(random.fraction()), spread, keys) as u32;
    (0..SEQUENCE_LENGTH).map(|_| sample()).collect()
}

/// Ranks from 0, the most popular, with probability proportional to `1 / (rank + 1)^theta`.
struct Zipf {
    keys: f64,
    theta: f64,
    alpha: f64,
    zeta: f64,
    eta: f64,
}

impl Zipf {
    fn new(keys: u64, theta: f64) -> Zipf {
        let zeta: f64 = (1..=keys).map(|rank| (rank as f64).powf(-theta)).sum();
        let zeta_of_two = 1.0 + 0.5f64.powf(theta);
        let eta = (1.0 - (2.0 / keys as f64).powf(1.0 - theta)) / (1.0 - zeta_of_two / zeta);
        Zipf { keys: keys as f64, theta, alpha: 1.0 / (1.0 - theta), zeta, eta }
    }

    fn rank(&self, uniform: f64) -> u64 {
        let scaled = uniform * self.zeta;
        if scaled < 1.0 || self.keys < 2.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5f64.powf(self.theta) {
            return 1;
        }
        let rank = self.keys * (self.eta * uniform - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.keys as u64 - 1)
    }
}

/// A permutation of `0..keys`, as long as `spread` has no divisor in common with `keys`.
fn scatter(rank: u64, spread: u64, keys: u64) -> u64 {
    ((u128::from(rank) * u128::from(spread)) % u128::from(keys)) as u64
}

fn coprime_to(keys: u64) -> u64 {
    let divisor = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    (2_654_435_761u64..).find(|&candidate| divisor(candidate, keys) == 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_is_as_skewed_as_the_formula() {
        let (keys, theta) = (1000u64, 0.99);
        let zipf = Zipf::new(keys, theta);
        let mut random = Random::split(1, 0);
        let mut counts = vec![0u32; keys as usize];
        for _ in 0..200_000 {
            counts[zipf.rank(random.fraction()) as usize] += 1;
        }
        // The two first ranks are exact in this method; the tail is an approximation.
        for rank in [0usize, 1] {
            let expected = 200_000.0 / ((rank + 1) as f64).powf(theta) / zipf.zeta;
            let found = f64::from(counts[rank]);
            assert!((found - expected).abs() < expected * 0.03, "rank {rank}: {found} for {expected}");
        }
        assert!(counts[10] > counts[500]);
    }

    #[test]
    fn scattering_loses_no_key() {
        for keys in [1u64, 2, 10, 1000, 1024] {
            let spread = coprime_to(keys);
            let mut seen: Vec<u64> = (0..keys).map(|rank| scatter(rank, spread, keys)).collect();
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..keys), "{keys}");
        }
    }
}
