//! Proves the proof: a session that replies before the hand-over is caught by the same look that passes
//! the real one. The bugs planted in the storage engine are in `storage/tests/mutants.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use mpreg::{Node, Running};
use mpreg_storage::disk::{OsClock, OsRng, SimDisk};
use mpreg_storage::mutants::{Bug, plant};
use mpreg_storage::store::{Options, Store};
use mpreg_storage::write::recovery::Machine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PUTS: u64 = 20;

async fn node() -> Running {
    let machine = Machine {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::new(OsClock::new()),
        rng: Arc::new(OsRng::new()),
    };
    // No threads: nobody but the session hands over.
    let options = Options { machine, free_bytes_min: Some(0), threads: false, ..Options::new("/data") };
    let store = Store::open(options).unwrap();
    Node::default().over(store).listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap()
}

/// How many eventual puts were answered before the OS had them.
async fn answered_too_early() -> u64 {
    let running = node().await;
    let mut stream = TcpStream::connect(running.addr()).await.unwrap();
    let mut early = 0;
    for number in 1..=PUTS {
        let text = format!(
            r#"{{"role":"cache-request","u":"1","operation":"put","key":{{"namespace":"n","identifier":"k"}},"value":{number}}}"#
        );
        stream.write_u32(u32::try_from(text.len()).unwrap()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut body = vec![0; stream.read_u32().await.unwrap() as usize];
        stream.read_exact(&mut body).await.unwrap();
        early += u64::from(running.store().written().0 < number);
    }
    early
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_before_the_hand_over_is_caught() {
    assert_eq!(answered_too_early().await, 0, "the real session hands over first");
    plant(Some(Bug::ReplyBeforeHandOver));
    let early = answered_too_early().await;
    plant(None);
    println!("mutants cases=1 caught={}", u8::from(early > 0));
    assert!(early > 0, "the planted bug went unnoticed");
}
