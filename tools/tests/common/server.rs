//! The real server, for tests that ask one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::tools;

/// A running `mpreg serve` on a free port, with a data directory of its own; killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    pub directory: tempfile::TempDir,
}

/// The server's binary, which the build of the workspace puts beside ours.
pub fn binary() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_BIN_EXE_mpreg-tools")).with_file_name("mpreg");
    if !path.exists() {
        eprintln!("skipped: no server at {}; build the workspace first", path.display());
        return None;
    }
    Some(path)
}

impl Server {
    /// Starts one; `None` when only this package was built.
    pub fn start() -> Option<Server> {
        Server::start_in(tempfile::tempdir().expect("a place for temporary files"), "127.0.0.1:0")
    }

    /// The same on data that is there, and on a chosen address.
    pub fn start_in(directory: tempfile::TempDir, listen: &str) -> Option<Server> {
        let mut child = Command::new(binary()?)
            .args(["serve", "--listen", listen, "--data"])
            .arg(directory.path().join("data"))
            // However full the disk of whoever runs this is.
            .env("MPREG_STORAGE__FREE_MIN", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary is there");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut url = None;
        for line in lines.map_while(Result::ok) {
            if let Some(found) = line.strip_prefix("MPREG_URL=") {
                url = Some(found.replace("ws://", "tcp://"));
            }
            if line.contains("ready") {
                break;
            }
        }
        Some(Server { child, url: url.expect("the banner names the url"), directory })
    }

    /// Stops it without a word and hands its data on.
    pub fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is ours");
        let other = tempfile::tempdir().expect("a place for temporary files");
        std::mem::replace(&mut self.directory, other)
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("tcp://").trim_end_matches('/')
    }

    /// The tools with `arguments`, told where this server is; not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tools(arguments);
        command.env("MPREG_URL", &self.url).stdin(Stdio::null());
        command
    }

    /// Runs them to their end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary was built by cargo")
    }

    /// The same with text for stdin.
    pub fn run_with(&self, arguments: &[&str], stdin: &str) -> Output {
        use std::io::Write;
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built by cargo");
        let mut input = child.stdin.take().expect("stdin is piped");
        let text = stdin.to_owned();
        let writer = std::thread::spawn(move || {
            // A command that ends early does not read all.
            let _ = input.write_all(text.as_bytes());
        });
        let output = child.wait_with_output().expect("it is ours");
        writer.join().expect("it only writes");
        output
    }

    /// Runs them, expects success, and returns stdout.
    pub fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", super::stderr(&output));
        String::from_utf8(output.stdout).expect("the tools write UTF-8")
    }

    /// The value a command prints in its raw format, without the line's end.
    pub fn raw(&self, arguments: &[&str]) -> String {
        self.text(&[arguments, &["--format", "raw"]].concat()).trim_end().to_owned()
    }

    /// Runs them and returns the exit code.
    pub fn code(&self, arguments: &[&str]) -> i32 {
        self.run(arguments).status.code().expect("no signal ended it")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
