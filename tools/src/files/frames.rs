//! Frames of the log in order, as far as they count.

use std::path::Path;

use mpreg_storage::log::frame::FrameRef;
use mpreg_storage::log::{Look, Looked, SegmentScan, Step};
use mpreg_storage::record::{Lsn, SegmentId};

use super::{ReadOnlyDisk, log_failure};
use crate::failure::Failure;

/// A frame and where it is.
pub struct Frame<'a> {
    pub segment: SegmentId,
    pub frame: FrameRef<'a>,
}

/// Calls `each` for every frame that holds a record at or above `from`, oldest first, until it says
/// to stop with false. Every checksum up to the last frame passed is verified on the way.
pub fn visit(
    directory: &Path,
    look: &Look,
    from: Lsn,
    mut each: impl FnMut(Frame<'_>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    for segment in &look.segments {
        let counts = segment.last_lsn >= from && segment.last_lsn >= segment.first_lsn;
        if counts && !visit_segment(directory, segment, from, &mut each)? {
            break;
        }
    }
    Ok(())
}

/// True when the next segment should be visited, too.
fn visit_segment(
    directory: &Path,
    segment: &Looked,
    from: Lsn,
    each: &mut impl FnMut(Frame<'_>) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let path = directory.join(format!("{:020}.seg", segment.id.0));
    let mut scan = SegmentScan::open(&ReadOnlyDisk, &path).map_err(log_failure)?;
    // What a newer segment supersedes stands behind this point.
    while scan.next_lsn() <= segment.last_lsn {
        match scan.advance().map_err(log_failure)? {
            Step::Frame => {}
            Step::Footer => break,
            Step::Fault(fault) => return Err(log_failure(scan.corrupt(fault))),
        }
        let Some(frame) = scan.frame() else { continue };
        if frame.last_lsn() >= from && !each(Frame { segment: segment.id, frame })? {
            return Ok(false);
        }
    }
    Ok(true)
}
