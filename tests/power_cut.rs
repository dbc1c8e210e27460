//! Promise: a power cut loses nothing acknowledged `strong`, and of `eventual` at most what was
//! acknowledged in the last sync interval plus one sync.
//!
//! The real binary writes to an ext4 and to an xfs file system on a loop image. SIGKILL first, then the file system's
//! shutdown ioctl **without a log flush**: what the page cache held is gone, as in a power cut. Then
//! unmount, mount, start, audit. Needs root and loop devices; says so and passes where it cannot run.
//! `CUTS` (default 6, CI 30) rounds.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use support::Server;
use support::promises::{Book, audit, write};

/// Sync interval 10 ms, one sync, and what the scheduler adds on a loaded two-core machine.
const EVENTUAL_WINDOW: Duration = Duration::from_millis(250);

struct LoopDisk {
    image: PathBuf,
    mount: PathBuf,
    _dir: tempfile::TempDir,
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

impl LoopDisk {
    /// `None` where the machine cannot make such a file system or mount a loop image.
    fn new(make: &[&str]) -> Option<LoopDisk> {
        let dir = tempfile::tempdir().unwrap();
        let (image, mount) = (dir.path().join("disk.img"), dir.path().join("mnt"));
        std::fs::create_dir(&mount).unwrap();
        std::fs::File::create(&image).unwrap().set_len(2 << 30).unwrap();
        let disk = LoopDisk { image, mount, _dir: dir };
        let made = run(make[0], &[&make[1..], &[disk.image.to_str()?]].concat());
        (made && disk.mount()).then_some(disk)
    }

    fn mount(&self) -> bool {
        run("mount", &["-o", "loop", self.image.to_str().unwrap(), self.mount.to_str().unwrap()])
    }

    fn unmount(&self) -> bool {
        run("umount", &[self.mount.to_str().unwrap()])
    }

    /// The power goes: nothing further reaches the image, not even the journal.
    fn cut(&self) {
        shutdown_without_flush(&self.mount);
        assert!(self.unmount() && self.mount(), "the image mounts again after the cut");
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`; xfs has both under the same numbers.
fn shutdown_without_flush(mount: &Path) {
    const SHUTDOWN: u64 = (2 << 30) | (4 << 16) | ((b'X' as u64) << 8) | 125;
    let code = format!(
        "import fcntl,os,struct; fd=os.open({:?},os.O_RDONLY); fcntl.ioctl(fd,{SHUTDOWN},struct.pack('I',2))",
        mount.to_str().unwrap()
    );
    assert!(run("python3", &["-c", &code]), "the shutdown ioctl works on a mounted file system");
}

#[test]
fn a_power_cut_keeps_strong_writes_and_bounds_the_loss_of_eventual_ones() {
    power_cuts(&["mkfs.ext4", "-q", "-F"]);
}

#[test]
fn a_power_cut_on_xfs_does_no_more_harm() {
    power_cuts(&["mkfs.xfs", "-q", "-f"]);
}

fn power_cuts(make: &[&str]) {
    let file_system = make[0];
    let cuts: u64 = std::env::var("CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let Some(disk) = LoopDisk::new(make) else {
        println!("power_cut skipped: this machine cannot mount a loop image (needs root and {file_system})");
        return;
    };
    let began = Instant::now();
    let mut books: Vec<Book> = (0..4).map(|_| Book::default()).collect();
    let (mut from, mut lost, mut oldest_lost) = (0, 0, Duration::ZERO);
    let arguments = ["--set", "storage.free_min=0B", "--set", "storage.segment_bytes=8MiB"];
    for cut in 0..cuts {
        let server = Server::start(&disk.mount.join("data"), &arguments);
        let stop = AtomicBool::new(false);
        let port = server.port;
        let mut killed = Instant::now();
        std::thread::scope(|scope| {
            for (writer, book) in books.iter_mut().enumerate() {
                let stop = &stop;
                scope.spawn(move || write(port, writer, from, stop, book));
            }
            std::thread::sleep(Duration::from_millis(40 + (cut * 37) % 120));
            killed = Instant::now();
            server.kill();
        });
        disk.cut();
        from += 10_000_000;
        let server = Server::start(&disk.mount.join("data"), &arguments);
        let mut client = server.connect();
        for book in &mut books {
            let (strong_lost, eventual_lost) = audit(&mut client, book);
            assert_eq!(strong_lost, 0, "cut {cut}: a strong write is gone");
            lost += eventual_lost.len();
            for at in eventual_lost {
                oldest_lost = oldest_lost.max(killed.saturating_duration_since(at));
            }
            book.keys.values_mut().for_each(|promise| promise.eventual.clear());
        }
        assert!(
            oldest_lost <= EVENTUAL_WINDOW,
            "an eventual write acknowledged {oldest_lost:?} before the cut is gone"
        );
    }
    let acks: u64 = books.iter().map(|book| book.acks).sum();
    println!(
        "power_cut {file_system} cases={cuts} faults={cuts} acks={acks} eventual_lost={lost} oldest_lost_ms={:.1} violations=0 secs={:.1}",
        oldest_lost.as_secs_f64() * 1e3,
        began.elapsed().as_secs_f64()
    );
    assert!(acks > cuts * 20, "only {acks} acknowledgements: nothing was in flight");
}
