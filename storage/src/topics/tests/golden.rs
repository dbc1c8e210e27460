//! Bytes on the disk that every later build must read: an index, and with it a whole backlog.
//!
//! `tests/golden/topics-v1/` and `-v2/` were written once by [`write_a_golden_backlog`], the same messages with an index
//! of either version, and are never written again.
#![allow(clippy::disallowed_methods, reason = "a test may")]

use super::*;
use crate::record::message::Entry;

fn golden(version: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/topics-v{version}"))
}

/// Several segments with indexes, a tail without one, a subscription, topics of every sort.
fn fill(life: &Life) {
    let topics = ["orders.new", "", "a..b", "\u{e4}\u{1f600}", "orders.new"];
    for nth in 0..80u64 {
        life.clock.advance_us(7);
        life.publish(topics[nth as usize % topics.len()], &format!(r#"{{"payload":{nth}}}"#));
    }
    life.topics.commit("billing", position(1, 5), Level::Strong).unwrap();
    life.topics.commit("billing", position(1, 9), Level::Strong).unwrap();
    life.topics.step().unwrap();
    (80..90).for_each(|nth| _ = life.publish("tail", &format!("{nth}")));
}

fn placed(version: u16) -> SimDisk {
    let disk = SimDisk::new();
    for entry in std::fs::read_dir(golden(version)).unwrap() {
        let path = entry.unwrap().path();
        let inside = Path::new(DIR).join(path.file_name().unwrap());
        disk.place_file(&inside, &std::fs::read(&path).unwrap()).unwrap();
    }
    disk
}

#[test]
fn a_backlog_of_every_format_opens_and_reads() {
    (1..=index::INDEX_VERSION).for_each(|version| opens_and_reads(&placed(version)));
}

fn opens_and_reads(disk: &SimDisk) {
    let life = Life::on(disk, &Arc::new(SimClock::new(WALL_US)), unlimited()).unwrap();
    let seen = read_from(&life.topics, Start::Earliest);
    assert_eq!(seen.len(), 90);
    assert_eq!(
        seen[3],
        Seen::Message(position(1, 4), "\u{e4}\u{1f600}".to_owned(), r#"{"payload":3}"#.to_owned())
    );
    assert_eq!(seen[89], Seen::Message(position(1, 92), "tail".to_owned(), "89".to_owned()));
    assert_eq!(life.topics.resume("billing"), Some(position(1, 9)));
    assert_eq!(life.topics.opened().epoch, Epoch(2));
    let top = life.topics.top_topics(1).remove(0);
    assert_eq!((&*top.topic, top.messages, top.first_time_us), ("orders.new", 32, WALL_US + 7));
}

#[test]
fn an_index_is_written_as_it_always_was() {
    let disk = placed(index::INDEX_VERSION);
    let before = disk.read_file(&index_path(2)).unwrap();
    crate::disk::Disk::remove(&disk, &index_path(2)).unwrap();
    let life = Life::on(&disk, &Arc::new(SimClock::new(WALL_US)), unlimited()).unwrap();
    life.topics.step().unwrap();
    assert_eq!(disk.read_file(&index_path(2)).unwrap(), before);
}

#[test]
fn an_index_of_format_1_is_made_again() {
    let (disk, now) = (placed(1), placed(2));
    let life = Life::on(&disk, &Arc::new(SimClock::new(WALL_US)), unlimited()).unwrap();
    life.topics.step().unwrap();
    for id in 1..=2 {
        assert_eq!(disk.read_file(&segment_path(id)).unwrap(), now.read_file(&segment_path(id)).unwrap());
        assert_eq!(disk.read_file(&index_path(id)).unwrap(), now.read_file(&index_path(id)).unwrap());
    }
}

/// The story: an index outlives its segment so that an opening knows what was retired. Ignored because it is older, it
/// would have left the remaining segments without a beginning, and the opening would have refused them as damaged.
#[test]
fn an_index_of_format_1_still_vouches_for_what_was_retired() {
    let disk = placed(1);
    crate::disk::Disk::remove(&disk, &segment_path(1)).unwrap();
    let life = Life::on(&disk, &Arc::new(SimClock::new(WALL_US)), unlimited()).unwrap();
    assert_eq!(life.topics.stats().first, position(1, 31));
    assert_eq!(life.topics.resume("billing"), Some(position(1, 9)));
}

#[test]
fn tools_read_it_beside_a_server_and_change_nothing() {
    let disk = placed(index::INDEX_VERSION);
    let ops = disk.op_count();
    let topics = ReadOnlyTopics::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
    assert_eq!(topics.look().last_lsn, Lsn(92));
    let (mut messages, mut commits, mut last) = (0, 0, Position::default());
    let mut records = topics.records();
    while let Some((at, entry)) = records.next().unwrap() {
        assert!(at > last);
        last = at;
        match entry {
            Entry::Message(_) => messages += 1,
            Entry::Commit(commit) => {
                commits += 1;
                assert_eq!(commit.name, "billing");
            }
        }
    }
    assert_eq!((messages, commits, last), (90, 2, position(1, 92)));
    assert_eq!(disk.op_count(), ops);
}

/// Run by hand, once for each format: `cargo test -p mpreg-storage write_a_golden_backlog -- --ignored`.
#[test]
#[ignore = "writes the golden files"]
fn write_a_golden_backlog() {
    let life = Life::begin(unlimited());
    fill(&life);
    let golden = golden(index::INDEX_VERSION);
    assert!(!golden.exists(), "golden files are never written again");
    std::fs::create_dir_all(&golden).unwrap();
    for path in life.disk.files() {
        let name = path.file_name().unwrap();
        std::fs::write(golden.join(name), life.disk.read_file(&path).unwrap()).unwrap();
    }
}
