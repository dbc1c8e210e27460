//! The one place outside `memory` that uses `unsafe`: mapping bytes of a file that no longer change.
//!
//! A sealed segment is read by scans and by recovery straight from the page cache, without a copy
//! and without a system call for each frame; so are the frames that already stand in the segment
//! being written, which only grows behind them. Whoever maps bytes promises the trait's rule: they
//! are neither cut off nor changed while the guard lives (a retired segment is renamed or removed,
//! and both keep the mapped pages alive; it is rewritten only after its last guard is gone).
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::{Mmap, MmapOptions};

use super::MappedBytes;

/// A read-only, shared mapping of the first bytes of a file; unmapped when dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    map: Mmap,
}

impl Mapping {
    /// Maps the first `bytes` of `file`. Two system calls, no page is read yet.
    pub(super) fn new(file: &File, bytes: u64) -> io::Result<Self> {
        if bytes > file.metadata()?.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        // SAFETY: the mapping is read-only and private to this value, and the file behind it is
        // ours: the data directory is 0700, guarded by an exclusive lock, and its files are 0600, so
        // no other process writes or truncates them. Within this process `DiskFile::map_first` is
        // called for bytes below a segment's end only. Frames are appended at the end and never
        // written again; a segment is not cut, and not written anew while a guard of its lives. The
        // value shows no byte behind `bytes`, although the last page may hold some that do change.
        let map = unsafe { MmapOptions::new().len(length).map(file)? };
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
        let mapping = Mapping::new(&File::open(&path).unwrap(), 10_000).unwrap();
        assert_eq!(&*mapping, &bytes[..]);
        // Retiring a segment removes its name; a reader in the middle of it must not notice.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mapping[9_999], bytes[9_999]);
    }

    #[test]
    fn an_empty_file_is_an_empty_slice() {
        let file = tempfile::tempfile().unwrap();
        assert!(Mapping::new(&file, 0).unwrap().is_empty());
    }

    #[test]
    fn the_first_bytes_stay_while_the_file_grows_behind_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("growing");
        std::fs::write(&path, [1; 5000]).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let mapping = Mapping::new(&file, 4500).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[2; 9000], 4500).unwrap();
        assert_eq!(&*mapping, &[1; 4500]);
        let error = Mapping::new(&file, 13_501).unwrap_err();
        assert_eq!(
            error.kind(),
            io::ErrorKind::UnexpectedEof,
            "touching what is not there would be a signal"
        );
    }
}
