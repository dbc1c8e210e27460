//! The panel: a shadow for each candidate, how often each of them hit lately, and when that is enough to change.

use std::array;

use super::super::tuning::CANDIDATES;
use super::shadow::Shadow;

/// Samples of a window, at least: half as many as a small shadow has places.
const WINDOW_MIN: u32 = 64;
/// What a window leaves of those before it: they fade with a memory of ten windows.
const FADE: f32 = 0.9;
/// A candidate must be ahead by this part of the hits of the one that steers: less is not worth the change.
const LEAD_MIN: f32 = 0.005;
/// And by so many times the root of the accesses on which the two differed: less may be chance.
const LEAD_SIGMAS: f32 = 1.5;

#[derive(Debug)]
pub(super) struct Panel {
    shadows: [Shadow; CANDIDATES.len()],
    /// Hits of each, and of the one that steers against each: accesses on which they differed. Faded.
    hits: [f32; CANDIDATES.len()],
    disputes: [[f32; CANDIDATES.len()]; CANDIDATES.len()],
    samples: u32,
    window: u32,
}

impl Panel {
    pub(super) fn new() -> Panel {
        Panel {
            shadows: array::from_fn(|candidate| Shadow::new(CANDIDATES[candidate])),
            hits: [0.0; CANDIDATES.len()],
            disputes: [[0.0; CANDIDATES.len()]; CANDIDATES.len()],
            samples: 0,
            window: WINDOW_MIN,
        }
    }

    /// Bytes of one with shadows of this many entries.
    pub(super) fn bytes(entries: usize) -> u64 {
        CANDIDATES.iter().map(|&tuning| Shadow::bytes(tuning, entries) as u64).sum()
    }

    pub(super) fn resize(&mut self, entries: usize) {
        self.window = (entries as u32).max(WINDOW_MIN);
        self.shadows.iter_mut().for_each(|shadow| shadow.resize(entries));
    }

    /// Shows an access to all shadows. `counts` says whether a hit would have served anybody.
    pub(super) fn access(&mut self, name: u32, counts: bool) {
        let hit: [bool; CANDIDATES.len()] = array::from_fn(|at| self.shadows[at].access(name));
        self.samples += 1;
        let agree = hit.iter().all(|&one| one == hit[0]);
        for one in 0..hit.len() {
            self.hits[one] += f32::from(u8::from(counts && hit[one]));
            for other in 0..if agree { 0 } else { one } {
                self.disputes[one][other] += f32::from(u8::from(counts && hit[one] != hit[other]));
            }
        }
    }

    /// True once in a window.
    pub(super) fn is_new_window(&self) -> bool {
        self.samples == 0
    }

    /// The candidate that should steer instead of `chosen`; asked for at the end of a window only.
    pub(super) fn verdict(&mut self, chosen: usize) -> Option<usize> {
        if self.samples < self.window {
            return None;
        }
        self.samples = 0;
        let best = (0..self.hits.len()).max_by(|&one, &other| self.hits[one].total_cmp(&self.hits[other]))?;
        let lead = self.hits[best] - self.hits[chosen];
        let disputes = self.disputes[best.max(chosen)][best.min(chosen)];
        let change = lead > LEAD_MIN * self.hits[chosen] && lead > LEAD_SIGMAS * disputes.sqrt();
        self.hits.iter_mut().chain(self.disputes.as_flattened_mut()).for_each(|count| *count *= FADE);
        (change && best != chosen).then_some(best)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn panel(entries: usize) -> Panel {
        let mut panel = Panel::new();
        panel.resize(entries);
        panel
    }

    #[test]
    fn equals_do_not_change_places() {
        let mut panel = panel(200);
        for round in 0..100_000_u32 {
            panel.access(round % 150, true);
            assert_eq!(panel.verdict(3), None, "everything fits every shadow");
        }
    }

    #[test]
    fn writes_serve_nobody() {
        let mut panel = panel(200);
        (0..100_000_u32).for_each(|round| panel.access(round % 150, false));
        assert_eq!(panel.hits, [0.0; CANDIDATES.len()]);
        assert!(panel.samples > 0);
    }

    #[test]
    fn a_loop_is_won_by_a_small_probation() {
        let mut panel = panel(200);
        let verdicts = (0..100_000_u32).filter_map(|round| {
            panel.access(round % 300, true);
            panel.verdict(4)
        });
        let small = verdicts.last().map(|best| CANDIDATES[best].small_permille);
        assert_eq!(small, Some(10));
    }

    #[test]
    fn memory_is_bounded() {
        assert!(Panel::bytes(1024) < 250 << 10, "{}", Panel::bytes(1024));
        assert!(Panel::bytes(128) < 32 << 10, "{}", Panel::bytes(128));
    }
}
