//! Byte strings one behind the other in one buffer.

use crate::limits::LEAF_BYTES_MAX;

/// Buffers above this size grow by this step; smaller ones double.
const STEP_BYTES: usize = 512;

/// Strings in one buffer, and where each begins.
#[derive(Debug)]
pub(super) struct Packed {
    /// Begin of each string, and behind them the end of the last: one more than strings.
    bounds: Vec<u32>,
    bytes: Vec<u8>,
}

impl Default for Packed {
    fn default() -> Self {
        Packed { bounds: vec![0], bytes: Vec::new() }
    }
}

/// A copy is made because something is about to be added: it has room for a little more.
impl Clone for Packed {
    fn clone(&self) -> Self {
        let mut bytes = Vec::with_capacity(roomy(self.bytes.len() + STEP_BYTES / 8));
        bytes.extend_from_slice(&self.bytes);
        let mut bounds = Vec::with_capacity(self.bounds.len() + 4);
        bounds.extend_from_slice(&self.bounds);
        Packed { bounds, bytes }
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

/// Bounds of a buffer whose length the limits keep far below 4 GiB.
fn bound(at: usize) -> u32 {
    u32::try_from(at).expect("items and separators are limited to far below 4 GiB a node")
}

impl Packed {
    /// Takes over a buffer of strings; `bounds` has one more than strings and ends with `bytes.len()`.
    pub(super) fn from_parts(bounds: Vec<u32>, bytes: Vec<u8>) -> Packed {
        debug_assert_eq!(bounds.last().map(|&end| end as usize), Some(bytes.len()));
        Packed { bounds, bytes }
    }

    pub(super) fn count(&self) -> usize {
        self.bounds.len() - 1
    }

    /// All strings, one behind the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        &self.bytes[self.bounds[at] as usize..self.bounds[at + 1] as usize]
    }

    /// Bytes of the first `count` strings.
    pub(super) fn bytes_before(&self, count: usize) -> usize {
        self.bounds[count] as usize
    }

    /// The string of which `offset` is part, or the last.
    pub(super) fn string_at(&self, offset: usize) -> usize {
        self.bounds[1..].partition_point(|&end| end as usize <= offset).min(self.count().saturating_sub(1))
    }

    /// Opens a gap of `len` bytes for a new string before string `at` and returns it.
    pub(super) fn insert(&mut self, at: usize, len: usize) -> &mut [u8] {
        let (start, old_len) = (self.bounds[at] as usize, self.bytes.len());
        let end = start + len;
        self.make_room(len);
        self.bytes.resize(old_len + len, 0);
        self.bytes.copy_within(start..old_len, end);
        let shift = bound(old_len + len) - bound(old_len);
        self.bounds.insert(at, bound(start));
        // No overflow: the last bound is the highest, and it was just checked.
        self.bounds[at + 1..].iter_mut().for_each(|bound| *bound = bound.wrapping_add(shift));
        &mut self.bytes[start..end]
    }

    fn make_room(&mut self, len: usize) {
        let needed = self.bytes.len() + len;
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(roomy(needed) - self.bytes.len());
        }
        if self.bounds.len() == self.bounds.capacity() {
            self.bounds.reserve_exact((self.bounds.len() / 2).max(4));
        }
    }

    pub(super) fn remove(&mut self, at: usize) {
        let (start, end) = (self.bounds[at], self.bounds[at + 1]);
        self.bytes.drain(start as usize..end as usize);
        self.bounds.remove(at);
        // No underflow: what follows begins at `end` or later.
        self.bounds[at..].iter_mut().for_each(|bound| *bound = bound.wrapping_sub(end - start));
        if self.bytes.len() * 2 + STEP_BYTES < self.bytes.capacity() {
            self.shrink();
        }
    }

    /// Gives back what a shrunken buffer holds without need.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to(roomy(self.bytes.len()));
        self.bounds.shrink_to(self.bounds.len() + 4);
    }

    /// Keeps the first `at` strings and returns the others.
    pub(super) fn split_off(&mut self, at: usize) -> Packed {
        if at == 0 {
            return std::mem::take(self);
        }
        let start = self.bounds[at];
        let bytes = self.bytes.split_off(start as usize);
        let bounds = self.bounds[at..].iter().map(|bound| bound - start).collect();
        self.bounds.truncate(at + 1);
        self.shrink();
        Packed { bounds, bytes }
    }

    /// Adds the strings of `other` behind its own.
    pub(super) fn append(&mut self, other: &Packed) {
        let shift = bound(self.bytes.len());
        self.make_room(other.bytes.len());
        self.bytes.extend_from_slice(&other.bytes);
        bound(self.bytes.len());
        self.bounds.extend(other.bounds[1..].iter().map(|bound| bound + shift));
    }

    /// Memory behind this value.
    #[cfg(test)]
    pub(super) fn capacity_bytes(&self) -> usize {
        self.bytes.capacity() + self.bounds.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings(packed: &Packed) -> Vec<Vec<u8>> {
        (0..packed.count()).map(|at| packed.get(at).to_vec()).collect()
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
        assert!(packed.capacity_bytes() < 120 * (26 + 4) + STEP_BYTES + 100, "{}", packed.capacity_bytes());
        while packed.count() > 10 {
            packed.remove(0);
        }
        assert!(packed.capacity_bytes() < 10 * 30 * 2 + STEP_BYTES + 600, "{}", packed.capacity_bytes());
    }
}
