//! Running the binary and reading what it says.

#[allow(dead_code)] // not every test file needs a server
pub mod server;

use std::process::{Command, Output};

/// The binary under test with `arguments`, not started yet.
pub fn tools(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpreg-tools"));
    command.args(arguments).env_remove("MPREG_URL").env("NO_COLOR", "1");
    command
}

/// Runs it to its end.
#[allow(dead_code)] // some test files only ask servers
pub fn run(arguments: &[&str]) -> Output {
    tools(arguments).output().expect("the binary was built by cargo")
}

/// Its stdout as JSON.
#[allow(dead_code)] // not every test file reads JSON
pub fn json(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}\nstdout: {text}\nstderr: {}", String::from_utf8_lossy(&output.stderr))
    })
}

/// Its stderr as text.
#[allow(dead_code)] // not every test file reads it
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
