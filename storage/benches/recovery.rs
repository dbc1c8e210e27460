//! How long until a store serves again after a kill, and after a clean stop, beside Redis loading its append-only file?
//!
//! `KEYS` keys (default 200 k; the figures of the README are 1 M) of 64 B and of 1 KiB, put eventually with default
//! options, then the store is dropped without a checkpoint, which leaves its files as a kill does. Time is that of
//! `Store::open` and one get. Every round opens its own copy, because opening tidies up. Yardstick: redis-server, if
//! it is installed, from its start to the first answered GET, append-only file of the same keys.

#![allow(clippy::disallowed_methods)] // a bench measures real time and copies files behind the store

mod support;

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mpreg_storage::store::{Options, Store};
use support::ratio::{median, tell, versus, wanted};
use support::stores::{load, open, scratch_dir};
use support::{json_value, key, scattered, setting};
use tempfile::TempDir;

/// A JSON string of `bytes` bytes.
fn value(number: usize, bytes: usize) -> Vec<u8> {
    let short = json_value(number);
    let mut value: Vec<u8> = short[1..63].iter().copied().cycle().take(bytes).collect();
    (value[0], value[bytes - 1]) = (b'"', b'"');
    value
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success(), "cp of {} failed", from.display());
    // Or the first sync of the opening would have to bring the whole copy to the disk.
    let synced = Command::new("sync").arg("-f").arg(to).status().expect("sync runs");
    assert!(synced.success(), "sync of {} failed", to.display());
}

/// Milliseconds from `Store::open` to the first value.
fn reopen(dir: &Path, keys: usize) -> f64 {
    let copied = scratch_dir();
    let path = copied.path().join("data");
    copy(dir, &path);
    let start = Instant::now();
    let store = open(&path, |_| ());
    assert!(store.get(&key(keys / 2)).expect("a read succeeds").is_some(), "the key is there");
    let took_ms = start.elapsed().as_secs_f64() * 1e3;
    let recovered = store.recovered();
    println!(
        "recovery: {took_ms:.1} ms, of that {} us in recovery, {} records replayed",
        recovered.took_us, recovered.records
    );
    for number in (0..keys).step_by(keys / 1000 + 1) {
        assert!(store.get(&key(number)).expect("a read succeeds").is_some(), "key {number} is there");
    }
    took_ms
}

fn loaded(order: &[u32], bytes: usize, stop: impl FnOnce(Store)) -> TempDir {
    let dir = scratch_dir();
    let store = open(&dir.path().join("data"), |_: &mut Options| ());
    load(&store, order, |number| value(number, bytes));
    stop(store);
    dir
}

/// An append-only file of the same keys, as redis-server writes one.
fn write_redis(dir: &Path, order: &[u32], bytes: usize) {
    let folder = dir.join("appendonlydir");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    std::fs::write(folder.join("appendonly.aof.manifest"), manifest).expect("a file can be written");
    let file = File::create(folder.join("appendonly.aof.1.incr.aof")).expect("a file can be made");
    let mut out = BufWriter::new(file);
    write!(out, "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n").expect("a file can be written");
    for &number in order {
        let value = value(number as usize, bytes);
        write!(out, "*3\r\n$3\r\nSET\r\n$24\r\n").expect("a file can be written");
        out.write_all(&key(number as usize)).expect("a file can be written");
        write!(out, "\r\n${}\r\n", value.len()).expect("a file can be written");
        out.write_all(&value).expect("a file can be written");
        out.write_all(b"\r\n").expect("a file can be written");
    }
}

/// Milliseconds from the start of redis-server to the first value; `None` where it is not installed.
fn redis(dir: &Path, keys: usize) -> Option<f64> {
    let socket = dir.join("socket");
    let options = ["--port", "0", "--appendonly", "yes", "--save", "", "--dir"];
    let mut command = Command::new("redis-server");
    command.args(options).arg(dir).arg("--unixsocket").arg(&socket).stdout(Stdio::null());
    let start = Instant::now();
    let mut server = command.spawn().ok()?;
    while !answers(&socket, keys / 2) {
        std::thread::sleep(Duration::from_millis(1));
        assert!(start.elapsed() < Duration::from_secs(60), "redis-server answers within a minute");
    }
    let took_ms = start.elapsed().as_secs_f64() * 1e3;
    server.kill().and_then(|()| server.wait()).expect("our own child can be ended");
    Some(took_ms)
}

fn answers(socket: &Path, number: usize) -> bool {
    let asked = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.write_all(b"*2\r\n$3\r\nGET\r\n$24\r\n")?;
        stream.write_all(&key(number))?;
        stream.write_all(b"\r\n")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first == *b"$")
    };
    asked().unwrap_or(false)
}

fn measure(order: &[u32], bytes: usize) {
    let keys = order.len();
    let redis_dir = scratch_dir();
    write_redis(redis_dir.path(), order, bytes);
    let yardstick = || redis(redis_dir.path(), keys).unwrap_or(f64::NAN);
    let killed = loaded(order, bytes, drop);
    let pair = versus(|| reopen(&killed.path().join("data"), keys), yardstick);
    tell(&format!("recovery/kill/keys={keys}/value={bytes}/ms_vs_redis_aof"), pair, "<=0.4, ours<=1000");
    let stopped = loaded(order, bytes, |store| store.close().expect("a store closes"));
    let ours = median((0..3).map(|_| reopen(&stopped.path().join("data"), keys)).collect());
    tell(&format!("recovery/clean/keys={keys}/value={bytes}/ms_vs_redis_aof"), (ours, pair.1), "<=0.1");
}

fn main() {
    let order = scattered(setting("KEYS", 200_000), 3);
    for bytes in [64, 1024] {
        if wanted(&format!("recovery/value={bytes}")) {
            measure(&order, bytes);
        }
    }
}
