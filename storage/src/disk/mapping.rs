//! The one place outside `memory` that uses `unsafe`: mapping a file that no longer changes.
//!
//! A sealed segment is read by scans and by recovery straight from the page cache, without a copy
//! and without a system call for each frame. Whoever maps a file promises the trait's rule: it
//! neither shrinks nor changes while the guard lives (a retired segment is renamed or removed, and
//! both keep the mapped pages alive; it is rewritten only after its last guard is gone).
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

use super::MappedBytes;

/// A read-only, shared mapping of a whole file; unmapped when dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    map: Mmap,
}

impl Mapping {
    /// Maps the whole of `file`. One system call, no page is read yet.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is read-only and private to this value, and the file behind it is
        // ours: the data directory is 0700, guarded by an exclusive lock, and its files are 0600, so
        // no other process writes or truncates them. Within this process `DiskFile::map` is called
        // for sealed segments only, which are never written or cut while a guard of theirs lives.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self { map })
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl MappedBytes for Mapping {}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sealed");
        let bytes: Vec<u8> = (0..10_000u32).map(|number| number as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let mapping = Mapping::new(&File::open(&path).unwrap()).unwrap();
        assert_eq!(&*mapping, &bytes[..]);
        // Retiring a segment removes its name; a reader in the middle of it must not notice.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mapping[9_999], bytes[9_999]);
    }

    #[test]
    fn an_empty_file_is_an_empty_slice() {
        let file = tempfile::tempfile().unwrap();
        assert!(Mapping::new(&file).unwrap().is_empty());
    }
}
