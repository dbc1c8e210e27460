//! A copy-on-write view of a file: reads come from the file, writes stay in memory.
//!
//! A file that was not closed cleanly must be repaired by redb before it can be read. Inspection
//! commands may not touch it, so they repair this view instead and the file keeps every byte.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;
use redb::{BackendError, StorageBackend};

use crate::disk::DiskFile;

const PAGE_BYTES: u64 = 4096;

/// A file whose changes are forgotten when it is closed. Memory: one page for each page written.
#[derive(Debug)]
pub(super) struct Overlay {
    file: Arc<dyn DiskFile>,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    len: u64,
    /// How much of the file still shows through: a cut hides what was behind it for good.
    file_len: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl Overlay {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> io::Result<Overlay> {
        let len = file.len()?;
        Ok(Overlay { file, state: RwLock::new(State { len, file_len: len, pages: BTreeMap::new() }) })
    }

    /// One page as the file has it, zeros behind its end.
    fn file_page(&self, number: u64, file_len: u64) -> io::Result<Box<[u8]>> {
        let start = number * PAGE_BYTES;
        let mut page = vec![0; PAGE_BYTES as usize].into_boxed_slice();
        let there = usize::try_from(file_len.saturating_sub(start).min(PAGE_BYTES)).unwrap_or(0);
        self.file.read_at(start, &mut page[..there])?;
        Ok(page)
    }
}

/// The pieces of `bytes` at `offset`, page by page: page number, offset in the page, range in the bytes.
fn pieces(offset: u64, bytes: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % PAGE_BYTES) as usize;
        let len = (bytes - done).min(PAGE_BYTES as usize - within);
        let range = done..done + len;
        done += len;
        (len > 0).then_some((at / PAGE_BYTES, within, range))
    })
}

fn check_range(offset: u64, bytes: usize, len: u64) -> io::Result<()> {
    match offset.checked_add(bytes as u64) {
        Some(end) if end <= len => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("{bytes} bytes at offset {offset} of a file of {len}"),
        )),
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.read().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.read();
        check_range(offset, out.len(), state.len)?;
        for (number, within, range) in pieces(offset, out.len()) {
            let len = range.len();
            match state.pages.get(&number) {
                Some(page) => out[range].copy_from_slice(&page[within..within + len]),
                None => {
                    let page = self.file_page(number, state.file_len)?;
                    out[range].copy_from_slice(&page[within..within + len]);
                }
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.write();
        let kept = len.div_ceil(PAGE_BYTES);
        state.pages.split_off(&kept);
        if let Some(last) = state.pages.get_mut(&(len / PAGE_BYTES)) {
            last[(len % PAGE_BYTES) as usize..].fill(0);
        }
        state.len = len;
        state.file_len = state.file_len.min(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.write();
        check_range(offset, bytes.len(), state.len)?;
        for (number, within, range) in pieces(offset, bytes.len()) {
            let len = range.len();
            if !state.pages.contains_key(&number) {
                let page = self.file_page(number, state.file_len)?;
                state.pages.insert(number, page);
            }
            let page = state.pages.get_mut(&number).expect("inserted just above when it was missing");
            page[within..within + len].copy_from_slice(&bytes[range]);
        }
        Ok(())
    }

    // Nobody else can write here, so nobody can conflict.
    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, OpenMode, OsDisk};

    #[test]
    fn behaves_like_a_file_and_leaves_the_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let original: Vec<u8> = (0..20_000_u32).map(|at| at as u8).collect();
        let file = OsDisk.open(&path, OpenMode::Create).unwrap();
        file.write_at(0, &original).unwrap();
        let overlay = Overlay::new(file.clone()).unwrap();
        let mut model = original.clone();
        let mut random = 7_u64;
        let mut below = |bound: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % bound
        };
        for step in 0..2_000 {
            if step % 50 == 49 {
                let len = below(30_000);
                overlay.set_len(len as u64).unwrap();
                model.resize(len, 0);
            }
            let start = below(model.len() + 1);
            let bytes = below(model.len() - start + 1).min(9_000);
            if step % 3 == 0 {
                let written = vec![step as u8; bytes];
                overlay.write(start as u64, &written).unwrap();
                model[start..start + bytes].copy_from_slice(&written);
            }
            let mut seen = vec![0; bytes];
            overlay.read(start as u64, &mut seen).unwrap();
            assert!(seen == model[start..start + bytes], "step {step}: {bytes} bytes at {start}");
        }
        let mut now = vec![0; original.len()];
        file.read_at(0, &mut now).unwrap();
        assert!(now == original);
        assert!(overlay.read(u64::MAX, &mut [0; 2]).is_err(), "an overflowing range is refused");
    }
}
