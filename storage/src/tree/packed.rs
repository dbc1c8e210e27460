//! Byte strings one behind the other in one buffer.

use crate::limits::LEAF_BYTES_MAX;

/// Marks in one cache line.
const LINE_MARKS: usize = 8;
/// Buffers above this size grow by this step; smaller ones double.
const STEP_BYTES: usize = 512;

/// Strings in one buffer, and where each begins.
#[derive(Debug)]
pub(super) struct Packed {
    /// One mark for each string, and one behind them for the end of the last. The low half is where the string
    /// begins. The high half, its head, belongs to the user: what a search wants to know without looking
    /// at the string, which may be a cache miss away.
    marks: Vec<u64>,
    bytes: Vec<u8>,
}

impl Default for Packed {
    fn default() -> Self {
        Packed { marks: vec![0], bytes: Vec::new() }
    }
}

/// A copy is made because something is about to be added: it has room for a little more.
impl Clone for Packed {
    fn clone(&self) -> Self {
        let mut bytes = Vec::with_capacity(roomy(self.bytes.len() + STEP_BYTES / 8));
        bytes.extend_from_slice(&self.bytes);
        let mut marks = Vec::with_capacity(self.marks.len() + 4);
        marks.extend_from_slice(&self.marks);
        Packed { marks, bytes }
    }
}

/// Capacity for `len` bytes: little enough waste in memory, few enough moves while growing.
fn roomy(len: usize) -> usize {
    if len > LEAF_BYTES_MAX {
        len
    } else if len > 2 * STEP_BYTES {
        len.next_multiple_of(STEP_BYTES)
    } else {
        len.next_power_of_two()
    }
}

/// A mark without head. The limits keep buffers far below 4 GiB.
fn mark(start: usize) -> u64 {
    u64::from(u32::try_from(start).expect("items and separators are limited to far below 4 GiB a node"))
}

/// The low half of a mark.
fn start(mark: u64) -> usize {
    mark as u32 as usize
}

impl Packed {
    /// Takes over a buffer of strings; `starts` is where each begins, and at last `bytes.len()`.
    pub(super) fn from_parts(starts: Vec<u32>, bytes: Vec<u8>) -> Packed {
        debug_assert_eq!(starts.last().map(|&end| end as usize), Some(bytes.len()));
        Packed { marks: starts.into_iter().map(u64::from).collect(), bytes }
    }

    pub(super) fn count(&self) -> usize {
        self.marks.len() - 1
    }

    /// All strings, one behind the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        &self.bytes[start(self.marks[at])..start(self.marks[at + 1])]
    }

    pub(super) fn get_mut(&mut self, at: usize) -> &mut [u8] {
        &mut self.bytes[start(self.marks[at])..start(self.marks[at + 1])]
    }

    /// What [`Packed::set_head`] said of string `at`, otherwise 0.
    pub(super) fn head(&self, at: usize) -> u32 {
        (self.marks[at] >> 32) as u32
    }

    /// The first of the strings `from` to `to` whose head is at least `head`; their heads ascend.
    #[inline]
    pub(super) fn first_from_head(&self, (from, to): (usize, usize), head: u32) -> usize {
        let wanted = u64::from(head) << 32;
        let marks = &self.marks[from..to];
        // One look at each cache line, none waiting for another: halving would wait for each line it meets.
        let lines: usize = marks.iter().step_by(LINE_MARKS).map(|&mark| usize::from(mark < wanted)).sum();
        let Some(line) = lines.checked_sub(1) else { return from };
        let rest = &marks[line * LINE_MARKS..];
        let within = &rest[..rest.len().min(LINE_MARKS)];
        from + line * LINE_MARKS + within.iter().map(|&mark| usize::from(mark < wanted)).sum::<usize>()
    }

    pub(super) fn set_head(&mut self, at: usize, head: u32) {
        let mark = &mut self.marks[at];
        *mark = u64::from(head) << 32 | u64::from(*mark as u32);
    }

    /// Bytes of the first `count` strings.
    pub(super) fn bytes_before(&self, count: usize) -> usize {
        start(self.marks[count])
    }

    /// The string of which `offset` is part, or the last.
    pub(super) fn string_at(&self, offset: usize) -> usize {
        self.marks[1..].partition_point(|&end| start(end) <= offset).min(self.count().saturating_sub(1))
    }

    /// Opens a gap of `len` bytes for a new string before string `at` and returns it.
    pub(super) fn insert(&mut self, at: usize, len: usize) -> &mut [u8] {
        let (begin, old_len) = (start(self.marks[at]), self.bytes.len());
        let end = begin + len;
        self.make_room(len);
        self.bytes.resize(old_len + len, 0);
        self.bytes.copy_within(begin..old_len, end);
        let shift = mark(old_len + len) - mark(old_len);
        self.marks.insert(at, mark(begin));
        // No overflow into a head: the last mark is the highest, and it was just checked.
        self.marks[at + 1..].iter_mut().for_each(|mark| *mark = mark.wrapping_add(shift));
        &mut self.bytes[begin..end]
    }

    fn make_room(&mut self, len: usize) {
        let needed = self.bytes.len() + len;
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(roomy(needed) - self.bytes.len());
        }
        if self.marks.len() == self.marks.capacity() {
            self.marks.reserve_exact((self.marks.len() / 2).max(4));
        }
    }

    pub(super) fn remove(&mut self, at: usize) {
        let (begin, end) = (start(self.marks[at]), start(self.marks[at + 1]));
        self.bytes.drain(begin..end);
        self.marks.remove(at);
        // No underflow: what follows begins at `end` or later.
        let shift = mark(end - begin);
        self.marks[at..].iter_mut().for_each(|mark| *mark = mark.wrapping_sub(shift));
        if self.bytes.len() * 2 + STEP_BYTES < self.bytes.capacity() {
            self.shrink();
        }
    }

    /// Gives back what a shrunken buffer holds without need.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to(roomy(self.bytes.len()));
        self.marks.shrink_to(self.marks.len() + 4);
    }

    /// Keeps the first `at` strings and returns the others, with their heads.
    pub(super) fn split_off(&mut self, at: usize) -> Packed {
        if at == 0 {
            return std::mem::take(self);
        }
        let begin = start(self.marks[at]);
        let bytes = self.bytes.split_off(begin);
        let marks = self.marks[at..].iter().map(|mark| mark - begin as u64).collect();
        self.marks.truncate(at + 1);
        self.marks[at] = mark(begin);
        self.shrink();
        Packed { marks, bytes }
    }

    /// Adds the strings of `other` behind its own, with their heads.
    pub(super) fn append(&mut self, other: &Packed) {
        let shift = mark(self.bytes.len());
        mark(self.bytes.len() + other.bytes.len());
        self.make_room(other.bytes.len());
        self.bytes.extend_from_slice(&other.bytes);
        self.marks.pop();
        self.marks.extend(other.marks.iter().map(|mark| mark + shift));
    }

    /// Memory behind this value.
    #[cfg(test)]
    pub(super) fn capacity_bytes(&self) -> usize {
        self.bytes.capacity() + self.marks.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings(packed: &Packed) -> Vec<Vec<u8>> {
        (0..packed.count()).map(|at| packed.get(at).to_vec()).collect()
    }

    fn head(string: &[u8]) -> u32 {
        crc32c::crc32c(string)
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(usize, Vec<u8>),
        Remove(usize),
        SplitAndAppend(usize),
        Copy,
    }

    fn step() -> impl Strategy<Value = Step> {
        let string = proptest::collection::vec(any::<u8>(), 0..700);
        prop_oneof![
            4 => (any::<usize>(), string).prop_map(|(at, string)| Step::Insert(at, string)),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => any::<usize>().prop_map(Step::SplitAndAppend),
            1 => Just(Step::Copy),
        ]
    }

    proptest! {
        #[test]
        fn is_a_vector_of_strings(steps in proptest::collection::vec(step(), 0..60)) {
            let mut packed = Packed::default();
            let mut model: Vec<Vec<u8>> = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(at, string) => {
                        let at = at % (model.len() + 1);
                        packed.insert(at, string.len()).copy_from_slice(&string);
                        packed.set_head(at, head(&string));
                        model.insert(at, string);
                    }
                    Step::Remove(at) if !model.is_empty() => {
                        packed.remove(at % model.len());
                        model.remove(at % model.len());
                    }
                    Step::Remove(_) => {}
                    Step::SplitAndAppend(at) => {
                        let at = at % (model.len() + 1);
                        let right = packed.split_off(at);
                        prop_assert_eq!(strings(&packed), &model[..at]);
                        prop_assert_eq!(strings(&right), &model[at..]);
                        packed.append(&right);
                    }
                    Step::Copy => packed = packed.clone(),
                }
                prop_assert_eq!(strings(&packed), &model[..]);
                prop_assert_eq!(packed.bytes(), model.concat());
                let heads = (0..packed.count()).map(|at| packed.head(at));
                prop_assert!(heads.eq(model.iter().map(|string| head(string))));
            }
        }
    }

    #[test]
    fn finds_the_string_of_an_offset() {
        let mut packed = Packed::default();
        for (at, len) in [3, 0, 2].into_iter().enumerate() {
            packed.insert(at, len);
        }
        assert_eq!([0, 2, 3, 4, 9].map(|offset| packed.string_at(offset)), [0, 0, 2, 2, 2]);
        assert_eq!([0, 1, 2, 3].map(|count| packed.bytes_before(count)), [0, 3, 3, 5]);
    }

    #[test]
    fn little_memory_is_wasted() {
        let mut packed = Packed::default();
        for at in 0..120 {
            packed.insert(at, 26);
        }
        assert!(packed.capacity_bytes() < 120 * (26 + 8) + STEP_BYTES + 200, "{}", packed.capacity_bytes());
        while packed.count() > 10 {
            packed.remove(0);
        }
        assert!(packed.capacity_bytes() < 10 * 34 * 2 + STEP_BYTES + 600, "{}", packed.capacity_bytes());
    }
}
