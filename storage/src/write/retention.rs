//! How long the log is kept beyond the checkpoint, for whoever follows it.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::record::Lsn;

/// Marks that one age is divided into.
const MARKS: u64 = 64;

/// Bounds of what is kept. Nothing is kept beyond need when either is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Records younger than this are kept, in microseconds.
    pub age_us: u64,
    /// As long as the whole log has no more bytes than this.
    pub bytes_max: u64,
}

/// Remembers which positions were reached when.
#[derive(Debug)]
pub(crate) struct Retention {
    keep: Keep,
    /// Positions with the time at which everything through them was there, oldest first.
    marks: Mutex<VecDeque<(Lsn, u64)>>,
}

impl Retention {
    /// `reached` is the last position there is; when its records were written is not known, so that they count as
    /// written now.
    pub(crate) fn new(keep: Keep, reached: Lsn, now_us: u64) -> Retention {
        Retention { keep, marks: Mutex::new([(reached, now_us)].into()) }
    }

    pub(crate) fn bytes_max(&self) -> u64 {
        if self.keep.age_us == 0 { 0 } else { self.keep.bytes_max }
    }

    /// Notes that everything through `lsn` is there; says which position is old enough to go.
    pub(crate) fn pass(&self, lsn: Lsn, now_us: u64) -> Lsn {
        let mut marks = self.marks.lock();
        let apart_us = self.keep.age_us / MARKS;
        if marks.back().is_none_or(|(_, time_us)| now_us.saturating_sub(*time_us) >= apart_us) {
            marks.push_back((lsn, now_us));
        }
        let old = |mark: Option<&(Lsn, u64)>| {
            mark.is_some_and(|(_, time_us)| now_us.saturating_sub(*time_us) >= self.keep.age_us)
        };
        // The first mark is the newest one that is old, once there is one.
        while old(marks.get(1)) {
            marks.pop_front();
        }
        marks.front().filter(|mark| old(Some(mark))).map_or(Lsn::ZERO, |(lsn, _)| *lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_age_may_go() {
        let retention = Retention::new(Keep { age_us: 640, bytes_max: 1 }, Lsn(5), 1000);
        assert_eq!(retention.pass(Lsn(6), 1639), Lsn::ZERO);
        assert_eq!(retention.pass(Lsn(7), 1640), Lsn(5));
        assert_eq!(retention.pass(Lsn(8), 2278), Lsn(5));
        assert_eq!(retention.pass(Lsn(9), 2280), Lsn(6), "the mark at 1639 is old now");
    }

    #[test]
    fn marks_are_bounded_however_often_it_passes() {
        let retention = Retention::new(Keep { age_us: 6400, bytes_max: 1 }, Lsn(0), 0);
        for now_us in 0..100_000 {
            retention.pass(Lsn(now_us), now_us);
        }
        assert!(retention.marks.lock().len() <= MARKS as usize + 2);
    }

    #[test]
    fn without_an_age_nothing_is_kept() {
        let retention = Retention::new(Keep { age_us: 0, bytes_max: 1 << 30 }, Lsn(5), 1000);
        assert_eq!((retention.bytes_max(), retention.pass(Lsn(6), 1000)), (0, Lsn(6)));
    }
}
