//! The configuration as operators meet it: files, environment and flags of the real binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn mpreg(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpreg"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MPREG_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).output().expect("the binary is built")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn file(dir: &Path, text: &str) -> String {
    let path = dir.join("mpreg.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn line_of<'a>(printed: &'a str, key: &str) -> &'a str {
    printed.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key} in {printed}"))
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(
        dir.path(),
        "[memory]\nlimit = \"1GiB\"\n[storage]\nsync_interval = \"5ms\"\ndir = \"from-file\"\n",
    );
    let variables =
        [("MPREG_MEMORY__LIMIT", "2GiB"), ("MPREG_STORAGE__DIR", "from-env"), ("MPREG_URL", "ws://x")];
    let output =
        mpreg(&["config", "print", "--origin", "--config", &path, "--data", "from-flag"], &variables);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    for (key, parts) in [
        ("dir ", ["\"from-flag\"", "flag --data"]),
        ("limit ", ["\"2GiB\"", "environment MPREG_MEMORY__LIMIT"]),
        ("sync_interval ", ["\"5ms\"", "mpreg.toml"]),
        ("sweep_interval ", ["\"1s\"", "default"]),
    ] {
        let line = line_of(&printed, key);
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
}

#[test]
fn what_print_prints_can_be_used_as_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let printed = stdout(&mpreg(&["config", "print", "--set", "memory.limit=3GiB"], &[]));
    let path = file(dir.path(), &printed);
    let again = mpreg(&["config", "print", "--config", &path], &[]);
    assert_eq!(stdout(&again), printed);
}

#[test]
fn check_reports_all_problems_at_once_with_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "[server]\nlisten = \"0.0.0.0:9001\"\n[memry]\nlimit = \"1GiB\"\n");
    let variables = [("MPREG_STORAGE__SYNC_INTERVAL", "10"), ("MPREG_STORAGE__DRI", "x")];
    let output = mpreg(&["config", "check", "--config", &path], &variables);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    for part in ["memry.limit", "did you mean memory.limit", "storage.sync_interval", "MPREG_STORAGE__DRI"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let fine = mpreg(&["config", "check"], &[]);
    assert_eq!((fine.status.code(), stderr(&fine).contains("fine")), (Some(0), true));
}

#[test]
fn a_public_listener_is_refused_unless_asked_for_by_name() {
    let refused = mpreg(&["serve", "--listen", "0.0.0.0:0"], &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--insecure"));
    let allowed = mpreg(&["config", "check", "--listen", "0.0.0.0:0", "--insecure"], &[]);
    assert!(allowed.status.success());
}

#[test]
fn usage_version_manual_and_completions() {
    assert_eq!(mpreg(&["frobnicate"], &[]).status.code(), Some(2));
    assert_eq!(mpreg(&["--help"], &[]).status.code(), Some(0));
    assert_eq!(stdout(&mpreg(&["version"], &[])), format!("mpreg {}\n", env!("CARGO_PKG_VERSION")));
    assert!(stdout(&mpreg(&["man"], &[])).starts_with(".ie"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&mpreg(&["completions", shell], &[])).contains("mpreg"), "{shell}");
    }
    let missing = mpreg(&["config", "check", "--config", "/nowhere/x.toml"], &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("/nowhere/x.toml"));
}
