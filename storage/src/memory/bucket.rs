//! A bucket: seven slots and a link in one cache line.
//!
//! ```text
//! slot   | tag: 16 bits | pointer to the entry: 48 bits |   0 = empty
//! bucket | slot 0 | slot 1 | ... | slot 6 | next bucket of the chain or null |   64 bytes
//! ```
//!
//! One writer (the holder of the shard lock) and any number of readers. A slot is published with
//! release and read with acquire, so a reader that finds a pointer finds the entry's bytes behind it. A
//! key stands in one slot of one chain and a new version replaces the old one in that slot: a reader sees
//! one or the other, never neither.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("slots keep a tag in the upper 16 bits of a 64-bit pointer");

use std::ptr::{self, NonNull};

use super::sync::{AtomicPtr, Ordering};

const TAG_SHIFT: u32 = 48;
const POINTER_MASK: usize = (1 << TAG_SHIFT) - 1;
/// Slots of a bucket.
pub(super) const SLOTS: usize = 7;

/// A tagged pointer that readers load without a lock.
#[derive(Debug)]
pub(super) struct Slot(AtomicPtr<u8>);

/// What a slot held at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(*mut u8);

impl Word {
    #[inline]
    pub(super) fn tag(self) -> u16 {
        (self.0.addr() >> TAG_SHIFT) as u16
    }

    /// The pointer without its tag; `None` for an empty slot.
    #[inline]
    pub(super) fn pointer(self) -> Option<NonNull<u8>> {
        NonNull::new(self.0.map_addr(|address| address & POINTER_MASK))
    }

    /// Which of the words have this tag, a bit each. No branch: which slot matches cannot be predicted.
    #[inline]
    pub(super) fn matches(words: &[Word; SLOTS], tag: u16) -> u32 {
        words.iter().enumerate().fold(0, |bits, (at, word)| bits | u32::from(word.tag() == tag) << at)
    }

    /// The pointer when the slot is taken and has this tag: the readers' test, one comparison.
    #[inline]
    pub(super) fn tagged(self, tag: u16) -> Option<NonNull<u8>> {
        if self.tag() == tag { self.pointer() } else { None }
    }
}

impl Slot {
    pub(super) fn empty() -> Slot {
        Slot(AtomicPtr::new(ptr::null_mut()))
    }

    /// Acquire: pairs with the release in `publish`, so the entry behind the pointer is complete; and with
    /// the one in `clear`, so whatever made the entry dispensable happened before its absence is seen.
    #[inline]
    pub(super) fn load(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }

    /// Makes `pointer` visible. Only under the shard lock.
    pub(super) fn publish(&self, tag: u16, pointer: *mut u8) {
        let address = pointer.addr();
        // User space ends at 2^47 on x86-64 and at 2^48 on aarch64 unless a process asks for more, which
        // malloc does not. Losing address bits would be memory corruption, hence the check.
        assert!(address & !POINTER_MASK == 0, "heap address {address:#x} does not fit 48 bits");
        let word = pointer.map_addr(|address| address | usize::from(tag) << TAG_SHIFT);
        self.0.store(word, Ordering::Release);
    }

    /// Takes another slot's word. Only under the shard lock, into a bucket nobody else sees yet.
    pub(super) fn copy(&self, word: Word) {
        self.0.store(word.0, Ordering::Release);
    }

    /// Empties the slot. Only under the shard lock.
    pub(super) fn clear(&self) {
        self.0.store(ptr::null_mut(), Ordering::Release);
    }
}

/// One cache line of a shard's table; the head of a chain when it overflows.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    pub(super) slots: [Slot; SLOTS],
    next: AtomicPtr<Bucket>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    pub(super) fn empty() -> Bucket {
        Bucket { slots: std::array::from_fn(|_| Slot::empty()), next: AtomicPtr::new(ptr::null_mut()) }
    }

    /// All slots, each loaded once.
    #[inline]
    pub(super) fn words(&self) -> [Word; SLOTS] {
        std::array::from_fn(|at| self.slots[at].load())
    }

    /// The next bucket of the chain.
    #[inline]
    pub(super) fn next(&self) -> Option<&Bucket> {
        // Acquire: pairs with the release in `grow`, so the linked bucket is complete.
        let next = self.next.load(Ordering::Acquire);
        // SAFETY: the link is null or came from `Box::into_raw` in `grow`, and is freed only by our Drop.
        unsafe { next.as_ref() }
    }

    /// The first empty slot of the chain; a bucket is added when there is none. Only under the shard lock.
    pub(super) fn vacancy(&self) -> &Slot {
        let mut bucket = self;
        loop {
            if let Some(slot) = bucket.slots.iter().find(|slot| slot.load().pointer().is_none()) {
                return slot;
            }
            bucket = match bucket.next() {
                Some(next) => next,
                None => bucket.grow(),
            };
        }
    }

    /// All slots of the chain.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Slot> {
        std::iter::successors(Some(self), |bucket| bucket.next()).flat_map(|bucket| bucket.slots.iter())
    }

    fn grow(&self) -> &Bucket {
        let added = Box::into_raw(Box::new(Bucket::empty()));
        self.next.store(added, Ordering::Release);
        // SAFETY: just allocated, and freed only by our Drop.
        unsafe { &*added }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // A loop, not recursion: the chain's length is not ours to bound here.
        let mut next = self.next.load(Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: `grow` made the box and nobody else can see it any more: we have `&mut self`.
            let owned = unsafe { Box::from_raw(next) };
            next = owned.next.load(Ordering::Relaxed);
            owned.next.store(ptr::null_mut(), Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_tag_and_pointer() {
        let mut target = 5_u8;
        let slot = Slot::empty();
        assert_eq!(slot.load().pointer(), None);
        assert_eq!(slot.load().tagged(0), None, "an empty slot has no key, not even with tag 0");
        slot.publish(0xfffe, &raw mut target);
        assert_eq!(slot.load().tag(), 0xfffe);
        assert_eq!(slot.load().tagged(0xfffe), NonNull::new(&raw mut target));
        assert_eq!(slot.load().tagged(0xffff), None);
        slot.clear();
        assert_eq!(slot.load().pointer(), None);
    }

    #[test]
    fn chains_grow_and_reuse_vacancies() {
        let mut target = 5_u8;
        let bucket = Bucket::empty();
        for tag in 0..20 {
            bucket.vacancy().publish(tag, &raw mut target);
        }
        assert_eq!(bucket.chain().count(), 21);
        let tags: Vec<u16> = bucket.chain().take(20).map(|slot| slot.load().tag()).collect();
        assert_eq!(tags, (0..20).collect::<Vec<_>>());
        bucket.chain().nth(8).unwrap().clear();
        bucket.vacancy().publish(99, &raw mut target);
        assert_eq!(bucket.chain().nth(8).unwrap().load().tag(), 99);
    }
}
