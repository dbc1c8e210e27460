//! When a cursor does what, as measured. Tests set it to see every way of reading in small segments.

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(in crate::topics) struct Tuning {
    /// Entries in a stretch from which on a jump may be worth it.
    pub jump_entries_min: usize,
    /// In the segment being written, entries for each of its topics from which on listing them may be worth it.
    pub entries_per_list: usize,
    /// It is worth planning where at most one row is wanted for so many entries: what finding a place in the list of a
    /// row costs, in entries passed over.
    pub entries_per_row: usize,
    /// It is worth making where at most one of so many entries is wanted.
    pub entries_per_wanted: usize,
    /// Behind this many bytes or more a reader of the segment being written maps it.
    pub map_bytes_min: u64,
}

#[cfg(all(test, not(loom)))]
impl Tuning {
    /// Entry by entry, whatever is wanted.
    pub const SCANS: Tuning =
        Tuning { jump_entries_min: usize::MAX, map_bytes_min: u64::MAX, ..Tuning::JUMPS };
    /// From one wanted entry to the next, mapped, whatever it costs.
    pub const JUMPS: Tuning = Tuning {
        jump_entries_min: 0,
        entries_per_list: 0,
        entries_per_row: 0,
        entries_per_wanted: 0,
        map_bytes_min: 0,
    };
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            jump_entries_min: 4096,
            entries_per_list: 4,
            entries_per_row: 32,
            entries_per_wanted: 8,
            map_bytes_min: 1024 * 1024,
        }
    }
}
