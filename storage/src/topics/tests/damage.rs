//! Bytes that change on the disk: in sealed segments they are reported and never skipped, in derived files they cost
//! nothing.

use super::*;
use crate::disk::Damage;

/// A stopped backlog of several sealed segments, and everything in it.
fn stopped() -> (Life, Vec<Seen>) {
    let life = Life::begin(unlimited());
    life.publish_many(200, 5);
    life.topics.step().unwrap();
    life.topics.close().unwrap();
    let seen = read_from(&life.topics, Start::Earliest);
    (life, seen)
}

#[test]
fn a_flipped_byte_of_a_sealed_segment_is_reported_with_its_place() {
    let (life, whole) = stopped();
    let bytes = life.disk.read_file(&segment_path(2)).unwrap();
    let needle = b"message 000";
    let records: Vec<usize> =
        (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert!(records.len() > 10);
    for at in &records[2..6] {
        let image = life.disk.crash_image(&crate::disk::CrashSpec::EVERYTHING);
        image.damage(&segment_path(2), Damage::FlipBit { offset: *at as u64, bit: 3 }).unwrap();
        let damaged = Life::on(&image, &life.clock, unlimited()).unwrap();
        let mut cursor = damaged.topics.cursor(Start::Earliest, all);
        let mut seen = Vec::new();
        let error = loop {
            match cursor.next() {
                Ok(Step::Message(message)) => seen.push(message.position),
                Ok(Step::End) => panic!("the damage was skipped"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        let Error::Corrupt { segment, offset, lsn, .. } = error else { panic!("{error}") };
        assert_eq!((segment, lsn), (SegmentId(2), seen.last().unwrap().lsn.plus(1)));
        assert!(offset < *at as u64 && offset + 60 > *at as u64, "{offset} {at}");
        assert!(matches!(cursor.next(), Err(Error::Corrupt { .. })), "it stays in front of it");
        cursor.skip_corrupt();
        let rest = read(&mut cursor).unwrap();
        assert_eq!(rest, whole[seen.len() + 1..], "only the reader that was told goes on");
    }
}

#[test]
fn damage_that_nobody_reads_harms_nobody() {
    let (life, whole) = stopped();
    let bytes = life.disk.read_file(&segment_path(2)).unwrap();
    let at = (0..bytes.len()).find(|at| bytes[*at..].starts_with(b"message 00")).unwrap();
    life.disk.damage(&segment_path(2), Damage::FlipBit { offset: at as u64, bit: 0 }).unwrap();
    let life = life.kill(unlimited());
    let damaged = whole
        .iter()
        .find(|seen| {
            matches!(seen, Seen::Message(position, ..)
        if position.lsn == life.disk_lsn_at(2))
        })
        .unwrap()
        .clone();
    let Seen::Message(_, topic, _) = &damaged else { unreachable!() };
    let topic = topic.clone();
    let mut cursor = life.topics.cursor(Start::Earliest, move |other| other != topic);
    assert!(read(&mut cursor).unwrap().len() >= whole.len() * 4 / 5 - 1);
}

impl Life {
    /// Lsn of the first record of a segment.
    fn disk_lsn_at(&self, segment: u64) -> Lsn {
        self.topics.shared.journal.log().held_segment(SegmentId(segment)).unwrap().base_lsn()
    }
}

#[test]
fn every_byte_of_an_index_may_change_and_it_is_made_again() {
    let (life, whole) = stopped();
    let index = life.disk.read_file(&index_path(2)).unwrap();
    for at in (0..index.len()).step_by(7) {
        let image = life.disk.crash_image(&crate::disk::CrashSpec::EVERYTHING);
        image.damage(&index_path(2), Damage::FlipBit { offset: at as u64, bit: (at % 8) as u8 }).unwrap();
        let damaged = Life::on(&image, &life.clock, unlimited()).unwrap();
        assert_eq!(read_from(&damaged.topics, Start::Earliest), whole, "byte {at}");
        damaged.topics.step().unwrap();
        assert_eq!(image.read_file(&index_path(2)).unwrap(), index, "byte {at}");
    }
}

#[test]
fn every_length_of_an_index_but_its_own_is_refused() {
    let (life, whole) = stopped();
    let index = life.disk.read_file(&index_path(2)).unwrap();
    for length in (0..index.len()).step_by(11).chain([index.len() - 1]) {
        let image = life.disk.crash_image(&crate::disk::CrashSpec::EVERYTHING);
        image.place_file(&index_path(2), &index[..length]).unwrap();
        let damaged = Life::on(&image, &life.clock, unlimited()).unwrap();
        assert_eq!(read_from(&damaged.topics, Start::Earliest), whole, "length {length}");
    }
}

#[test]
fn the_index_of_another_segment_is_no_index() {
    let (life, whole) = stopped();
    let other = life.disk.read_file(&index_path(1)).unwrap();
    life.disk.place_file(&index_path(2), &other).unwrap();
    let life = life.kill(unlimited());
    assert_eq!(read_from(&life.topics, Start::Earliest), whole);
}

#[test]
fn a_newer_index_is_refused_by_name() {
    let (life, _) = stopped();
    let mut index = life.disk.read_file(&index_path(2)).unwrap();
    index[8] = 9;
    let crc = crc32c::crc32c(&index[..92]).to_le_bytes();
    index[92..96].copy_from_slice(&crc);
    life.disk.place_file(&index_path(2), &index).unwrap();
    let refused = Life::on(&life.disk, &life.clock, unlimited()).err().unwrap();
    assert!(matches!(refused, Error::Newer { version: 9, .. }), "{refused}");
}

#[test]
fn a_segment_that_vanishes_from_the_middle_is_missed() {
    let (life, _) = stopped();
    crate::disk::Disk::remove(&life.disk, &segment_path(2)).unwrap();
    assert!(Life::on(&life.disk, &life.clock, unlimited()).is_err());
}
