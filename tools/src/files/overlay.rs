//! A disk that reads what is there and keeps every change in memory: a store can be opened on it, with recovery and all,
//! and the files stay as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mpreg_storage::disk::{Disk, DiskFile, DiskLock, MappedBytes, OpenMode, OsDisk};

use super::copied::Copied;

/// Bytes copied at a time when a part of a file is written.
const PAGE_BYTES: u64 = 64 * 1024;

/// The real disk below, changes above.
#[derive(Debug, Default)]
pub struct OverlayDisk {
    names: Mutex<Names>,
}

/// What differs from the disk below.
#[derive(Debug, Default)]
struct Names {
    /// Files that were opened for writing or made, by their present name.
    files: HashMap<PathBuf, Arc<OverlayFile>>,
    /// Names below that are gone.
    removed: BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
}

impl OverlayDisk {
    /// The state stays usable when a holder panicked: nothing here is left half done.
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn below(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if self.removed.contains(path) {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{}: removed", path.display())));
        }
        OsDisk.open(path, OpenMode::Read)
    }
}

impl Disk for OverlayDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut names = self.lock();
        if let Some(file) = names.files.get(path) {
            return Ok(Arc::clone(file) as Arc<dyn DiskFile>);
        }
        let file = match (names.below(path), mode) {
            (Ok(below), OpenMode::Read) => return Ok(below),
            (Ok(below), _) => OverlayFile::over(below)?,
            (Err(error), OpenMode::Create) if error.kind() == io::ErrorKind::NotFound => {
                OverlayFile::default()
            }
            (Err(error), _) => return Err(error),
        };
        let file = Arc::new(file);
        names.files.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.lock();
        let file = match names.files.remove(from) {
            Some(file) => file,
            None => Arc::new(OverlayFile::over(names.below(from)?)?),
        };
        names.removed.insert(from.to_owned());
        names.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut names = self.lock();
        if names.files.remove(path).is_none() {
            names.below(path)?;
        }
        names.removed.insert(path.to_owned());
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.lock().directories.insert(path.to_owned());
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = self.lock();
        let mut found: BTreeSet<String> = match OsDisk.list(dir) {
            Ok(below) => below.into_iter().filter(|name| !names.removed.contains(&dir.join(name))).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && names.directories.contains(dir) => {
                BTreeSet::new()
            }
            Err(error) => return Err(error),
        };
        let own = names.files.keys().filter(|path| path.parent() == Some(dir));
        found.extend(own.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)));
        Ok(found.into_iter().collect())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        OsDisk.free_space(path)
    }

    fn total_space(&self, path: &Path) -> io::Result<u64> {
        OsDisk.total_space(path)
    }

    /// The real one: nobody else may have the directory meanwhile.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        OsDisk.lock(path)
    }
}

/// A file with changes.
#[derive(Debug, Default)]
struct OverlayFile {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    below: Option<Arc<dyn DiskFile>>,
    /// Bytes of the file below that still show.
    below_bytes: u64,
    bytes: u64,
    /// Pages that were written, by number; each of full length.
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl OverlayFile {
    fn over(below: Arc<dyn DiskFile>) -> io::Result<OverlayFile> {
        let bytes = below.len()?;
        let state = State { below: Some(below), below_bytes: bytes, bytes, pages: BTreeMap::new() };
        Ok(OverlayFile { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Fills `out` from `offset`, which lies wholly in one page.
    fn read_page(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (number, within) = (offset / PAGE_BYTES, (offset % PAGE_BYTES) as usize);
        if let Some(page) = self.pages.get(&number) {
            out.copy_from_slice(&page[within..within + out.len()]);
            return Ok(());
        }
        let shown = self.below_bytes.saturating_sub(offset).min(out.len() as u64) as usize;
        out[shown..].fill(0);
        match &self.below {
            Some(below) if shown > 0 => below.read_at(offset, &mut out[..shown]),
            _ => Ok(()),
        }
    }

    fn page_mut(&mut self, number: u64) -> io::Result<&mut [u8]> {
        if !self.pages.contains_key(&number) {
            let mut page = vec![0; PAGE_BYTES as usize].into_boxed_slice();
            self.read_page(number * PAGE_BYTES, &mut page)?;
            self.pages.insert(number, page);
        }
        Ok(self.pages.get_mut(&number).expect("it was inserted two lines above"))
    }
}

/// Parts of `bytes` bytes from `offset` that lie in one page each: where, and which of the bytes.
fn pieces(offset: u64, bytes: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let length = (PAGE_BYTES - at % PAGE_BYTES).min((bytes - done) as u64) as usize;
        let piece = done..done + length;
        done += length;
        (length > 0).then_some((at, piece))
    })
}

impl DiskFile for OverlayFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().bytes)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.lock();
        if offset.saturating_add(out.len() as u64) > state.bytes {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "read beyond the end"));
        }
        pieces(offset, out.len()).try_for_each(|(at, piece)| state.read_page(at, &mut out[piece]))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        for (at, piece) in pieces(offset, bytes.len()) {
            let within = (at % PAGE_BYTES) as usize;
            let page = state.page_mut(at / PAGE_BYTES)?;
            page[within..within + piece.len()].copy_from_slice(&bytes[piece]);
        }
        state.bytes = state.bytes.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.lock();
        if len < state.bytes {
            // What is cut reads as zeros when the file grows again.
            let within = (len % PAGE_BYTES) as usize;
            if within > 0 {
                state.page_mut(len / PAGE_BYTES)?[within..].fill(0);
            }
            state.pages.retain(|number, _| number * PAGE_BYTES < len);
            state.below_bytes = state.below_bytes.min(len);
        }
        state.bytes = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    /// Of a file without changes the mapping below, of any other a copy.
    fn map_first(&self, bytes: u64) -> io::Result<Box<dyn MappedBytes>> {
        let unchanged = {
            let state = self.lock();
            let whole = state.pages.is_empty() && bytes <= state.below_bytes;
            state.below.clone().filter(|_| whole)
        };
        if let Some(below) = unchanged {
            return below.map_first(bytes);
        }
        Copied::first(self, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_seen_and_leave_the_files_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let old: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        std::fs::write(&path, &old).unwrap();
        let disk = OverlayDisk::default();
        let file = disk.open(&path, OpenMode::ReadWrite).unwrap();
        assert_eq!(file.map().unwrap().to_vec(), old);
        // A plain vector beside it; offsets at and around the ends of pages.
        let mut model = old.clone();
        for (number, offset) in [0, 65_530, 131_072, 199_990, 250_000].into_iter().enumerate() {
            let bytes = [number as u8 + 100; 20];
            file.write_at(offset as u64, &bytes).unwrap();
            model.resize(model.len().max(offset + 20), 0);
            model[offset..offset + 20].copy_from_slice(&bytes);
        }
        assert_eq!(file.map().unwrap().to_vec(), model);
        for len in [100_000, 65_536, 300_000, 70_000, 70_010] {
            file.set_len(len as u64).unwrap();
            model.resize(len, 0);
            assert_eq!(file.map().unwrap().to_vec(), model, "{len}");
        }
        assert!(file.read_at(70_000, &mut [0; 20]).is_err());
        assert_eq!(disk.open(&path, OpenMode::Read).unwrap().len().unwrap(), 70_010);
        assert_eq!(std::fs::read(&path).unwrap(), old);
    }

    #[test]
    fn names_come_and_go_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let [old, new, other] = ["old", "new", "other"].map(|name| dir.path().join(name));
        std::fs::write(&old, b"bytes").unwrap();
        std::fs::write(&other, b"other").unwrap();
        let disk = OverlayDisk::default();
        disk.rename(&old, &new).unwrap();
        disk.remove(&other).unwrap();
        disk.open(&dir.path().join("made"), OpenMode::Create).unwrap().write_at(3, b"x").unwrap();
        assert_eq!(disk.list(dir.path()).unwrap(), ["made", "new"]);
        assert_eq!(disk.open(&new, OpenMode::Read).unwrap().map().unwrap().to_vec(), b"bytes");
        assert_eq!(disk.open(&other, OpenMode::Read).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(disk.remove(&other).is_err());
        assert!(disk.open(&other, OpenMode::Create).unwrap().is_empty().unwrap());
        disk.create_dir(&dir.path().join("sub")).unwrap();
        assert!(disk.list(&dir.path().join("sub")).unwrap().is_empty());
        assert!(disk.list(&dir.path().join("nowhere")).is_err());
        assert!(old.exists() && other.exists() && !new.exists());
    }
}
