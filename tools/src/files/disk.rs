//! A disk that cannot write: the tools run beside servers and on damaged stores, and must not be able
//! to change either, whatever the code above does.

use std::io;
use std::path::Path;
use std::sync::Arc;

use mpreg_storage::disk::{Disk, DiskFile, DiskLock, MappedBytes, OpenMode, OsDisk};

use super::copied::Copied;

/// The real disk with everything taken away that changes it.
#[derive(Debug)]
pub struct ReadOnlyDisk;

fn refuse<T>(what: &str, path: &Path) -> io::Result<T> {
    let text = format!("{what} {}: this program only reads", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

impl Disk for ReadOnlyDisk {
    /// Opens for reading, whatever was asked for.
    fn open(&self, path: &Path, _mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(ReadOnlyFile(OsDisk.open(path, OpenMode::Read)?)))
    }

    fn rename(&self, from: &Path, _to: &Path) -> io::Result<()> {
        refuse("rename", from)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        refuse("remove", path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        refuse("create", path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        refuse("sync", dir)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        OsDisk.free_space(path)
    }

    fn total_space(&self, path: &Path) -> io::Result<u64> {
        OsDisk.total_space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        refuse("lock", path)
    }
}

/// A file that is only read.
#[derive(Debug)]
struct ReadOnlyFile(Arc<dyn DiskFile>);

impl DiskFile for ReadOnlyFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        refuse("write", Path::new("file"))
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        refuse("resize", Path::new("file"))
    }

    fn sync_data(&self) -> io::Result<()> {
        refuse("sync", Path::new("file"))
    }

    /// A copy: a mapping of a file that a server is still writing would change under the reader.
    fn map_first(&self, bytes: u64) -> io::Result<Box<dyn MappedBytes>> {
        Copied::first(&*self.0, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"bytes").unwrap();
        let file = ReadOnlyDisk.open(&path, OpenMode::ReadWrite).unwrap();
        assert_eq!(file.map().unwrap().to_vec(), b"bytes");
        let refused = [
            file.write_at(0, b"x"),
            file.set_len(0),
            file.sync_data(),
            ReadOnlyDisk.remove(&path),
            ReadOnlyDisk.rename(&path, &dir.path().join("other")),
            ReadOnlyDisk.create_dir(&dir.path().join("new")),
            ReadOnlyDisk.sync_dir(dir.path()),
        ];
        for outcome in refused {
            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
        assert!(ReadOnlyDisk.open(&dir.path().join("absent"), OpenMode::Create).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
    }
}
