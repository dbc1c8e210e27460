//! Promise: SIGKILL takes no acknowledged message, at any level; the backlog comes again whole and in order.
//!
//! `KILLS` (default 6) rounds against the real binary: publishers at full speed, subscribers that come, stall and go.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::Server;
use support::published::{Offsets, Promised, ROUND, audit, listen, publish};

const PUBLISHERS: usize = 4;
/// All that is published stays: retention has tests of its own.
const SETTINGS: [&str; 6] = [
    "--set",
    "topics.messages=100000000",
    "--set",
    "storage.segment_bytes=4MiB",
    "--set",
    "storage.free_min=0B",
];

#[test]
fn kill_9_loses_no_acknowledged_message() {
    let kills: u64 = std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let mut promised: Vec<Promised> = (0..PUBLISHERS).map(|_| Promised::default()).collect();
    let mut offsets = Offsets::default();
    for kill in 0..kills {
        let server = Server::start(dir.path(), &SETTINGS);
        check(&server, &promised, &mut offsets);
        let (stop, port) = (AtomicBool::new(false), server.port);
        std::thread::scope(|scope| {
            let stop = &stop;
            for (publisher, promised) in promised.iter_mut().enumerate() {
                let depth = [1, 16, 64, 200][publisher];
                promised.sent = kill * ROUND;
                scope.spawn(move || publish(port, publisher, depth, stop, promised));
            }
            for number in 0..3 {
                scope.spawn(move || listen(port, number, PUBLISHERS, stop));
            }
            std::thread::sleep(Duration::from_millis(30 + kill * 53 % 170));
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
    }
    let server = Server::start(dir.path(), &SETTINGS);
    check(&server, &promised, &mut offsets);
    let acks: usize = promised.iter().map(|promised| promised.acked.len()).sum();
    println!(
        "pubsub_kill cases={kills} faults={kills} acks={acks} violations=0 secs={:.1}",
        began.elapsed().as_secs_f64()
    );
    assert!(acks as u64 > kills * 100, "only {acks} acknowledgements: nothing was in flight");
    assert_eq!(server.terminate(), Some(0));
}

fn check(server: &Server, promised: &[Promised], offsets: &mut Offsets) {
    let lost = audit(&mut server.connect(), promised, offsets);
    assert_eq!((lost.strong, lost.eventual.len()), (0, 0), "acknowledged messages are gone after SIGKILL");
}
