//! The promises of the durability model, each with a test that fails when it is broken.

use std::io::ErrorKind;

use super::*;
use crate::disk::{Clock, Rng};

mod faults;
mod replay;

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

fn names_after(disk: &SimDisk, names: Keep) -> Vec<String> {
    disk.crash_image(&CrashSpec::names(names)).list(DIR.as_ref()).unwrap()
}

fn wal(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn create(disk: &SimDisk, name: &str) -> Arc<dyn DiskFile> {
    disk.open(&wal(name), OpenMode::Create).unwrap()
}

fn sync_wal(disk: &SimDisk) {
    disk.sync_dir(DIR.as_ref()).unwrap();
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

#[test]
fn a_sync_covers_its_own_file_only() {
    let (disk, file) = disk_with_log(b"");
    disk.place_file(&wal("other"), b"").unwrap();
    let other = create(&disk, "other");
    file.write_at(0, b"mine").unwrap();
    other.write_at(0, b"theirs").unwrap();
    other.sync_data().unwrap();
    let image = disk.crash_image(&CrashSpec::NOTHING);
    assert_eq!(log_of(&image).unwrap(), b"");
    assert_eq!(image.read_file(&wal("other")).unwrap(), b"theirs");
}

#[test]
fn an_unsynced_length_may_be_lost_alone() {
    let (disk, file) = disk_with_log(&[1; 100]);
    file.set_len(10).unwrap();
    file.set_len(20).unwrap();
    let zeros_behind = |kept: usize| [vec![1; kept], vec![0; 20 - kept]].concat();
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), [1; 100]);
    assert_eq!(log_after(&disk, CrashSpec::content(Keep::First(1))).unwrap(), [1; 10]);
    assert_eq!(log_after(&disk, CrashSpec::EVERYTHING).unwrap(), zeros_behind(10));
    assert_eq!(log_after(&disk, CrashSpec::content(Keep::Only(1))).unwrap(), [1; 20]);
}

#[test]
fn a_later_page_may_be_there_without_the_earlier() {
    let (disk, file) = disk_with_log(&[0; 12_288]);
    file.write_at(0, &[7; 12_288]).unwrap();
    assert_eq!(disk.pending(), Pending { content_units: 3, name_units: 0, last_write_bytes: 12_288 });
    let pages = |spec| log_after(&disk, spec).unwrap().chunks(4096).map(|page| page[9]).collect::<Vec<u8>>();
    assert_eq!(pages(CrashSpec::content(Keep::Only(1))), [0, 7, 0]);
    assert_eq!(pages(CrashSpec::content(Keep::AllBut(0))), [0, 7, 7]);
    assert_eq!(pages(CrashSpec::content(Keep::First(1))), [7, 0, 0]);
    let seen: std::collections::BTreeSet<_> =
        (0..100).map(|seed| pages(CrashSpec::content(Keep::Subset(seed)))).collect();
    assert_eq!(seen.len(), 8, "random subsets reach every combination of three pages");
}

#[test]
fn the_last_write_may_be_torn_at_any_byte() {
    let (disk, file) = disk_with_log(b"");
    file.write_at(0, &[1; 5_000]).unwrap();
    file.write_at(5_000, &[2; 5_000]).unwrap();
    for cut in [0, 1, 511, 512, 3_192, 4_096, 4_999] {
        let found = log_after(&disk, CrashSpec::torn(cut)).unwrap();
        assert_eq!(found, [vec![1; 5_000], vec![2; cut as usize]].concat(), "cut at {cut}");
    }
    // A length change after the write does not hide the write from the tear.
    file.set_len(10_000).unwrap();
    assert_eq!(log_after(&disk, CrashSpec::torn(1)).unwrap()[4_999..5_002], [1, 2, 0]);
}

#[test]
fn changes_of_all_files_are_numbered_in_the_order_they_were_made() {
    let (disk, first) = disk_with_log(b"....");
    disk.place_file(&wal("second"), b"....").unwrap();
    let second = create(&disk, "second");
    second.write_at(0, b"22").unwrap();
    first.write_at(0, b"11").unwrap();
    let found = |spec| {
        let image = disk.crash_image(&spec);
        (log_of(&image).unwrap(), image.read_file(&wal("second")).unwrap())
    };
    assert_eq!(found(CrashSpec::content(Keep::First(1))), (b"....".to_vec(), b"22..".to_vec()));
    assert_eq!(found(CrashSpec::torn(1)), (b"1...".to_vec(), b"22..".to_vec()));
}

#[test]
fn sectors_of_a_page_may_be_mixed() {
    let (disk, file) = disk_with_log(&[0; 4096]);
    file.write_at(0, &[9; 4096]).unwrap();
    let found = log_after(&disk, CrashSpec::content(Keep::Sectors(3))).unwrap();
    let whole = |sector: &[u8]| sector.iter().all(|byte| *byte == sector[0]);
    assert!(found.chunks(512).all(whole));
    let written = found.chunks(512).filter(|sector| sector[0] == 9).count();
    assert!((1..8).contains(&written), "{written} of 8 sectors");
}

#[test]
fn a_name_is_lost_without_a_sync_of_its_directory() {
    let disk = disk_with_dir();
    let file = create(&disk, "log");
    file.write_at(0, b"synced content").unwrap();
    file.sync_data().unwrap();
    assert_eq!(log_after(&disk, CrashSpec::NOTHING), None);
    assert_eq!(log_after(&disk, CrashSpec::EVERYTHING).unwrap(), b"synced content");
    sync_wal(&disk);
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"synced content");
}

#[test]
fn a_name_may_be_there_without_its_content() {
    let disk = disk_with_dir();
    let file = create(&disk, "log");
    file.write_at(0, b"lost").unwrap();
    sync_wal(&disk);
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"");
}

#[test]
fn a_renamed_file_is_under_the_old_or_the_new_name() {
    let disk = disk_with_dir();
    disk.place_file(&wal("new"), b"new").unwrap();
    disk.place_file(&wal("live"), b"old").unwrap();
    disk.rename(&wal("new"), &wal("live")).unwrap();
    assert_eq!(disk.list(DIR.as_ref()).unwrap(), ["live"]);
    assert_eq!(names_after(&disk, Keep::None), ["live", "new"]);
    assert_eq!(disk.crash_image(&CrashSpec::NOTHING).read_file(&wal("live")).unwrap(), b"old");
    let renamed = disk.crash_image(&CrashSpec::EVERYTHING);
    assert_eq!(renamed.files(), [wal("live")]);
    assert_eq!(renamed.read_file(&wal("live")).unwrap(), b"new");
    sync_wal(&disk);
    assert_eq!(names_after(&disk, Keep::None), ["live"]);
}

#[test]
fn a_removed_name_may_come_back() {
    let (disk, file) = disk_with_log(b"content");
    disk.remove(LOG.as_ref()).unwrap();
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"content");
    assert_eq!(log_after(&disk, CrashSpec::EVERYTHING), None);
    sync_wal(&disk);
    assert_eq!(log_after(&disk, CrashSpec::NOTHING), None);
    // Who has it open keeps it, as on a real disk.
    assert_eq!(file.map().unwrap()[..], *b"content");
}

#[test]
fn a_name_taken_over_needs_the_earlier_change() {
    let (disk, _file) = disk_with_log(b"sealed");
    disk.rename(LOG.as_ref(), &wal("sealed")).unwrap();
    create(&disk, "log");
    // The new file cannot have its name while the old one still stands there; nothing is lost.
    for names in [Keep::None, Keep::Only(1), Keep::AllBut(0)] {
        assert_eq!(log_after(&disk, CrashSpec::names(names)).unwrap(), b"sealed", "{names:?}");
    }
    assert_eq!(names_after(&disk, Keep::Only(0)), ["sealed"]);
    assert_eq!(names_after(&disk, Keep::All), ["log", "sealed"]);
}

#[test]
fn directories_keep_their_names_apart() {
    let disk = disk_with_dir();
    disk.create_dir("/l2".as_ref()).unwrap();
    disk.open("/l2/store".as_ref(), OpenMode::Create).unwrap();
    create(&disk, "log");
    disk.rename(&wal("log"), "/l2/moved".as_ref()).unwrap();
    // The move belongs to its target's directory.
    sync_wal(&disk);
    let image = disk.crash_image(&CrashSpec::NOTHING);
    assert_eq!(image.files(), [wal("log")]);
    disk.sync_dir("/l2".as_ref()).unwrap();
    let image = disk.crash_image(&CrashSpec::NOTHING);
    assert_eq!(image.files(), ["/l2/moved", "/l2/store"].map(PathBuf::from));
}

#[test]
fn a_made_directory_is_durable_with_its_parents() {
    let disk = SimDisk::new();
    disk.create_dir("/data/wal/main".as_ref()).unwrap();
    let image = disk.crash_image(&CrashSpec::NOTHING);
    assert_eq!(image.list("/data".as_ref()).unwrap(), ["wal"]);
    assert_eq!(image.list("/data/wal".as_ref()).unwrap(), ["main"]);
    assert!(image.list("/data/wal/main".as_ref()).unwrap().is_empty());
}

#[test]
fn an_image_is_a_whole_new_machine() {
    let (disk, file) = disk_with_log(b"old");
    let _held = disk.lock(&wal("LOCK")).unwrap();
    sync_wal(&disk);
    let image = disk.crash_image(&CrashSpec::EVERYTHING);
    file.write_at(0, b"new").unwrap();
    image.lock(&wal("LOCK")).unwrap();
    let opened = image.open(LOG.as_ref(), OpenMode::ReadWrite).unwrap();
    opened.write_at(3, b"er").unwrap();
    assert_eq!((log_of(&disk).unwrap(), log_of(&image).unwrap()), (b"new".to_vec(), b"older".to_vec()));
    // A second crash, this time in what recovery did.
    assert_eq!(log_after(&image, CrashSpec::NOTHING).unwrap(), b"old");
}

#[test]
fn one_lock_at_a_time() {
    let disk = disk_with_dir();
    let held = disk.lock(&wal("LOCK")).unwrap();
    assert_eq!(disk.clone().lock(&wal("LOCK")).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(held);
    disk.lock(&wal("LOCK")).unwrap();
}

#[test]
fn wrong_calls_get_the_errors_of_a_real_disk() {
    let (disk, _file) = disk_with_log(b"12345");
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    let open = |path: &str, mode| disk.open(path.as_ref(), mode).map(drop);
    assert_eq!(kind(open("/wal/absent", OpenMode::ReadWrite)), ErrorKind::NotFound);
    assert_eq!(kind(open("/absent/log", OpenMode::Create)), ErrorKind::NotFound);
    assert_eq!(kind(open("/wal/log/below", OpenMode::Create)), ErrorKind::NotADirectory);
    assert_eq!(kind(open(DIR, OpenMode::Read)), ErrorKind::IsADirectory);
    assert_eq!(kind(disk.remove(&wal("absent"))), ErrorKind::NotFound);
    assert_eq!(kind(disk.rename(&wal("absent"), &wal("b"))), ErrorKind::NotFound);
    assert_eq!(kind(disk.rename(LOG.as_ref(), DIR.as_ref())), ErrorKind::IsADirectory);
    assert_eq!(kind(disk.sync_dir("/absent".as_ref())), ErrorKind::NotFound);
    assert_eq!(kind(disk.list("/absent".as_ref()).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(disk.create_dir("/wal/log/below".as_ref())), ErrorKind::NotADirectory);
    let file = disk.open(LOG.as_ref(), OpenMode::Read).unwrap();
    assert_eq!(kind(file.read_at(3, &mut [0; 3])), ErrorKind::UnexpectedEof);
    assert_eq!(kind(file.write_at(0, b"x")), ErrorKind::PermissionDenied);
    assert_eq!(kind(file.set_len(0)), ErrorKind::PermissionDenied);
    let file = disk.open(LOG.as_ref(), OpenMode::ReadWrite).unwrap();
    assert_eq!(kind(file.write_at(u64::MAX, b"x")), ErrorKind::FileTooLarge);
}

#[test]
fn content_nobody_can_reach_is_forgotten() {
    let (disk, file) = disk_with_log(&[1; 4096]);
    let files = || disk.shared.world.lock().machine.file_count();
    create(&disk, "newest");
    disk.remove(LOG.as_ref()).unwrap();
    sync_wal(&disk);
    assert_eq!(files(), 2, "an open file stays");
    drop(file);
    assert_eq!(files(), 1);
}

#[test]
fn clones_of_clock_and_chance_are_the_same() {
    let (clock, rng) = (SimClock::new(1), SimRng::new(1));
    clock.clone().advance_us(4);
    assert_eq!(clock.wall_us(), 5);
    assert_ne!(rng.clone().next_u64(), rng.next_u64());
}
