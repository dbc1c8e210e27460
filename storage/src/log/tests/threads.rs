//! Appending, syncing, reading, preparing and retiring at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

const FRAMES: u64 = 4000;

#[test]
fn everybody_works_beside_the_writer() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let stop = AtomicBool::new(false);
    let log = &log;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let before = log.written();
                let durable = log.sync().unwrap();
                assert!(durable >= before && durable <= log.written());
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                log.prepare().unwrap();
                log.retire(Lsn(log.durable().0.saturating_sub(300))).unwrap();
            }
        });
        let follower = scope.spawn(|| follow(log));
        for _ in 0..FRAMES {
            append(log, 1, 60);
        }
        follower.join().unwrap();
        stop.store(true, Ordering::SeqCst);
    });
    log.close().unwrap();
    assert_eq!(log.durable(), Lsn(FRAMES));
    let (_, opened) = open(&disk, FRAMES - 300);
    assert_eq!((opened.next_lsn, opened.clean), (Lsn(FRAMES + 1), true));
}

/// Reads along to the end; starts again at the oldest frame kept whenever it was overtaken.
fn follow(log: &Log) {
    let mut reader = log.reader(Lsn(1));
    let mut last = Lsn(0);
    while last < Lsn(FRAMES) {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                assert!(frame.head.first_lsn > last);
                let text = format!("1:{}:{}|", frame.head.first_lsn, frame.head.index);
                assert!(frame.body.starts_with(text.as_bytes()), "frame {}", frame.head.first_lsn);
                last = frame.last_lsn();
            }
            Ok(None) => thread::yield_now(),
            Err(Error::Retired { first }) => reader = log.reader(first),
            Err(error) => panic!("{error}"),
        }
    }
}
