//! Servers started as child processes: `mpreg`, the yardstick, or a Redis to compare with.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How much of a failed server's stderr is shown.
const STDERR_SHOWN_BYTES: usize = 2000;

/// A running child; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens, as `ws://...`, `tcp://...` or `redis://...`.
    pub url: String,
}

impl Server {
    /// Starts `command` and waits until a line of its stdout starts with `MPREG_URL=`.
    /// With `cpu` it may run there only.
    pub fn start(mut command: Command, cpu: Option<usize>) -> anyhow::Result<Server> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = spawn_on(&mut command, cpu).with_context(|| format!("cannot start {program}"))?;
        let stdout = child.stdout.take().expect("stdout is piped two lines above");
        match announced_url(stdout) {
            Some(url) => Ok(Server { child, url }),
            None => {
                let _ = child.kill();
                let status = child.wait()?;
                bail!("{program} ended ({status}) before it printed MPREG_URL=; its stderr says why")
            }
        }
    }

    /// The same with the child's stderr kept aside: its end is part of the error when it does not start.
    pub fn start_quiet(mut command: Command) -> anyhow::Result<Server> {
        let mut log = tempfile::tempfile().context("cannot create a file for the server's log")?;
        command.stderr(log.try_clone()?);
        Server::start(command, None).or_else(|error| {
            let mut text = String::new();
            log.seek(SeekFrom::Start(0))?;
            log.read_to_string(&mut text)?;
            let from = text.len().saturating_sub(STDERR_SHOWN_BYTES);
            let shown = text.get(from..).unwrap_or(&text);
            Err(error.context(format!("the server's last words: {shown}")))
        })
    }

    /// Starts `command` and kills it `life` later, ready or not.
    pub fn start_and_kill(mut command: Command, life: Duration) -> anyhow::Result<()> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        std::thread::sleep(life);
        let _ = child.kill();
        child.wait()?;
        Ok(())
    }

    /// Starts `command`, which announces nothing, and waits until `address` accepts connections.
    pub fn start_silent(mut command: Command, cpu: Option<usize>, address: &str) -> anyhow::Result<Server> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = spawn_on(&mut command, cpu).with_context(|| format!("cannot start {program}"))?;
        let server = Server { child, url: format!("redis://{address}") };
        let until = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                bail!("{program} does not accept connections on {address} after 20 s");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Processor time used so far by all its threads.
    pub fn cpu_time(&self) -> Duration {
        cpu_time_of(self.child.id()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL on purpose: a measured server has nothing to say goodbye to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first `MPREG_URL=` of `stdout`. The rest is drained by a thread, so the child never blocks.
fn announced_url(stdout: impl Read + Send + 'static) -> Option<String> {
    let mut lines = BufReader::new(stdout);
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(url) = line.trim().strip_prefix("MPREG_URL=") {
            let url = url.to_owned();
            std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
            return Some(url);
        }
    }
}

/// Spawns with this thread moved to `cpu` meanwhile: the child inherits it from its first instruction.
fn spawn_on(command: &mut Command, cpu: Option<usize>) -> anyhow::Result<Child> {
    let Some(cpu) = cpu else { return Ok(command.spawn()?) };
    let before = sched_getaffinity(None)?;
    pin_this_thread(cpu)?;
    let child = command.spawn();
    sched_setaffinity(None, &before)?;
    Ok(child?)
}

/// This thread, and those it starts from now on, run on `cpu` only.
pub fn pin_this_thread(cpu: usize) -> anyhow::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).with_context(|| format!("cannot run on cpu {cpu}"))
}

/// The `mpreg` binary: what `--server` names, else the one beside this program.
pub fn mpreg_binary(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let beside = std::env::current_exe()?.with_file_name("mpreg");
    if !beside.exists() {
        bail!("no mpreg binary at {}; name one with --server", beside.display());
    }
    Ok(beside)
}

/// User and system time of process `id`, from `/proc`, in its ticks of 10 ms.
fn cpu_time_of(id: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The program's name stands in parentheses and may hold anything: count fields after the last one.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_found_among_other_lines() {
        let text = &b"mpreg 0.1.0\nMPREG_URL=ws://127.0.0.1:9\nready\n"[..];
        assert_eq!(announced_url(text).as_deref(), Some("ws://127.0.0.1:9"));
        assert_eq!(announced_url(&b"no luck\n"[..]), None);
    }

    #[test]
    fn a_child_that_says_nothing_is_an_error() {
        let Err(error) = Server::start(Command::new("true"), None) else { panic!("`true` serves nothing") };
        assert!(error.to_string().contains("before it printed MPREG_URL="), "{error}");
    }
}
