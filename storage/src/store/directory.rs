//! The data directory: `FORMAT LOCK NODE_ID l2/store.redb wal/main wal/topics tmp/`.

use std::io;
use std::path::Path;

use super::error::Error;
use crate::disk::{Disk, DiskLock, OpenMode, Rng};

/// Format of the data directory this build writes.
pub const FORMAT_VERSION: u32 = 1;
const FORMAT_PREFIX: &str = "mpreg-data ";

/// A locked data directory.
#[derive(Debug)]
pub struct Directory {
    /// 32 hexadecimal digits, written once.
    pub node_id: String,
    _lock: Box<dyn DiskLock>,
}

impl Directory {
    /// Locks the directory, creating it when absent, and checks its format.
    pub fn open(disk: &dyn Disk, rng: &dyn Rng, path: &Path) -> Result<Directory, Error> {
        disk.create_dir(path).map_err(io_at("create directory", path))?;
        let lock_path = path.join("LOCK");
        let lock = disk.lock(&lock_path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => Error::InUse { dir: path.into() },
            _ => io_at("lock", &lock_path)(source),
        })?;
        let names = disk.list(path).map_err(io_at("list", path))?;
        let has = |name: &str| names.iter().any(|other| other == name);
        // A directory of another format is left as it is.
        if has("FORMAT") {
            check_format(path, &read_text(disk, &path.join("FORMAT"))?)?;
            if !has("NODE_ID") {
                let what = "NODE_ID is missing: restore it, or start on an empty directory".to_owned();
                return Err(Error::Format { dir: path.into(), what });
            }
        } else if holds_data(disk, path) {
            let what =
                "there is data but no FORMAT file: restore it, or start on an empty directory".to_owned();
            return Err(Error::Format { dir: path.into(), what });
        }
        for dir in ["l2", "wal", "wal/main", "wal/topics", "tmp"] {
            let dir = path.join(dir);
            disk.create_dir(&dir).map_err(io_at("create directory", &dir))?;
        }
        if !has("NODE_ID") {
            let id = format!("{:016x}{:016x}\n", rng.next_u64(), rng.next_u64());
            write_once(disk, path, "NODE_ID", id.as_bytes())?;
        }
        if !has("FORMAT") {
            // FORMAT is written last: a directory with it is complete.
            for dir in ["wal", "l2"] {
                let dir = path.join(dir);
                disk.sync_dir(&dir).map_err(io_at("sync", &dir))?;
            }
            write_once(disk, path, "FORMAT", format!("{FORMAT_PREFIX}{FORMAT_VERSION}\n").as_bytes())?;
        }
        let node_id = read_text(disk, &path.join("NODE_ID"))?.trim().to_owned();
        if node_id.len() != 32 || !node_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let what = format!("NODE_ID says {node_id:?}, expected 32 hexadecimal digits");
            return Err(Error::Format { dir: path.into(), what });
        }
        Ok(Directory { node_id, _lock: lock })
    }
}

/// Whether log or L2 have files. They get their first one only after FORMAT was written.
fn holds_data(disk: &dyn Disk, path: &Path) -> bool {
    ["l2", "wal/main"].iter().any(|dir| disk.list(&path.join(dir)).is_ok_and(|names| !names.is_empty()))
}

fn check_format(dir: &Path, text: &str) -> Result<(), Error> {
    let format = |what: String| Error::Format { dir: dir.into(), what };
    let version = text.trim().strip_prefix(FORMAT_PREFIX).and_then(|rest| rest.parse::<u32>().ok());
    match version {
        Some(FORMAT_VERSION) => Ok(()),
        Some(newer) if newer > FORMAT_VERSION => Err(format(format!(
            "format {newer} is newer than this build's {FORMAT_VERSION}; use a build that knows it"
        ))),
        _ => Err(format(format!("FORMAT says {:?}, expected {FORMAT_PREFIX}{FORMAT_VERSION}", text.trim()))),
    }
}

/// Temp file, sync, rename, sync directory.
fn write_once(disk: &dyn Disk, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let (temp, path) = (dir.join("tmp").join(name), dir.join(name));
    let write = || -> io::Result<()> {
        let file = disk.open(&temp, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(0, bytes)?;
        file.sync_data()?;
        disk.rename(&temp, &path)?;
        disk.sync_dir(dir)
    };
    write().map_err(io_at("write", &path))
}

fn read_text(disk: &dyn Disk, path: &Path) -> Result<String, Error> {
    const BYTES_MAX: u64 = 4096;
    let read = || -> io::Result<String> {
        let file = disk.open(path, OpenMode::Read)?;
        let mut bytes = vec![0; usize::try_from(file.len()?.min(BYTES_MAX)).unwrap_or(0)];
        file.read_at(0, &mut bytes)?;
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    };
    read().map_err(io_at("read", path))
}

/// Wraps an I/O error with what was done to which path.
pub(super) fn io_at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { what, path, source }
}
