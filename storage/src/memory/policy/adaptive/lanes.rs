//! Rings of samples, one for each thread: written by readers without a lock, emptied by whoever fills.
//!
//! A ring has one writer, its thread, and one reader at a time, who holds the panel's lock. Beyond 64 threads two may
//! share a ring and spoil each other's samples, which costs accuracy only: samples are plain numbers.

use std::array;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam::utils::CachePadded;

use crate::memory::shared::{LANES, lane_of_thread, lanes_in_use};

/// Samples a ring holds; with its two ends four cache lines. At one key in 64 a thread can hit 4,000 times between two fills
/// of anybody before a sample is lost.
const SAMPLES: usize = 62;

#[derive(Debug)]
pub(super) struct Lanes(Box<[CachePadded<Lane>]>);

#[derive(Debug)]
struct Lane {
    samples: [AtomicU32; SAMPLES],
    /// Samples ever written and ever read, modulo 2^32 less what is no multiple of the ring: only differences count.
    written: AtomicU32,
    read: AtomicU32,
}

impl Lanes {
    pub(super) fn new() -> Lanes {
        Lanes((0..LANES).map(|_| CachePadded::new(Lane::new())).collect())
    }

    pub(super) fn bytes(&self) -> u64 {
        size_of_val(&*self.0) as u64
    }

    /// Notes a sample of this thread; forgets it when the ring is full.
    pub(super) fn push(&self, sample: u32) {
        self.0[lane_of_thread()].push(sample);
    }

    /// Takes everything out, each thread's samples in their order. Only one at a time.
    pub(super) fn drain(&self, mut each: impl FnMut(u32)) {
        self.0[..lanes_in_use()].iter().for_each(|lane| lane.drain(&mut each));
    }
}

impl Lane {
    fn new() -> Lane {
        let samples = array::from_fn(|_| AtomicU32::new(0));
        Lane { samples, written: AtomicU32::new(0), read: AtomicU32::new(0) }
    }

    fn push(&self, sample: u32) {
        let written = self.written.load(Ordering::Relaxed);
        // Acquire: pairs with the release in `drain`, so the place is free before it is written again.
        let waiting = distance(self.read.load(Ordering::Acquire), written);
        if waiting < SAMPLES as u32 {
            self.samples[written as usize % SAMPLES].store(sample, Ordering::Relaxed);
            // Release: pairs with the acquire in `drain`, so the sample is there before it is counted.
            self.written.store(next(written), Ordering::Release);
        }
    }

    fn drain(&self, each: &mut impl FnMut(u32)) {
        let written = self.written.load(Ordering::Acquire);
        let mut read = self.read.load(Ordering::Relaxed);
        // Bounded even when two threads have spoilt the ends.
        for _ in 0..SAMPLES {
            if read == written {
                break;
            }
            each(self.samples[read as usize % SAMPLES].load(Ordering::Relaxed));
            read = next(read);
        }
        self.read.store(read, Ordering::Release);
    }
}

/// Ends count up to a multiple of the ring, so that their places stay in step when they start over.
const WRAP: u32 = SAMPLES as u32 * 2;

fn next(end: u32) -> u32 {
    (end + 1) % WRAP
}

fn distance(from: u32, to: u32) -> u32 {
    (to + WRAP - from) % WRAP
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_the_order_and_drops_what_is_too_much() {
        let lane = Lane::new();
        let drained = |lane: &Lane| {
            let mut samples = Vec::new();
            lane.drain(&mut |sample| samples.push(sample));
            samples
        };
        for round in 0..10 {
            (0..40).for_each(|sample| lane.push(round * 100 + sample));
            assert_eq!(drained(&lane), (round * 100..round * 100 + 40).collect::<Vec<_>>());
        }
        (0..100).for_each(|sample| lane.push(sample));
        assert_eq!(drained(&lane), (0..62).collect::<Vec<_>>());
        assert!(drained(&lane).is_empty());
    }

    #[test]
    fn samples_of_all_threads_arrive() {
        let lanes = Lanes::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lanes = &lanes;
                scope.spawn(move || (0..50).for_each(|number| lanes.push(thread * 100 + number)));
            }
        });
        let mut samples = Vec::new();
        lanes.drain(|sample| samples.push(sample));
        samples.sort_unstable();
        let wanted: Vec<u32> = (0..4).flat_map(|thread| thread * 100..thread * 100 + 50).collect();
        assert_eq!(samples, wanted);
    }
}
