//! The real disk: `std::fs` plus `statvfs`.
//!
//! Files are created 0600 and directories 0700. The last part of a path is never followed when it is
//! a symbolic link, so nobody can point a file of the data directory elsewhere. Every error keeps
//! its kind, says what was tried, where and on which file, and has the system's error as its source.
// This room is where the disallowed calls of `clippy.toml` live.
#![allow(clippy::disallowed_methods)]

use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{OFlags, StatVfs, statvfs};

use super::mapping::Mapping;
use super::{Disk, DiskFile, DiskLock, MappedBytes, OpenMode};

/// Write permission of the group and of everybody else.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The file system of this machine. Holds no state: two values see the same files.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file =
            open_file(path, mode).map_err(|source| failed(source, || format!("open {}", path.display())))?;
        Ok(Arc::new(OsFile { file, path: path.to_path_buf() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
            .map_err(|source| failed(source, || format!("rename {} to {}", from.display(), to.display())))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(|source| failed(source, || format!("remove {}", path.display())))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path.ancestors().take_while(|dir| !is_here(dir)).collect();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| failed(source, || format!("create directory {}", path.display())))?;
        // The name of a new directory lives in its parent. Outermost first, so that a cut between
        // two syncs never leaves a durable directory under a lost one.
        for dir in missing.iter().rev() {
            self.sync_dir(parent_of(dir))?;
        }
        Ok(())
    }

    fn check_private(&self, dir: &Path) -> io::Result<()> {
        let look = || format!("permissions of {}", dir.display());
        let mode = fs::metadata(dir).map_err(|source| failed(source, look))?.permissions().mode() & 0o7777;
        if mode & WRITABLE_BY_OTHERS == 0 {
            return Ok(());
        }
        let told = format!("{} has mode {mode:o}, others may write to it: chmod go-w", dir.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, told))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        list_names(dir).map_err(|source| failed(source, || format!("list {}", dir.display())))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)
            .and_then(|opened| opened.sync_all())
            .map_err(|source| failed(source, || format!("sync directory {}", dir.display())))
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let space = space_of(path)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn total_space(&self, path: &Path) -> io::Result<u64> {
        let space = space_of(path)?;
        Ok(space.f_blocks.saturating_mul(space.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let lock = || -> io::Result<File> {
            let file = open_file(path, OpenMode::Create)?;
            file.try_lock().map_err(|refused| match refused {
                TryLockError::WouldBlock => {
                    io::Error::new(io::ErrorKind::WouldBlock, "another process holds it")
                }
                TryLockError::Error(source) => source,
            })?;
            Ok(file)
        };
        let file = lock().map_err(|source| failed(source, || format!("lock {}", path.display())))?;
        Ok(Box::new(OsLock { _file: file }))
    }
}

/// An open file of the real disk. The path is kept for error texts only.
struct OsFile {
    file: File,
    path: PathBuf,
}

impl OsFile {
    fn failed(&self, source: io::Error, what: impl Display) -> io::Error {
        failed(source, || format!("{what} of {}", self.path.display()))
    }
}

impl Debug for OsFile {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_tuple("OsFile").field(&self.path).finish()
    }
}

impl DiskFile for OsFile {
    fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|meta| meta.len()).map_err(|source| self.failed(source, "length"))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let wanted_bytes = out.len();
        self.file
            .read_exact_at(out, offset)
            .map_err(|source| self.failed(source, format_args!("read {wanted_bytes} bytes at {offset}")))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|source| self.failed(source, format_args!("write {} bytes at {offset}", bytes.len())))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len).map_err(|source| self.failed(source, format_args!("set length {len}")))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data().map_err(|source| self.failed(source, "sync"))
    }

    fn map_first(&self, bytes: u64) -> io::Result<Box<dyn MappedBytes>> {
        let mapping = Mapping::new(&self.file, bytes)
            .map_err(|source| self.failed(source, format_args!("map {bytes} bytes")))?;
        Ok(Box::new(mapping))
    }

    fn lock_handle(&self) -> io::Result<Option<File>> {
        self.file.try_clone().map(Some).map_err(|source| self.failed(source, "second handle"))
    }
}

/// Holds an flock: the system gives it back when the file is closed, also when the process is killed.
#[derive(Debug)]
struct OsLock {
    _file: File,
}

impl DiskLock for OsLock {}

/// What was tried, in front of the system's own error. Kept inside an `io::Error` of the same kind.
#[derive(Debug)]
struct Failed {
    what: String,
    source: io::Error,
}

impl Display for Failed {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.what, self.source)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

fn failed(source: io::Error, what: impl FnOnce() -> String) -> io::Error {
    io::Error::new(source.kind(), Failed { what: what(), source })
}

fn open_file(path: &Path, mode: OpenMode) -> io::Result<File> {
    let writes = mode != OpenMode::Read;
    OpenOptions::new()
        .read(true)
        .write(writes)
        .create(mode == OpenMode::Create)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(path)
}

/// An empty path is the directory the process is in, which is always there.
fn is_here(dir: &Path) -> bool {
    dir.as_os_str().is_empty() || dir.is_dir()
}

/// The directory that holds the name of `path`; a bare name lives in the process's own directory.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn list_names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for found in fs::read_dir(dir)? {
        let name = found?.file_name();
        let name = name.into_string().map_err(|name| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the name {name:?} is not UTF-8"))
        })?;
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

fn space_of(path: &Path) -> io::Result<StatVfs> {
    statvfs(path).map_err(|source| failed(source.into(), || format!("space of {}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn writes_reads_cuts_and_maps() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        let file = OsDisk.open(&path, OpenMode::Create).unwrap();
        assert!(file.is_empty().unwrap());
        file.write_at(4096, b"second page").unwrap();
        file.sync_data().unwrap();
        assert_eq!(file.len().unwrap(), 4107);
        let mut first = [7u8; 4];
        file.read_at(0, &mut first).unwrap();
        assert_eq!(first, [0; 4]);
        file.set_len(4102).unwrap();
        assert_eq!(&file.map().unwrap()[4096..], b"second");
        // Create never truncates what is there.
        assert_eq!(OsDisk.open(&path, OpenMode::Create).unwrap().len().unwrap(), 4102);
    }

    #[test]
    fn errors_keep_their_kind_and_name_the_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("absent");
        let absent = OsDisk.open(&path, OpenMode::ReadWrite).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        assert!(absent.to_string().contains("absent"), "{absent}");
        let file = OsDisk.open(&path, OpenMode::Create).unwrap();
        let short = file.read_at(10, &mut [0; 3]).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        assert!(short.to_string().starts_with("read 3 bytes at 10 of "), "{short}");
        let read_only = OsDisk.open(&path, OpenMode::Read).unwrap();
        assert!(read_only.write_at(0, b"x").is_err());
    }

    #[test]
    fn files_are_private_and_links_refused() {
        let dir = tempfile::tempdir().unwrap();
        let nested = dir.path().join("data/wal/main");
        OsDisk.create_dir(&nested).unwrap();
        OsDisk.create_dir(&nested).unwrap();
        for made in ["data", "data/wal", "data/wal/main"] {
            assert_eq!(mode_of(&dir.path().join(made)), 0o700, "{made}");
        }
        let path = nested.join("1.seg");
        OsDisk.open(&path, OpenMode::Create).unwrap();
        assert_eq!(mode_of(&path), 0o600);
        let link = nested.join("link");
        symlink(&path, &link).unwrap();
        assert!(OsDisk.open(&link, OpenMode::Create).is_err());
        assert!(OsDisk.lock(&link).is_err());
    }

    #[test]
    fn a_directory_others_may_write_to_is_not_private() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, private) in [(0o700, true), (0o755, true), (0o775, false), (0o702, false), (0o1777, false)]
        {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            let checked = OsDisk.check_private(dir.path());
            assert_eq!(checked.is_ok(), private, "{mode:o}");
            if let Err(refused) = checked {
                assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
                assert!(refused.to_string().contains(&format!("mode {mode:o}")), "{refused}");
            }
        }
        assert_eq!(
            OsDisk.check_private(&dir.path().join("absent")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn names_are_listed_sorted_renamed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c"] {
            OsDisk.open(&dir.path().join(name), OpenMode::Create).unwrap();
        }
        OsDisk.rename(&dir.path().join("a"), &dir.path().join("d")).unwrap();
        OsDisk.remove(&dir.path().join("b")).unwrap();
        OsDisk.sync_dir(dir.path()).unwrap();
        assert_eq!(OsDisk.list(dir.path()).unwrap(), ["c", "d"]);
        assert_eq!(OsDisk.list(&dir.path().join("z")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn one_lock_at_a_time_also_within_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LOCK");
        let held = OsDisk.lock(&path).unwrap();
        let refused = OsDisk.lock(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!(refused.to_string().contains("another process holds it"), "{refused}");
        drop(held);
        OsDisk.lock(&path).unwrap();
    }

    #[test]
    fn space_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let free = OsDisk.free_space(dir.path()).unwrap();
        assert!(free <= OsDisk.total_space(dir.path()).unwrap());
        assert!(OsDisk.free_space(&dir.path().join("absent")).is_err());
    }
}
