//! The promises of the durability model, each with a test that fails when it is broken.

use super::*;

const LOG: &str = "/wal/log";
const DIR: &str = "/wal";

/// A disk with a durable, empty directory `/wal`.
fn disk_with_dir() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir(DIR.as_ref()).unwrap();
    disk
}

/// The same with a durable file `/wal/log`.
fn disk_with_log(content: &[u8]) -> (SimDisk, Arc<dyn DiskFile>) {
    let disk = disk_with_dir();
    disk.place_file(LOG.as_ref(), content).unwrap();
    let file = disk.open(LOG.as_ref(), OpenMode::ReadWrite).unwrap();
    (disk, file)
}

fn log_of(disk: &SimDisk) -> Option<Vec<u8>> {
    disk.read_file(LOG.as_ref())
}

fn log_after(disk: &SimDisk, spec: CrashSpec) -> Option<Vec<u8>> {
    log_of(&disk.crash_image(&spec))
}

#[test]
fn an_unsynced_write_may_be_lost_and_a_synced_one_is_kept() {
    let (disk, file) = disk_with_log(b"");
    file.write_at(0, b"first").unwrap();
    assert_eq!(log_of(&disk).unwrap(), b"first");
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"");
    assert_eq!(log_after(&disk, CrashSpec::EVERYTHING).unwrap(), b"first");
    file.sync_data().unwrap();
    file.write_at(0, b"F").unwrap();
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"first");
}
