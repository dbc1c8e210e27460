//! A failed sync is final: nobody is told that a write lasts, and the node says that it must end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use mpreg::{Node, Running};
use mpreg_storage::disk::{Failure, Fault, OpKind, OsClock, OsRng, SimDisk};
use mpreg_storage::store::{Options, Store};
use mpreg_storage::write::recovery::Machine;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(20);

async fn node(disk: &SimDisk) -> Running {
    let machine = Machine {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(OsClock::new()),
        rng: Arc::new(OsRng::new()),
    };
    let options =
        Options { machine, free_bytes_min: Some(0), segment_bytes: 1 << 20, ..Options::new("/data") };
    let store = Store::open(options).unwrap();
    Node::default().over(store).listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap()
}

async fn ask(stream: &mut TcpStream, level: &str) -> Value {
    let key = json!({"namespace": "n", "identifier": "k"});
    let options = json!({"consistency_level": level});
    let message = json!({"role": "cache-request", "u": "1", "operation": "put", "key": key, "value": 1, "options": options});
    let text = message.to_string();
    stream.write_u32(u32::try_from(text.len()).unwrap()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut body = vec![0; stream.read_u32().await.unwrap() as usize];
    stream.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

async fn failed(running: &Running) -> String {
    tokio::time::timeout(PATIENCE, running.failed()).await.expect("the node notices")
}

fn break_syncs(disk: &SimDisk) {
    disk.inject(Fault::new(Failure::Io).on(OpKind::Sync).in_path("wal").times(u64::MAX));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strong_put_over_a_failing_sync_is_unknown_and_the_connection_ends() {
    let disk = SimDisk::new();
    let running = node(&disk).await;
    let mut stream = TcpStream::connect(running.addr()).await.unwrap();
    assert_eq!(ask(&mut stream, "strong").await["status"], "hit");
    break_syncs(&disk);
    let reply = ask(&mut stream, "strong").await;
    assert_eq!(
        (&reply["status"], &reply["error_code"]),
        (&json!("error"), &json!("CACHE_UNKNOWN_OUTCOME")),
        "{reply}"
    );
    assert_eq!(reply["u"], "1");
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "nothing more is promised here");
    assert!(!failed(&running).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_sync_that_fails_is_noticed_without_any_client() {
    let disk = SimDisk::new();
    let running = node(&disk).await;
    break_syncs(&disk);
    let mut stream = TcpStream::connect(running.addr()).await.unwrap();
    assert_eq!(ask(&mut stream, "eventual").await["status"], "hit");
    assert!(!failed(&running).await.is_empty());
    let reply = ask(&mut stream, "eventual").await;
    assert_eq!(reply["error_code"], "CACHE_UNAVAILABLE", "{reply}");
}
