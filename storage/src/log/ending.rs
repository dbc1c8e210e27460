//! THE table of where a log ends.
//!
//! Recovery walks to the first place that is no valid next frame. What that means depends on three things:
//! what stands at that place ([`Stop`]), what stands behind it ([`Behind`](Evidence)), and whether anything
//! claims that a record at or above that place was durable. A crash alone only ever leads to a row whose
//! verdict serves; every other row means that stored bytes changed, vanished, or are too new for us.
//!
//! | row | stop | behind | claimed | verdict |
//! |---|---|---|---|---|
//! | A | no segment at all | - | no | new log |
//! | B | closing footer | nothing | no | clean |
//! | C | rolling footer, next segment never begun | nothing | no | end |
//! | D | zeros | nothing | no | end |
//! | E | bytes of an earlier life | nothing | no | end |
//! | F | a frame that does not verify | nothing | no | torn tail |
//! | G | rolling footer, next header does not verify | nothing | no | torn tail |
//! | H | as C to G | frames | no | torn tail: later pages without earlier ones |
//! | I | as B to G | - | yes | corrupt: it was durable |
//! | J | as B to G | frames that a crash cannot leave there | no | corrupt |
//! | K | the file is shorter than it was made | - | - | corrupt: a crash never cuts a file |
//! | L | a newer format | - | - | refused by name |
//! | M | a gap between segments, or no segment although records were durable | - | - | missing |
//! | N | as B to G, and a prepared file made beside a segment that is not there | - | - | missing |

/// What stands where the walk stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The directory holds no segment.
    NoSegments,
    /// A footer written by a clean stop.
    Closed,
    /// A footer written when the segment was full, and no next segment that was begun.
    Rolled,
    /// A footer, and a next segment whose header is neither zero nor valid.
    HeaderBroken,
    /// Zeros, or the segment is full.
    Zeros,
    /// Bytes with another salt.
    Stale,
    /// Bytes with this segment's salt that do not verify.
    Broken,
    /// The end of a file that once was longer.
    Cut,
    /// A newer format version.
    Newer,
    /// A footer, and a next segment that starts later.
    Gap,
    /// Any of those without a segment that a prepared file names as the active one.
    Vanished,
}

/// What stands behind the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing of ours.
    Nothing,
    /// Whole frames: pages reached the disk out of order.
    Frames,
    /// Frames in the very file whose header is damaged, or anything begun behind a clean stop.
    Impossible,
}

/// What a row means for the one who opens the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There was no log; one is begun.
    New,
    /// Stopped by `close`; the epoch goes on.
    Clean,
    /// Stopped without `close`, nothing is left half-written.
    End,
    /// Stopped without `close`, and something unacknowledged is discarded.
    Torn,
    /// Refuse: something durable does not verify.
    Corrupt,
    /// Refuse: written by a newer program.
    Newer,
    /// Refuse: something durable is not there.
    Missing,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The row's letter.
    pub letter: char,
    /// What follows from it.
    pub verdict: Verdict,
    /// The row in words.
    pub text: &'static str,
    stops: &'static [Stop],
    behind: &'static [Evidence],
    claimed: &'static [bool],
}

impl Row {
    fn matches(&self, stop: Stop, behind: Evidence, claimed: bool) -> bool {
        self.stops.contains(&stop) && self.behind.contains(&behind) && self.claimed.contains(&claimed)
    }
}

const ANY: &[Evidence] = &[Evidence::Nothing, Evidence::Frames, Evidence::Impossible];
const NOTHING: &[Evidence] = &[Evidence::Nothing];
const BOTH: &[bool] = &[false, true];
const NO: &[bool] = &[false];
const FAULTS: &[Stop] =
    &[Stop::Closed, Stop::Rolled, Stop::HeaderBroken, Stop::Zeros, Stop::Stale, Stop::Broken];

const fn row(
    letter: char,
    stops: &'static [Stop],
    behind: &'static [Evidence],
    claimed: &'static [bool],
    verdict: Verdict,
    text: &'static str,
) -> Row {
    Row { letter, verdict, text, stops, behind, claimed }
}

/// The rows, most ordinary first.
pub const ROWS: [Row; 16] = [
    row('A', &[Stop::NoSegments], ANY, NO, Verdict::New, "new log"),
    row('B', &[Stop::Closed], NOTHING, NO, Verdict::Clean, "clean stop"),
    row('C', &[Stop::Rolled], NOTHING, NO, Verdict::End, "ends with a full segment"),
    row('D', &[Stop::Zeros], NOTHING, NO, Verdict::End, "ends in zeros"),
    row('E', &[Stop::Stale], NOTHING, NO, Verdict::End, "ends in bytes of an earlier life of the file"),
    row('F', &[Stop::Broken], NOTHING, NO, Verdict::Torn, "torn tail: last frame half-written"),
    row('G', &[Stop::HeaderBroken], NOTHING, NO, Verdict::Torn, "torn tail: next segment half-begun"),
    row(
        'H',
        &[Stop::Rolled, Stop::HeaderBroken, Stop::Zeros, Stop::Stale, Stop::Broken],
        &[Evidence::Frames],
        NO,
        Verdict::Torn,
        "torn tail: unsynced frames behind a missing one",
    ),
    row('I', FAULTS, ANY, &[true], Verdict::Corrupt, "records that were durable do not verify"),
    row('J', FAULTS, &[Evidence::Impossible], NO, Verdict::Corrupt, "segment header is damaged"),
    row('J', &[Stop::Closed], &[Evidence::Frames], NO, Verdict::Corrupt, "frames behind a clean stop"),
    row('K', &[Stop::Cut], ANY, BOTH, Verdict::Corrupt, "segment file is shorter than it was made"),
    row('L', &[Stop::Newer], ANY, BOTH, Verdict::Newer, "written by a newer version"),
    row('M', &[Stop::Gap], ANY, BOTH, Verdict::Missing, "a segment is missing"),
    row('M', &[Stop::NoSegments], ANY, &[true], Verdict::Missing, "every segment is missing"),
    row('N', &[Stop::Vanished], ANY, BOTH, Verdict::Missing, "the newest segment is missing"),
];

/// The row for what was found. `claimed` is true when the highest lsn known durable is at or above the
/// first lsn that could not be read.
#[must_use]
pub fn row_for(stop: Stop, behind: Evidence, claimed: bool) -> &'static Row {
    ROWS.iter()
        .find(|row| row.matches(stop, behind, claimed))
        .expect("a test walks every input through the table")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPS: [Stop; 11] = [
        Stop::NoSegments,
        Stop::Closed,
        Stop::Rolled,
        Stop::HeaderBroken,
        Stop::Zeros,
        Stop::Stale,
        Stop::Broken,
        Stop::Cut,
        Stop::Newer,
        Stop::Gap,
        Stop::Vanished,
    ];

    /// The compiler asks for this list to grow with the enum.
    fn listed(stop: Stop) -> bool {
        match stop {
            Stop::NoSegments | Stop::Closed | Stop::Rolled | Stop::HeaderBroken | Stop::Zeros => {}
            Stop::Stale | Stop::Broken | Stop::Cut | Stop::Newer | Stop::Gap | Stop::Vanished => {}
        }
        STOPS.contains(&stop)
    }

    #[test]
    fn every_input_matches_exactly_one_row() {
        for stop in STOPS {
            assert!(listed(stop));
            for behind in ANY {
                for claimed in [false, true] {
                    let letters: Vec<char> = ROWS
                        .iter()
                        .filter(|row| row.matches(stop, *behind, claimed))
                        .map(|row| row.letter)
                        .collect();
                    assert_eq!(letters.len(), 1, "{stop:?} {behind:?} {claimed}: {letters:?}");
                }
            }
        }
    }

    #[test]
    fn every_row_is_reached() {
        for row in &ROWS {
            assert_eq!(row_for(row.stops[0], row.behind[0], row.claimed[0]), row);
        }
    }

    #[test]
    fn nothing_claimed_durable_is_ever_served_without_it() {
        for stop in STOPS {
            for behind in ANY {
                let verdict = row_for(stop, *behind, true).verdict;
                assert!(matches!(verdict, Verdict::Corrupt | Verdict::Newer | Verdict::Missing), "{stop:?}");
            }
        }
    }

    #[test]
    fn only_a_close_is_clean() {
        let clean: Vec<Stop> = STOPS
            .into_iter()
            .filter(|stop| row_for(*stop, Evidence::Nothing, false).verdict == Verdict::Clean)
            .collect();
        assert_eq!(clean, [Stop::Closed]);
    }
}
