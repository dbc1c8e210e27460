//! Promise: SIGKILL loses nothing that was acknowledged, at any level.
//!
//! `KILLS` (default 12) rounds against the real binary with four connections writing.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use support::Server;
use support::promises::{Book, audit, write};

#[test]
fn kill_9_loses_nothing_acknowledged() {
    let kills: u64 = std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let seed: u64 = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x5eed);
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let mut books: Vec<Book> = (0..4).map(|_| Book::default()).collect();
    let mut random = seed | 1;
    let mut from = 0;
    for _ in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let server = Server::start(dir.path(), &[]);
        check(&server, &books);
        let stop = AtomicBool::new(false);
        let port = server.port;
        std::thread::scope(|scope| {
            for (writer, book) in books.iter_mut().enumerate() {
                let stop = &stop;
                scope.spawn(move || write(port, writer, from, stop, book));
            }
            std::thread::sleep(Duration::from_millis(20 + random % 150));
            server.kill();
        });
        from += 10_000_000;
    }
    let server = Server::start(dir.path(), &[]);
    check(&server, &books);
    let acks: u64 = books.iter().map(|book| book.acks).sum();
    println!(
        "sigkill seed={seed} cases={kills} faults={kills} acks={acks} violations=0 secs={:.1}",
        began.elapsed().as_secs_f64()
    );
    assert!(acks > kills * 20, "only {acks} acknowledgements: nothing was in flight");
    assert_eq!(server.terminate(), Some(0));
}

fn check(server: &Server, books: &[Book]) {
    let mut client = server.connect();
    for book in books {
        let (strong_lost, eventual_lost) = audit(&mut client, book);
        assert_eq!((strong_lost, eventual_lost.len()), (0, 0), "acknowledged writes are gone after SIGKILL");
    }
}
