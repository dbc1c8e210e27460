//! The bytes of a simulated file: 4 KiB pages, shared between copies until one of them writes.
//!
//! A crash test copies the whole disk thousands of times a second and changes a page or two of each
//! copy. Copying therefore costs one reference count a file, and a changed file costs one a page.

use std::sync::Arc;

/// Size of a page: the piece in which pending writes reach the disk.
pub(super) const PAGE_BYTES: usize = 4096;

/// Holes take no room on the disk; written zeros do, but no memory here.
#[derive(Debug, Clone)]
enum Page {
    Hole,
    Zero,
    Bytes(Arc<[u8; PAGE_BYTES]>),
}

/// One state of a file's content. Everything past the last page up to `len` reads as zeros.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    pages: Arc<Vec<Page>>,
    allocated_pages: u64,
    len: u64,
}

impl Pages {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of room the file takes on the disk: whole pages, holes free of charge.
    pub(super) fn allocated_bytes(&self) -> u64 {
        self.allocated_pages * PAGE_BYTES as u64
    }

    /// How many of the first bytes of a write fit when only `room_bytes` can still be allocated.
    pub(super) fn fitting_bytes(&self, offset: u64, bytes: usize, room_bytes: u64) -> usize {
        let mut room_pages = room_bytes / PAGE_BYTES as u64;
        for piece in split(offset, bytes, PAGE_BYTES) {
            if self.is_hole(piece.offset) {
                if room_pages == 0 {
                    return piece.start;
                }
                room_pages -= 1;
            }
        }
        bytes
    }

    fn is_hole(&self, offset: u64) -> bool {
        let index = (offset / PAGE_BYTES as u64) as usize;
        self.pages.get(index).is_none_or(|page| matches!(page, Page::Hole))
    }

    /// Cuts, or extends with a hole.
    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let kept = len.div_ceil(PAGE_BYTES as u64) as usize;
            let in_last = (len % PAGE_BYTES as u64) as usize;
            let pages = Arc::make_mut(&mut self.pages);
            let cut = pages.drain(kept.min(pages.len())..);
            self.allocated_pages -= cut.filter(|page| !matches!(page, Page::Hole)).count() as u64;
            // What is cut off must read as zeros when the file grows again.
            if in_last > 0
                && pages.len() == kept
                && let Some(Page::Bytes(last)) = pages.last_mut()
            {
                Arc::make_mut(last)[in_last..].fill(0);
            }
        }
        self.len = len;
    }

    /// Writes and grows. The caller has checked that `offset + bytes` is a possible file length.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.len = self.len.max(offset + bytes.len() as u64);
        let pages = Arc::make_mut(&mut self.pages);
        for piece in split(offset, bytes.len(), PAGE_BYTES) {
            let index = (piece.offset / PAGE_BYTES as u64) as usize;
            let inside = (piece.offset % PAGE_BYTES as u64) as usize;
            if pages.len() <= index {
                pages.resize(index + 1, Page::Hole);
            }
            self.allocated_pages += u64::from(matches!(pages[index], Page::Hole));
            write_page(&mut pages[index], inside, &bytes[piece.start..piece.end]);
        }
    }

    /// Fills `out` from `offset`; false when the file ends before.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.len) {
            return false;
        }
        for piece in split(offset, out.len(), PAGE_BYTES) {
            let index = (piece.offset / PAGE_BYTES as u64) as usize;
            let inside = (piece.offset % PAGE_BYTES as u64) as usize;
            let target = &mut out[piece.start..piece.end];
            match self.pages.get(index) {
                Some(Page::Bytes(page)) => target.copy_from_slice(&page[inside..inside + target.len()]),
                _ => target.fill(0),
            }
        }
        true
    }

    /// A copy of the whole content.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        let whole = self.read(0, &mut bytes);
        debug_assert!(whole, "a file holds len bytes");
        bytes
    }
}

fn write_page(page: &mut Page, inside: usize, bytes: &[u8]) {
    if !matches!(page, Page::Bytes(_)) {
        if bytes.iter().all(|byte| *byte == 0) {
            *page = Page::Zero;
            return;
        }
        *page = Page::Bytes(Arc::new([0; PAGE_BYTES]));
    }
    if let Page::Bytes(content) = page {
        Arc::make_mut(content)[inside..inside + bytes.len()].copy_from_slice(bytes);
    }
}

/// A part of a write: `bytes[start..end]` goes to `offset` of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Cuts a write where the file crosses a multiple of `unit_bytes`.
pub(super) fn split(offset: u64, bytes: usize, unit_bytes: usize) -> impl Iterator<Item = Piece> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= bytes {
            return None;
        }
        let at = offset + start as u64;
        let left_in_unit = unit_bytes - (at % unit_bytes as u64) as usize;
        let end = bytes.min(start + left_in_unit);
        let piece = Piece { offset: at, start, end };
        start = end;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_write_is_cut_at_page_borders() {
        let pieces: Vec<Piece> = split(4090, 4104, PAGE_BYTES).collect();
        let expected = [(4090, 0, 6), (4096, 6, 4102), (8192, 4102, 4104)];
        assert_eq!(pieces, expected.map(|(offset, start, end)| Piece { offset, start, end }));
        assert_eq!(split(5, 0, PAGE_BYTES).count(), 0);
    }

    #[test]
    fn copies_share_until_written() {
        let mut one = Pages::default();
        one.write(0, &[1; 8192]);
        let mut two = one.clone();
        two.write(4096, &[2; 4096]);
        assert_eq!(one.to_vec(), [1; 8192]);
        assert_eq!(two.to_vec()[4096..], [2; 4096]);
    }

    #[test]
    fn only_written_pages_take_room() {
        let mut pages = Pages::default();
        pages.set_len(1 << 40);
        assert_eq!(pages.allocated_bytes(), 0);
        pages.write(4090, &[0; 10]);
        assert_eq!(pages.allocated_bytes(), 8192);
        // Two pages are there, the third is not, and there is room for one more only.
        assert_eq!(pages.fitting_bytes(0, 20_000, 4096), 3 * 4096);
        assert_eq!(pages.fitting_bytes(0, 8192, 0), 8192);
        pages.write(0, &[1; 8192]);
        assert_eq!(pages.allocated_bytes(), 8192);
        pages.set_len(100);
        assert_eq!(pages.allocated_bytes(), 4096);
    }

    proptest! {
        /// Any run of writes and cuts reads like the same run on a plain vector.
        #[test]
        fn behaves_like_a_vector(steps in prop::collection::vec((0u64..20_000, 0usize..9_000, any::<u8>()), 1..20)) {
            let (mut pages, mut model) = (Pages::default(), Vec::<u8>::new());
            for (offset, bytes, fill) in steps {
                if fill % 4 == 0 {
                    pages.set_len(offset);
                    model.resize(offset as usize, 0);
                } else if bytes > 0 {
                    pages.write(offset, &vec![fill; bytes]);
                    let end = offset as usize + bytes;
                    model.resize(model.len().max(end), 0);
                    model[offset as usize..end].fill(fill);
                }
                prop_assert_eq!(&pages.to_vec(), &model);
            }
        }
    }
}
