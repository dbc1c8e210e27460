//! `log --follow`: frames as a server writes them, read from its files alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mpreg_storage::disk::Disk;
use mpreg_storage::log::{SegmentScan, Step};
use mpreg_storage::record::{Lsn, SegmentId};

use crate::failure::{Failure, Outcome};
use crate::files::{DataDirectory, Frame, ReadOnlyDisk, log_failure, visit};

/// How often the files are looked at.
const STEP: Duration = Duration::from_millis(100);

/// Where the follower stands.
struct Follower<'a> {
    directory: &'a DataDirectory,
    /// The next record to show.
    next: Lsn,
    /// The segment being written, behind its last frame.
    active: Option<(SegmentId, SegmentScan)>,
}

/// Calls `each` for every frame from `next` on, those there are and those to come, until it says false.
pub fn follow(
    directory: &DataDirectory,
    next: Lsn,
    mut each: impl FnMut(&Frame<'_>) -> Result<bool, Failure>,
) -> Outcome {
    let mut follower = Follower { directory, next, active: None };
    loop {
        let more = match &follower.active {
            Some((id, _)) if !is_older(&directory.log_path(), *id)? => follower.read_on(&mut each)?,
            _ => follower.enter(&mut each)?,
        };
        if !more {
            return Ok(());
        }
        std::thread::sleep(STEP);
    }
}

impl Follower<'_> {
    /// Shows what the files hold beyond `next`, and stands in the newest segment then.
    fn enter(&mut self, each: &mut impl FnMut(&Frame<'_>) -> Result<bool, Failure>) -> Result<bool, Failure> {
        let path = self.directory.log_path();
        let mut more = true;
        let newest = self.directory.observe(|observed| {
            visit(&path, &observed.look, self.next, |frame| {
                let (first, last) = (frame.frame.head.first_lsn, frame.frame.last_lsn());
                if first > self.next && self.next > Lsn(1) {
                    eprintln!("log: lsn {} to {} are gone: the log moved on faster", self.next, first.prev());
                }
                more = each(&frame)?;
                // At once: a second attempt must not show it again.
                self.next = last.plus(1);
                Ok(more)
            })?;
            Ok(observed.look.segments.last().map(|segment| segment.id))
        })?;
        if let (Some(id), true) = (newest, more) {
            let scan = SegmentScan::open(&ReadOnlyDisk, &segment_path(&path, id)).map_err(log_failure)?;
            self.active = Some((id, scan));
            return self.read_on(each);
        }
        Ok(more)
    }

    /// Shows what was written to the segment since. What does not verify is not whole yet.
    fn read_on(
        &mut self,
        each: &mut impl FnMut(&Frame<'_>) -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        let Some((id, scan)) = &mut self.active else { return Ok(true) };
        scan.look_again();
        while scan.advance().map_err(log_failure)? == Step::Frame {
            let Some(frame) = scan.frame().filter(|frame| frame.last_lsn() >= self.next) else { continue };
            self.next = frame.last_lsn().plus(1);
            if !each(&Frame { segment: *id, frame })? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether a newer segment than `id` is in use.
fn is_older(log: &Path, id: SegmentId) -> Result<bool, Failure> {
    let number = |name: &str| name.strip_suffix(".seg")?.parse::<u64>().ok();
    let newer = |name: &String| number(name).map(SegmentId).filter(|other| other.0 > id.0);
    // A prepared one waits beside the active one; it counts once it has its header.
    let in_use = |other: SegmentId| SegmentScan::open(&ReadOnlyDisk, &segment_path(log, other)).is_ok();
    Ok(ReadOnlyDisk.list(log)?.iter().filter_map(newer).any(in_use))
}

fn segment_path(log: &Path, id: SegmentId) -> PathBuf {
    log.join(format!("{:020}.seg", id.0))
}
