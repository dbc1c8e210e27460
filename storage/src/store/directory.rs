//! The data directory: `FORMAT LOCK NODE_ID l2/store.redb wal/main wal/topics tmp/`.

use std::io;
use std::path::Path;

use super::error::Error;
use crate::disk::{Disk, DiskLock, OpenMode, Rng};

/// Format of the data directory this build writes.
///
/// 1: values. 2: besides, structures with their cells, tags, and the records of kinds 4 to 10 and 64 to 65.
pub const FORMAT_VERSION: u32 = 2;
/// Oldest format this build opens; the directory is of the newest one from then on.
pub const FORMAT_VERSION_MIN: u32 = 1;
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
        check_private(disk, path)?;
        let lock_path = path.join("LOCK");
        let lock = disk.lock(&lock_path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => Error::InUse { dir: path.into() },
            _ => io_at("lock", &lock_path)(source),
        })?;
        let names = disk.list(path).map_err(io_at("list", path))?;
        let has = |name: &str| names.iter().any(|other| other == name);
        let wrong = |what: &str| Err(Error::Format { dir: path.into(), what: what.to_owned() });
        let data = holds_data(disk, path);
        // A directory of another format is left as it is.
        let mut older = false;
        if has("FORMAT") {
            older = check_format(path, &read_text(disk, &path.join("FORMAT"))?)? < FORMAT_VERSION;
        } else if data {
            return wrong("there is data but no FORMAT file: restore it, or start on an empty directory");
        }
        if data && !has("NODE_ID") {
            return wrong("NODE_ID is missing: restore it, or start on an empty directory");
        }
        for dir in ["l2", "wal", "wal/main", "wal/topics", "tmp"] {
            let dir = path.join(dir);
            disk.create_dir(&dir).map_err(io_at("create directory", &dir))?;
            check_private(disk, &dir)?;
        }
        if data && older {
            // Before anything of the newer format is written, so that an older build refuses it by name.
            write_durably(disk, path, "FORMAT", format!("{FORMAT_PREFIX}{FORMAT_VERSION}\n").as_bytes())?;
        }
        if !data {
            // Written anew also when they are there: an earlier start may have failed before they were
            // durable. Data comes only after both are, and FORMAT is the last of them.
            let kept = if has("NODE_ID") { read_text(disk, &path.join("NODE_ID"))? } else { String::new() };
            let fresh = format!("{:016x}{:016x}\n", rng.next_u64(), rng.next_u64());
            let id = if is_node_id(kept.trim()) { kept } else { fresh };
            write_durably(disk, path, "NODE_ID", id.as_bytes())?;
            write_durably(disk, path, "FORMAT", format!("{FORMAT_PREFIX}{FORMAT_VERSION}\n").as_bytes())?;
        }
        let node_id = read_text(disk, &path.join("NODE_ID"))?.trim().to_owned();
        if !is_node_id(&node_id) {
            return wrong(&format!("NODE_ID says {node_id:?}, expected 32 hexadecimal digits"));
        }
        Ok(Directory { node_id, _lock: lock })
    }
}

fn check_private(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    disk.check_private(path).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => Error::Exposed { what: source.to_string() },
        _ => io_at("check", path)(source),
    })
}

fn is_node_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether log or L2 have files. They get their first one only after FORMAT was written.
fn holds_data(disk: &dyn Disk, path: &Path) -> bool {
    ["l2", "wal/main"].iter().any(|dir| disk.list(&path.join(dir)).is_ok_and(|names| !names.is_empty()))
}

/// The version a FORMAT file names, if this build opens it.
fn check_format(dir: &Path, text: &str) -> Result<u32, Error> {
    let format = |what: String| Error::Format { dir: dir.into(), what };
    let version = text.trim().strip_prefix(FORMAT_PREFIX).and_then(|rest| rest.parse::<u32>().ok());
    match version {
        Some(known @ FORMAT_VERSION_MIN..=FORMAT_VERSION) => Ok(known),
        Some(newer) if newer > FORMAT_VERSION => Err(format(format!(
            "format {newer} is newer than this build's {FORMAT_VERSION}; use a build that knows it"
        ))),
        _ => Err(format(format!("FORMAT says {:?}, expected {FORMAT_PREFIX}{FORMAT_VERSION}", text.trim()))),
    }
}

/// Temp file, sync, rename, sync directory.
fn write_durably(disk: &dyn Disk, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
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
