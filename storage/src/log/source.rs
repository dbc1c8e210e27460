//! The bytes of one segment file: mapped when the file no longer changes, otherwise read in windows.

use std::io;
use std::sync::Arc;

use crate::disk::{DiskFile, MappedBytes};

/// Bytes read ahead from a file that is not mapped.
const WINDOW_BYTES: u64 = 1024 * 1024;

/// Where a scan takes its bytes from.
#[derive(Debug)]
pub(super) enum Source {
    /// A sealed segment.
    Mapped(Box<dyn MappedBytes>),
    /// A segment that may still be written, and the part of it read last.
    Window { file: Arc<dyn DiskFile>, start: u64, bytes: Vec<u8> },
}

impl Source {
    /// Maps a file that nobody writes any more.
    pub fn mapped(file: &Arc<dyn DiskFile>) -> io::Result<Source> {
        file.map().map(Source::Mapped)
    }

    /// Reads a file that may still grow.
    pub fn window(file: Arc<dyn DiskFile>) -> Source {
        Source::Window { file, start: 0, bytes: Vec::new() }
    }

    /// `len` bytes from `offset`, reading ahead but never past `limit`: bytes beyond it may not be
    /// written yet, and what a window holds is never read again. `UnexpectedEof` when the file ends before.
    pub fn fetch(&mut self, offset: u64, len: usize, limit: u64) -> io::Result<&[u8]> {
        if self.held(offset, len).is_none() {
            self.refill(offset, len, limit)?;
        }
        self.held(offset, len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// `len` bytes from `offset` when they are in memory already.
    pub fn held(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let (start, bytes): (u64, &[u8]) = match self {
            Source::Mapped(bytes) => (0, bytes),
            Source::Window { start, bytes, .. } => (*start, bytes),
        };
        let from = usize::try_from(offset.checked_sub(start)?).ok()?;
        bytes.get(from..from.checked_add(len)?)
    }

    /// Reads a file that may still be written anew from here on.
    pub fn forget(&mut self) {
        if let Source::Window { bytes, .. } = self {
            bytes.clear();
        }
    }

    fn refill(&mut self, offset: u64, len: usize, limit: u64) -> io::Result<()> {
        let Source::Window { file, start, bytes } = self else { return Ok(()) };
        let ahead = WINDOW_BYTES.min(limit.saturating_sub(offset));
        let wanted = usize::try_from(ahead).unwrap_or(usize::MAX).max(len);
        bytes.clear();
        bytes.resize(wanted, 0);
        *start = offset;
        file.read_at(offset, bytes).inspect_err(|_| bytes.clear())
    }
}
