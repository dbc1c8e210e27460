//! `mpreg demo` runs the guide's two demonstrations to their end, and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::process::Command;

fn demo(name: &str) -> (Option<i32>, String, String) {
    let scratch = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_mpreg"))
        .args(["demo", name])
        .env("TMPDIR", scratch.path())
        .output()
        .unwrap();
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "{name} leaves its directory behind");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

#[test]
fn both_demonstrations_come_out_as_they_should() {
    let cache = [
        "put, strong",
        "lock, taken twice        \"hit\", then \"conflict\"",
        "set add, twice           2 new members, then 0",
        "Cache hit: true",
        "ttl of 50 ms",
        "get after the restart",
        "done",
    ];
    let integrations = [
        "10 calls ran the function 1 time",
        "event, backlog",
        "event, live",
        "{\"stock_level\":12} became {\"stock_level\":9}",
        "ml.* removed ml.models and not mlops",
        "done",
    ];
    for (name, expected) in [("cache", &cache[..]), ("integrations", &integrations)] {
        let (code, out, err) = demo(name);
        assert_eq!(code, Some(0), "{name}: {out}{err}");
        for part in expected {
            assert!(out.contains(part), "{name} lacks {part:?}: {out}");
        }
    }
}

#[test]
fn an_unknown_demonstration_is_a_usage_error_that_names_the_known_ones() {
    let (code, _, err) = demo("nothing");
    assert_eq!(code, Some(2));
    assert!(err.contains("cache") && err.contains("integrations"), "{err}");
}
