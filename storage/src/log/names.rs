//! File names in a log's directory.
//!
//! ```text
//! 00000000000000000007.seg     segment 7: prepared, active or sealed
//! 00000000000000000003.spare   retired, waiting to be used again; holds old bytes
//! 00000000000000000008.tmp     being made; removed when found at opening
//! ```

use std::path::{Path, PathBuf};

use crate::record::SegmentId;

/// What a file in the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Segment,
    Spare,
    Unfinished,
}

impl FileKind {
    fn suffix(self) -> &'static str {
        match self {
            FileKind::Segment => "seg",
            FileKind::Spare => "spare",
            FileKind::Unfinished => "tmp",
        }
    }
}

/// Path of the file of this kind and number.
pub(super) fn path(dir: &Path, id: SegmentId, kind: FileKind) -> PathBuf {
    dir.join(format!("{:020}.{}", id.0, kind.suffix()))
}

/// Reads a file name; `None` for names this room never writes, which it leaves alone.
pub(super) fn parse(name: &str) -> Option<(SegmentId, FileKind)> {
    let (digits, suffix) = name.split_once('.')?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let id = SegmentId(digits.parse().ok()?);
    let kinds = [FileKind::Segment, FileKind::Spare, FileKind::Unfinished];
    let kind = kinds.into_iter().find(|kind| kind.suffix() == suffix)?;
    Some((id, kind))
}

/// The segment number in the name of a segment file.
pub(super) fn segment_id(path: &Path) -> Option<SegmentId> {
    match parse(path.file_name()?.to_str()?)? {
        (id, FileKind::Segment) => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_round_trip_and_sort_by_number() {
        for kind in [FileKind::Segment, FileKind::Spare, FileKind::Unfinished] {
            for id in [1, 9, 10, u64::MAX] {
                let path = path(Path::new("/wal"), SegmentId(id), kind);
                assert_eq!(parse(path.file_name().unwrap().to_str().unwrap()), Some((SegmentId(id), kind)));
            }
        }
        let path = |id| path(Path::new(""), SegmentId(id), FileKind::Segment);
        assert!(path(9) < path(10));
        assert_eq!(segment_id(&path(10)), Some(SegmentId(10)));
    }

    #[test]
    fn other_files_are_left_alone() {
        for name in ["LOCK", "7.seg", "00000000000000000007.seg.bak", "0000000000000000000x.seg", "", "."] {
            assert_eq!(parse(name), None, "{name:?}");
        }
        assert_eq!(parse("99999999999999999999.seg"), None, "does not fit u64");
    }
}
