//! An entry in memory: one allocation with a 40-byte head, reference counted, immutable but for its marks.
//!
//! ```text
//!  0  lsn             u64
//!  8  created_us      u64
//! 16  last_access_us  u64  atomic, written by readers
//! 24  refs            u32  atomic
//! 28  access_count    u32  atomic, written by readers
//! 32  shape           u32  value length (26 bits) | has expiry | has extras | kind (4 bits)
//! 36  key length      u16
//! 38  heat            u8   atomic, written by readers: how warm the eviction policy finds the entry
//! 39  state           u8   atomic, written under the shard lock: dirty | queue of the policy
//! 40  expires_us      u64  only when the entry expires
//!     extras length   u32  only when there are extras
//!     key, value, extras
//! ```
//!
//! Most entries neither expire nor carry extras, so those twelve bytes are paid only by the ones that do.
//! A new version of a key is a new allocation; whoever holds the old one keeps reading the old bytes.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::refs::Refs;
use crate::limits::{EXTRAS_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::record::{EntryFields, EntryKind, Lsn};

const VALUE_BITS: u32 = 26;
const HAS_EXPIRY: u32 = 1 << VALUE_BITS;
const HAS_EXTRAS: u32 = 1 << (VALUE_BITS + 1);
const KIND_SHIFT: u32 = VALUE_BITS + 2;
const DIRTY: u8 = 0x80;
const QUEUE: u8 = 0x0f;

/// Reads up to this count are counted one by one, later ones by sampling.
const COUNT_EXACT_MAX: u32 = 256;
/// One read in this many is counted, with this weight, once the count is past [`COUNT_EXACT_MAX`].
const COUNT_STEP: u32 = 16;
/// `last_access_us` of an entry read in bursts moves in steps of this, to keep hot lines unwritten.
const ACCESS_RESOLUTION_US: u64 = 1000;

const _: () = assert!(VALUE_BYTES_MAX < 1 << VALUE_BITS);
const _: () = assert!(KEY_BYTES_MAX <= u16::MAX as usize && EXTRAS_BYTES_MAX < u32::MAX as usize);
#[cfg(not(loom))]
const _: () = assert!(size_of::<Header>() == 40);

#[repr(C)]
struct Header {
    lsn: u64,
    created_us: u64,
    last_access_us: AtomicU64,
    refs: Refs,
    access_count: AtomicU32,
    shape: u32,
    key_bytes: u16,
    heat: AtomicU8,
    state: AtomicU8,
}

/// A version of a key in memory, borrowed from the table (while pinned) or from an [`EntryRef`].
#[repr(transparent)]
pub struct Entry(NonNull<Header>);

// SAFETY: an entry's bytes never change after it is built, its marks are atomics, and freeing it is
// ordered by `Refs`; so both sharing it and sending it are sound.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    /// The encoded key.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        let header = self.header();
        // SAFETY: `allocate` put `key_bytes` initialised bytes at the end of the head, in this allocation,
        // and nothing writes them again; `self` keeps the allocation alive.
        unsafe { self.bytes(header.head_bytes(), header.key_bytes.into()) }
    }

    /// JSON text for [`EntryKind::Value`]; empty for a tombstone.
    #[inline]
    #[must_use]
    pub fn value(&self) -> &[u8] {
        let header = self.header();
        let start = header.head_bytes() + usize::from(header.key_bytes);
        // SAFETY: as in `key`: the value follows the key.
        unsafe { self.bytes(start, header.value_bytes()) }
    }

    /// Encoded metadata; empty when everything has its default.
    #[must_use]
    pub fn extras(&self) -> &[u8] {
        let header = self.header();
        let start = header.head_bytes() + usize::from(header.key_bytes) + header.value_bytes();
        // SAFETY: as in `key`: the extras follow the value.
        unsafe { self.bytes(start, self.extras_bytes()) }
    }

    /// The record that wrote this version.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        Lsn(self.header().lsn)
    }

    /// What the value holds.
    #[must_use]
    pub fn kind(&self) -> EntryKind {
        EntryKind::from_u8((self.header().shape >> KIND_SHIFT) as u8).expect("allocate stored a kind")
    }

    /// When this version was written, in microseconds since 1970.
    #[must_use]
    pub fn created_us(&self) -> u64 {
        self.header().created_us
    }

    /// Last microsecond at which the entry is visible; 0 = it never expires.
    #[inline]
    #[must_use]
    pub fn expires_us(&self) -> u64 {
        if self.header().shape & HAS_EXPIRY == 0 {
            return 0;
        }
        // SAFETY: HAS_EXPIRY says that `allocate` wrote a u64 right behind the header.
        unsafe { self.word(size_of::<Header>()) }
    }

    /// Reads counted so far: exact up to 256, an estimate above (one read in 16 is counted as 16).
    #[must_use]
    pub fn access_count(&self) -> u32 {
        self.header().access_count.load(Ordering::Relaxed)
    }

    /// Time of the last counted read (to 1 ms), or of the write when never read.
    #[must_use]
    pub fn last_access_us(&self) -> u64 {
        self.header().last_access_us.load(Ordering::Relaxed)
    }

    /// Everything at once, borrowed.
    #[must_use]
    pub fn fields(&self) -> EntryFields<'_> {
        EntryFields {
            kind: self.kind(),
            lsn: self.lsn(),
            created_us: self.created_us(),
            expires_us: self.expires_us(),
            access_count: self.access_count(),
            last_access_us: self.last_access_us(),
            value: self.value(),
            extras: self.extras(),
        }
    }

    /// True while no checkpoint holds this version. Relaxed: only the shard lock makes it exact.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.header().state.load(Ordering::Relaxed) & DIRTY != 0
    }

    /// True for a value that has not expired at `now_us`.
    #[inline]
    #[must_use]
    pub fn is_visible(&self, now_us: u64) -> bool {
        let expires_us = self.expires_us();
        self.header().shape >> KIND_SHIFT != EntryKind::Tombstone as u32
            && (expires_us == 0 || now_us <= expires_us)
    }

    /// One more holder. Cost: one atomic add on the entry's line.
    #[must_use]
    pub fn to_ref(&self) -> EntryRef {
        self.header().refs.retain();
        EntryRef(Entry(self.0))
    }

    /// How warm the eviction policy finds the entry.
    #[must_use]
    pub(super) fn heat(&self) -> u8 {
        self.header().heat.load(Ordering::Relaxed)
    }

    /// Sets the heat; a concurrent read's mark may be lost, which costs accuracy only.
    pub(super) fn set_heat(&self, heat: u8) {
        self.header().heat.store(heat, Ordering::Relaxed);
    }

    /// The policy's queue the entry stands in; 0 = none. Exact under the shard lock.
    #[must_use]
    pub(super) fn queue(&self) -> u8 {
        self.header().state.load(Ordering::Relaxed) & QUEUE
    }

    /// Notes the queue, 0 to 15. Only under the shard lock.
    pub(super) fn set_queue(&self, queue: u8) {
        debug_assert!(queue <= QUEUE);
        let state = self.header().state.load(Ordering::Relaxed);
        self.header().state.store(state & !QUEUE | queue & QUEUE, Ordering::Relaxed);
    }

    /// Bytes of the allocation as the allocator serves it, by the one of those we know that needs more.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        let bytes = self.layout().size() as u64;
        served_by_classes(bytes).max(served_by_chunks(bytes))
    }

    /// Marks a checkpointed version. Only under the shard lock.
    pub(super) fn set_clean(&self) {
        let state = self.header().state.load(Ordering::Relaxed);
        self.header().state.store(state & !DIRTY, Ordering::Relaxed);
    }

    /// Counts a visible read. `sample` changes with every read of this thread. Plain loads and stores:
    /// two threads may lose a count, but a hot line is not fought over.
    #[inline]
    pub(super) fn touch(&self, now_us: u64, sample: u64, heat_max: u8) {
        let header = self.header();
        let count = header.access_count.load(Ordering::Relaxed);
        if count < COUNT_EXACT_MAX {
            header.access_count.store(count + 1, Ordering::Relaxed);
        } else if sample.is_multiple_of(u64::from(COUNT_STEP)) {
            header.access_count.store(count.saturating_add(COUNT_STEP), Ordering::Relaxed);
        }
        let last_us = header.last_access_us.load(Ordering::Relaxed);
        if now_us >= last_us.saturating_add(ACCESS_RESOLUTION_US) {
            header.last_access_us.store(now_us, Ordering::Relaxed);
        }
        let heat = header.heat.load(Ordering::Relaxed);
        if heat < heat_max {
            header.heat.store(heat + 1, Ordering::Relaxed);
        }
    }

    /// The pointer a slot keeps.
    pub(super) fn as_ptr(&self) -> NonNull<u8> {
        self.0.cast()
    }

    /// The entry behind a slot's pointer.
    ///
    /// # Safety
    /// `pointer` came from [`Entry::as_ptr`] and the allocation outlives the result.
    pub(super) unsafe fn from_ptr(pointer: NonNull<u8>) -> Entry {
        Entry(pointer.cast())
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: an `Entry` exists only while its allocation does: behind an `EntryRef`, which holds a
        // reference, or behind an epoch pin taken before the table gave its reference up.
        unsafe { self.0.as_ref() }
    }

    fn extras_bytes(&self) -> usize {
        let header = self.header();
        if header.shape & HAS_EXTRAS == 0 {
            return 0;
        }
        let start = size_of::<Header>() + if header.shape & HAS_EXPIRY == 0 { 0 } else { 8 };
        // SAFETY: HAS_EXTRAS says that `allocate` wrote a u32 there.
        unsafe { self.word::<u32>(start) as usize }
    }

    fn layout(&self) -> Layout {
        let header = self.header();
        let payload = usize::from(header.key_bytes) + header.value_bytes() + self.extras_bytes();
        layout(header.head_bytes() + payload)
    }

    /// # Safety
    /// `bytes` initialised bytes start at `offset` of the allocation and are never written again.
    #[inline]
    unsafe fn bytes(&self, offset: usize, bytes: usize) -> &[u8] {
        // SAFETY: the caller's promise; the pointer covers the whole allocation, not only the header.
        unsafe { slice::from_raw_parts(self.as_ptr().as_ptr().add(offset), bytes) }
    }

    /// # Safety
    /// A `T` was written at `offset` of the allocation, at any alignment.
    #[inline]
    unsafe fn word<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: the caller's promise.
        unsafe { self.as_ptr().add(offset).cast::<T>().read_unaligned() }
    }
}

impl Header {
    #[inline]
    fn value_bytes(&self) -> usize {
        (self.shape & (HAS_EXPIRY - 1)) as usize
    }

    /// Bytes before the key.
    #[inline]
    fn head_bytes(&self) -> usize {
        let expiry = if self.shape & HAS_EXPIRY == 0 { 0 } else { 8 };
        let extras = if self.shape & HAS_EXTRAS == 0 { 0 } else { 4 };
        size_of::<Header>() + expiry + extras
    }
}

/// mimalloc: four size classes to a doubling, from 16 bytes apart to 64 KiB.
fn served_by_classes(bytes: u64) -> u64 {
    bytes.next_multiple_of((bytes.next_power_of_two() / 8).clamp(16, 64 * 1024))
}

/// glibc: 8 bytes of its own, rounded up to 16, to pages when large.
fn served_by_chunks(bytes: u64) -> u64 {
    (bytes + 8).next_multiple_of(if bytes > 128 * 1024 { 4096 } else { 16 })
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, align_of::<Header>())
        .expect("lengths are limited, the sum is far below isize")
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("lsn", &self.lsn())
            .field("kind", &self.kind())
            .field("value_bytes", &self.value().len())
            .field("dirty", &self.is_dirty())
            .finish_non_exhaustive()
    }
}

/// A counted handle of an entry: stays readable whatever happens to the key. 8 bytes; cloning is one
/// atomic add, dropping one atomic subtraction.
pub struct EntryRef(Entry);

impl EntryRef {
    /// A version that is in no table: for answers that are not kept.
    ///
    /// # Panics
    /// When a length is above its limit in `limits.rs`, which callers have checked.
    #[must_use]
    pub fn detached(key: &[u8], fields: &EntryFields<'_>) -> EntryRef {
        EntryRef::allocate(key, fields, false)
    }

    /// Builds an entry with one holder.
    ///
    /// # Panics
    /// When a length is above its limit in `limits.rs`; the callers have checked them.
    pub(super) fn allocate(key: &[u8], fields: &EntryFields<'_>, dirty: bool) -> EntryRef {
        assert!(key.len() <= KEY_BYTES_MAX, "key of {} bytes passed the checks", key.len());
        assert!(
            fields.value.len() <= VALUE_BYTES_MAX,
            "value of {} bytes passed the checks",
            fields.value.len()
        );
        assert!(
            fields.extras.len() <= EXTRAS_BYTES_MAX,
            "extras of {} bytes passed the checks",
            fields.extras.len()
        );
        let header = Header {
            lsn: fields.lsn.0,
            created_us: fields.created_us,
            last_access_us: AtomicU64::new(fields.last_access_us),
            refs: Refs::one(),
            access_count: AtomicU32::new(fields.access_count),
            shape: shape_of(fields),
            key_bytes: key.len() as u16,
            heat: AtomicU8::new(0),
            state: AtomicU8::new(if dirty { DIRTY } else { 0 }),
        };
        let head_bytes = header.head_bytes();
        let layout = layout(head_bytes + key.len() + fields.value.len() + fields.extras.len());
        // SAFETY: the layout is never empty (the header alone has 40 bytes). All writes below stay inside
        // it: header, then the optional words counted by `head_bytes`, then the three payloads.
        unsafe {
            let start = alloc(layout);
            let Some(pointer) = NonNull::new(start) else { handle_alloc_error(layout) };
            pointer.cast::<Header>().write(header);
            let mut end = start.add(size_of::<Header>());
            if fields.expires_us != 0 {
                end = append(end, &fields.expires_us.to_ne_bytes());
            }
            if !fields.extras.is_empty() {
                end = append(end, &(fields.extras.len() as u32).to_ne_bytes());
            }
            end = append(end, key);
            end = append(end, fields.value);
            append(end, fields.extras);
            EntryRef(Entry(pointer.cast()))
        }
    }

    /// Gives the reference to a slot of the table. Taken back by [`EntryRef::from_ptr`].
    pub(super) fn into_ptr(self) -> NonNull<u8> {
        let pointer = self.as_ptr();
        std::mem::forget(self);
        pointer
    }

    /// Takes a reference back.
    ///
    /// # Safety
    /// `pointer` came from [`EntryRef::into_ptr`], and each such pointer is taken back once.
    pub(super) unsafe fn from_ptr(pointer: NonNull<u8>) -> EntryRef {
        // SAFETY: the reference that was given away keeps the allocation alive.
        EntryRef(unsafe { Entry::from_ptr(pointer) })
    }
}

fn shape_of(fields: &EntryFields<'_>) -> u32 {
    let expiry = if fields.expires_us == 0 { 0 } else { HAS_EXPIRY };
    let extras = if fields.extras.is_empty() { 0 } else { HAS_EXTRAS };
    fields.value.len() as u32 | expiry | extras | (fields.kind as u32) << KIND_SHIFT
}

/// # Safety
/// `bytes.len()` bytes at `target` may be written.
unsafe fn append(target: *mut u8, bytes: &[u8]) -> *mut u8 {
    // SAFETY: the caller's promise; a fresh allocation overlaps nothing.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
        target.add(bytes.len())
    }
}

impl Clone for EntryRef {
    fn clone(&self) -> EntryRef {
        self.to_ref()
    }
}

impl Deref for EntryRef {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.0
    }
}

impl Drop for EntryRef {
    fn drop(&mut self) {
        if self.header().refs.release() {
            let layout = self.layout();
            // SAFETY: the last holder let go, so nobody reads any more; `layout` is computed from the same
            // lengths as at the allocation.
            unsafe { dealloc(self.as_ptr().as_ptr(), layout) }
        }
    }
}

impl fmt::Debug for EntryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn fields<'a>(value: &'a [u8], expires_us: u64, extras: &'a [u8]) -> EntryFields<'a> {
        EntryFields {
            kind: EntryKind::Value,
            lsn: Lsn(7),
            created_us: 1_000_000,
            expires_us,
            access_count: 3,
            last_access_us: 1_500_000,
            value,
            extras,
        }
    }

    #[test]
    fn every_shape_round_trips() {
        for expires_us in [0, 2_000_000] {
            for extras in [&b""[..], b"tags"] {
                for value in [&b""[..], b"1", &[b'x'; 5000]] {
                    let wanted = fields(value, expires_us, extras);
                    let entry = EntryRef::allocate(b"ns\0id\0", &wanted, true);
                    assert_eq!(entry.key(), b"ns\0id\0");
                    assert_eq!(entry.fields(), wanted);
                    assert!(entry.is_dirty());
                }
            }
        }
    }

    #[test]
    fn expiry_is_inclusive_and_tombstones_are_invisible() {
        let entry = EntryRef::allocate(b"k", &fields(b"1", 2_000_000, b""), false);
        assert!(entry.is_visible(2_000_000) && !entry.is_visible(2_000_001));
        let tombstone = EntryFields { kind: EntryKind::Tombstone, ..fields(b"", 0, b"") };
        assert!(!EntryRef::allocate(b"k", &tombstone, true).is_visible(0));
    }

    #[test]
    fn reads_are_counted_exactly_then_by_sampling() {
        let entry = EntryRef::allocate(b"k", &EntryFields { access_count: 0, ..fields(b"1", 0, b"") }, false);
        for read in 0..256_u64 {
            entry.touch(2_000_000 + read, read, 3);
        }
        assert_eq!((entry.access_count(), entry.heat()), (256, 3));
        assert_eq!(entry.last_access_us(), 2_000_000, "moves in steps of a millisecond");
        for read in 0..1600 {
            entry.touch(3_000_000, read, 3);
        }
        assert_eq!((entry.access_count(), entry.last_access_us()), (256 + 1600, 3_000_000));
    }

    #[test]
    fn marks_do_not_disturb_each_other() {
        let entry = EntryRef::allocate(b"k", &fields(b"1", 0, b""), true);
        entry.set_queue(2);
        assert!(entry.is_dirty() && entry.queue() == 2);
        entry.set_clean();
        assert!(!entry.is_dirty() && entry.queue() == 2);
        entry.set_heat(3);
        entry.set_queue(0);
        assert_eq!((entry.queue(), entry.heat(), entry.is_dirty()), (0, 3, false));
    }

    #[test]
    fn handles_keep_the_bytes() {
        let entry = EntryRef::allocate(b"k", &fields(b"value", 0, b""), false);
        let second = entry.clone();
        let pointer = entry.into_ptr();
        // SAFETY: the pointer was given away one line above.
        drop(unsafe { EntryRef::from_ptr(pointer) });
        assert_eq!(second.value(), b"value");
        assert_eq!(second.allocated_bytes(), 64, "40 + 1 + 5 + 8 of malloc, rounded to 16");
        let large = EntryRef::allocate(b"k", &fields(&[b'x'; 1047], 0, b""), true);
        assert_eq!(large.allocated_bytes(), 1280, "40 + 1 + 1047, the next size class");
    }
}
