//! The shape of the house: `storage` imports only downhill and never names a runtime or a socket.
//!
//! Told as a test, since an arrow the wrong way is cheap to add and dear to remove.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::{Path, PathBuf};

/// Rooms of `storage/src` by rank; same rank = may not know each other.
const ROOMS: [(&str, u8); 13] = [
    ("store", 6),
    ("topics", 5),
    ("write", 4),
    ("state", 3),
    ("structure", 2),
    ("memory", 2),
    ("table", 2),
    ("log", 2),
    ("record", 1),
    ("tree", 1),
    ("json", 1),
    ("glob", 1),
    ("disk", 0),
];

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            out.push(path);
        }
    }
}

fn production_code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// Every way a line can name another room.
fn rooms_named(line: &str) -> Vec<&'static str> {
    let code = line.split("//").next().unwrap_or("");
    let mut named = Vec::new();
    for (room, _) in ROOMS {
        let direct = code.contains(&format!("crate::{room}::")) || code.contains(&format!("crate::{room};"));
        let grouped = code.contains("use crate::{")
            && code.split(['{', ',', '}']).any(|part| {
                let part = part.trim();
                part == room || part.starts_with(&format!("{room}::"))
            });
        if direct || grouped {
            named.push(room);
        }
    }
    named
}

#[test]
fn imports_run_downhill() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("storage/src");
    let mut arrows = 0;
    for (room, rank) in ROOMS {
        let mut files = Vec::new();
        rust_files(&root.join(room), &mut files);
        assert!(!files.is_empty(), "room {room} has no file");
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let text = std::fs::read_to_string(file).unwrap();
            for (number, line) in production_code(&text).lines().enumerate() {
                for other in rooms_named(line).into_iter().filter(|other| *other != room) {
                    let other_rank = ROOMS.iter().find(|(name, _)| *name == other).unwrap().1;
                    arrows += 1;
                    assert!(
                        other_rank < rank,
                        "{}:{}: {room} (rank {rank}) names {other} (rank {other_rank})",
                        file.display(),
                        number + 1
                    );
                }
            }
        }
    }
    assert!(arrows > 20, "the scan found only {arrows} imports: it looks in the wrong place");
}

#[test]
fn an_uphill_import_would_be_found() {
    assert_eq!(rooms_named("use crate::store::Store;"), ["store"]);
    assert_eq!(rooms_named("use crate::{disk, write::Pipeline};"), ["write", "disk"]);
    assert!(rooms_named("// use crate::store::Store;").is_empty());
}

#[test]
fn storage_knows_no_runtime_and_no_socket() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("storage");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    for word in ["tokio", "async-std", "std::net"] {
        assert!(!manifest.contains(word), "storage/Cargo.toml names {word}");
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
            assert!(!code.contains(word), "{} names {word}", file.display());
        }
    }
}

#[test]
fn state_knows_no_clock_no_chance_no_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("storage/src/state");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in production_code(&text).lines() {
            let code = line.split("//").next().unwrap_or("");
            for word in ["std::time", "Clock", "Rng", "std::fs", "std::io", "redb", "Options"] {
                assert!(!code.contains(word), "{} names {word}: {line}", file.display());
            }
        }
    }
}
