//! `crash` finds nothing to complain about in the real server, and everything in a forgetful one.

#![allow(clippy::unwrap_used)] // what tests call is a test, too

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{json, run, stderr};

/// The server's binary, which the build of the workspace puts beside ours. `None` when only this
/// package was built.
fn server() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_BIN_EXE_mpreg-tools")).with_file_name("mpreg");
    if !path.exists() {
        eprintln!("skipped: no server at {}; build the workspace first", path.display());
        return None;
    }
    Some(path)
}

fn crash(server: &Path, data: &Path, more: &[&str]) -> Output {
    let (server, data) = (server.to_str().unwrap(), data.to_str().unwrap());
    let mut arguments =
        vec!["crash", "--server", server, "--data", data, "--connections", "4", "--keys", "50"];
    arguments.extend(["--value-bytes-max", "300", "--format", "json"]);
    arguments.extend(more);
    run(&arguments)
}

/// A program that runs `lines` and then the real server with its own arguments.
fn wrapped(server: &Path, directory: &Path, lines: &str) -> PathBuf {
    let path = directory.join("server.sh");
    let text = format!("#!/bin/sh\n{lines}\nexec {} \"$@\"\n", server.display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn the_server_loses_nothing() {
    let Some(server) = server() else { return };
    let directory = tempfile::tempdir().unwrap();
    let output = crash(&server, &directory.path().join("data"), &["--kills", "6", "--seed", "11"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report = json(&output);
    assert_eq!((&report["kills"], &report["lost"], &report["holes"]), (&6.into(), &0.into(), &0.into()));
    assert!(report["keys_read_back"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn a_server_that_forgets_is_caught() {
    let Some(server) = server() else { return };
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let forgetful = wrapped(&server, directory.path(), &format!("rm -rf '{}'", data.display()));
    let output = crash(&forgetful, &data, &["--kills", "6", "--seed", "12"]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(json(&output)["lost"].as_u64().unwrap() > 0);
}

#[test]
fn a_server_that_goes_back_in_time_is_caught() {
    let Some(server) = server() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (data, old) = (directory.path().join("data"), directory.path().join("old"));
    // Each start shows the state of the life before the last one.
    let (data_text, old_text) = (data.display(), directory.path().join("now").display().to_string());
    let lines = format!(
        "mkdir -p '{data_text}'; rm -rf '{old_text}'; cp -r '{data_text}' '{old_text}'\n\
         [ -d '{0}' ] && rm -rf '{data_text}' && cp -r '{0}' '{data_text}'\n\
         rm -rf '{0}'; mv '{old_text}' '{0}'",
        old.display()
    );
    let output = crash(&wrapped(&server, directory.path(), &lines), &data, &["--kills", "6", "--seed", "13"]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}

#[test]
fn used_directories_and_broken_servers_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), b"mine").unwrap();
    let output = crash(Path::new("/bin/true"), directory.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let output = crash(Path::new("/bin/true"), &directory.path().join("data"), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("before it printed MPREG_URL="), "{}", stderr(&output));
}
