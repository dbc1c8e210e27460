//! `inspect`, `log` and `verify` on real data directories: clean, crashed, live, and damaged.

#![allow(clippy::unwrap_used)] // what tests call is a test, too

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{json, run, stderr};
use mpreg_storage::record::Key;
use mpreg_storage::store::{Level, Options, Store};

fn key(identifier: &str) -> Key {
    Key::new("users", identifier).unwrap()
}

/// Ten checkpointed keys, then a tail: one overwritten, one deleted, one new.
fn filled(path: &Path) -> Store {
    let mut options = Options::new(path);
    options.segment_bytes = 64 << 10;
    options.checkpoint_interval_us = u64::MAX / 4;
    options.free_bytes_min = Some(0);
    let store = Store::open(options).unwrap();
    for number in 0..10 {
        let value = format!(r#"{{"number":{number}}}"#);
        store.put(key(&number.to_string()).as_bytes(), value.as_bytes(), Level::Strong).unwrap();
    }
    store.checkpoint().unwrap();
    store.put(key("0").as_bytes(), b"\"overwritten\"", Level::Strong).unwrap();
    store.delete(key("1").as_bytes(), Level::Strong).unwrap();
    store.put(key("new").as_bytes(), b"[1, 2]", Level::Strong).unwrap();
    store
}

fn tools(command: &[&str], data: &Path) -> std::process::Output {
    let mut arguments = command.to_vec();
    arguments.extend(["--data", data.to_str().unwrap(), "--format", "json"]);
    run(&arguments)
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("wal/main")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 0x20;
    std::fs::write(path, bytes).unwrap();
}

/// The three states a directory can be found in; `check` sees the same contents in each.
fn in_every_state(check: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let live = filled(dir.path());
    check(dir.path());
    // A copy of the files beside the running store is what a killed process leaves.
    let crashed = tempfile::tempdir().unwrap();
    copy(dir.path(), crashed.path());
    check(crashed.path());
    // Dropped without `close`: unlocked, and without a last checkpoint.
    drop(live);
    check(dir.path());
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn entries_show_their_tier_and_position() {
    in_every_state(|data| {
        let row = json(&tools(&["inspect", "entry", "users", "5"], data));
        assert_eq!(
            (&row["tier"], &row["lsn"], &row["value"]["number"]),
            (&"L2".into(), &6.into(), &5.into())
        );
        let row = json(&tools(&["inspect", "entry", "users", "0"], data));
        assert_eq!(
            (&row["tier"], &row["lsn"], &row["value"]),
            (&"log".into(), &11.into(), &"overwritten".into())
        );
        for absent in ["1", "never"] {
            let output = tools(&["inspect", "entry", "users", absent], data);
            assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        }
    });
}

#[test]
fn keys_are_the_table_overlaid_by_the_log() {
    in_every_state(|data| {
        let namespaces = json(&tools(&["inspect", "keys"], data));
        assert_eq!((&namespaces[0]["namespace"], &namespaces[0]["keys"]), (&"users".into(), &10.into()));
        let rows = json(&tools(&["inspect", "keys", "users"], data));
        let identifiers: Vec<_> =
            rows.as_array().unwrap().iter().map(|row| row["identifier"].as_str().unwrap()).collect();
        assert_eq!(identifiers, ["0", "2", "3", "4", "5", "6", "7", "8", "9", "new"]);
        assert_eq!(
            (&rows[0]["tier"], &rows[1]["tier"], &rows[9]["tier"]),
            (&"log".into(), &"L2".into(), &"log".into())
        );
        assert_eq!(tools(&["inspect", "keys", "nobody"], data).status.code(), Some(3));
    });
}

#[test]
fn the_summary_counts_and_verify_is_content() {
    in_every_state(|data| {
        let summary = json(&tools(&["inspect"], data));
        assert_eq!((&summary["checkpoint_lsn"], &summary["table_entries"]), (&10.into(), &10.into()));
        assert_eq!((&summary["tail_records"], &summary["log_last_lsn"]), (&3.into(), &13.into()));
        let output = tools(&["verify"], data);
        assert!(output.status.success(), "{}", stderr(&output));
        let report = json(&output);
        assert_eq!((&report["table_rows"], &report["log_records"]), (&10.into(), &13.into()));
        assert_eq!(report["keys_compared"], 10);
    });
}

#[test]
fn a_clean_stop_leaves_no_tail() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).close().unwrap();
    let summary = json(&tools(&["inspect"], dir.path()));
    assert_eq!((&summary["tail_records"], &summary["checkpoint_lsn"]), (&0.into(), &13.into()), "{summary}");
    let row = json(&tools(&["inspect", "entry", "users", "new"], dir.path()));
    assert_eq!((&row["tier"], &row["durability"]), (&"L2".into(), &"strong".into()));
    assert!(tools(&["verify"], dir.path()).status.success());
}

#[test]
fn a_busy_store_is_never_taken_for_a_damaged_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let busy = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Small segments and constant checkpoints: the log is rolled and retired all the time.
            for number in 0u64.. {
                let value = format!("\"{:0300}\"", number);
                store
                    .put(key(&(number % 500).to_string()).as_bytes(), value.as_bytes(), Level::Eventual)
                    .unwrap();
                if number.is_multiple_of(2000) {
                    store.checkpoint().unwrap();
                }
                if !busy.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let commands = [&["verify"][..], &["inspect"], &["inspect", "keys"], &["log", "--records"]];
        let outputs: Vec<_> =
            commands.iter().cycle().take(12).map(|command| (command, tools(command, dir.path()))).collect();
        // The writer stops before anything can panic.
        busy.store(false, Ordering::Relaxed);
        for (command, output) in outputs {
            assert!(output.status.success(), "{command:?}: {}", stderr(&output));
        }
    });
}

#[test]
fn the_log_is_listed_by_position() {
    in_every_state(|data| {
        let frames = json(&tools(&["log", "--records", "--from", "11", "--to", "12"], data));
        let records: Vec<_> = frames
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|frame| frame["records"].as_array().unwrap())
            .collect();
        let words: Vec<_> = records
            .iter()
            .map(|record| (record["lsn"].as_u64().unwrap(), record["operation"].as_str().unwrap()))
            .collect();
        assert_eq!(words, [(11, "put"), (12, "delete")]);
        assert_eq!(records[1]["key"], "users:1:v1.0.0");
    });
}

/// Another test of this process may be starting a program at this moment, which holds the lock of the store that was just
/// dropped until it has become that program.
fn open_again(dir: &Path) -> Store {
    let mut last = None;
    for _ in 0..200 {
        let mut options = Options::new(dir);
        options.free_bytes_min = Some(0);
        match Store::open(options) {
            Ok(store) => return store,
            Err(error) => last = Some(error),
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the store cannot be opened again: {last:?}");
}

#[test]
fn the_log_is_followed_through_segments_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let arguments =
        ["log", "--follow", "--records", "--format", "json", "--data", dir.path().to_str().unwrap()];
    let mut command = common::tools(&arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It says where it begins: only what is written after that is certain to come.
    let first = BufReader::new(child.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(first.contains("following from lsn 14"), "{first}");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Enough for several segments of 64 KiB.
    let write = |store: &Store, numbers: std::ops::Range<u64>| {
        for number in numbers {
            let value = format!("\"{number:0300}\"");
            store.put(key(&number.to_string()).as_bytes(), value.as_bytes(), Level::Eventual).unwrap();
        }
    };
    write(&store, 0..600);
    // A killed store and its next life, in a segment of its own.
    drop(store);
    let store = open_again(dir.path());
    write(&store, 600..700);
    let mut found = Vec::new();
    for line in lines {
        let frame: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        for record in frame["records"].as_array().unwrap() {
            if record["operation"] == "put" {
                found
                    .push(record["key"].as_str().unwrap().split(':').nth(1).unwrap().parse::<u64>().unwrap());
            }
        }
        if found.len() >= 700 {
            break;
        }
    }
    assert_eq!(found, (0..700).collect::<Vec<_>>(), "each once and in order");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn nothing_is_changed_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let contents = || {
        let mut files = segments(dir.path());
        files.push(dir.path().join("l2/store.redb"));
        files.iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    let before = contents();
    for command in [&["verify"][..], &["inspect"], &["inspect", "keys"], &["log"]] {
        assert!(tools(command, dir.path()).status.success());
    }
    assert!(before == contents(), "a tool wrote to the files");
}

#[test]
fn damage_in_the_log_is_found_and_placed() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    // In the body of the first frame, which the checkpoint covers: only a full read sees it.
    flip(&segments(dir.path())[0], 96 + 80 + 30);
    let output = tools(&["verify"], dir.path());
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains("offset 96"), "{}", stderr(&output));
    let problems = json(&output)["problems"].to_string();
    assert!(problems.contains("segment 1"), "{problems}");
}

#[test]
fn damage_in_the_table_is_found() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let path = dir.path().join("l2/store.redb");
    let bytes = std::fs::read(&path).unwrap();
    let value = bytes.windows(12).rposition(|window| window == br#"{"number":5}"#).unwrap();
    flip(&path, value + 3);
    let output = tools(&["verify"], dir.path());
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}

#[test]
fn a_missing_segment_is_found() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let log = segments(dir.path());
    std::fs::remove_file(&log[0]).unwrap();
    let output = tools(&["verify"], dir.path());
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}

#[test]
fn a_directory_of_something_else_is_exit_3() {
    let dir = tempfile::tempdir().unwrap();
    for command in [&["verify"][..], &["inspect"], &["log"]] {
        let output = tools(command, dir.path());
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(stderr(&output).contains("no data directory"));
    }
}
