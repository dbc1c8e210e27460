//! What can happen to a simulated disk: the operations that change it, in the form they are traced.
//!
//! Every operation that changed something gets the next number. A trace of them, applied to the
//! state it began with, rebuilds the disk as it was after each of them.

use std::path::Path;
use std::sync::Arc;

/// Names a file for good, whatever it is called (an inode number).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(super) u64);

/// A call of the `Disk` traits, for counting and for aiming faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpKind {
    /// An existing file is opened.
    Open,
    /// Names of a directory are read.
    List,
    /// Bytes or the length of a file are read, or it is mapped.
    Read,
    /// A file is created by opening or locking it.
    Create,
    /// A directory is made.
    CreateDir,
    /// Bytes are written.
    Write,
    /// A file is cut or extended.
    SetLen,
    /// `sync_data` of a file.
    Sync,
    /// `sync_dir` of a directory.
    SyncDir,
    /// A file gets another name.
    Rename,
    /// A name is removed.
    Remove,
}

impl OpKind {
    /// Number of kinds.
    pub const COUNT: usize = OpKind::Remove as usize + 1;

    /// True when the operation changes the disk or what of it is durable.
    pub fn is_boundary(self) -> bool {
        !matches!(self, OpKind::Open | OpKind::List | OpKind::Read)
    }
}

/// How a sync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncEnd {
    /// All that was pending is durable.
    Done,
    /// The call failed. What was pending counts as clean from now on: no later sync writes it. With
    /// a seed each pending page reached the disk or not by chance, without one none did.
    Failed(Option<u64>),
}

/// One change, as it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A directory and its parents were made; durable at once, as `Disk::create_dir` promises.
    CreateDir(Arc<Path>),
    /// An empty file appeared under a name.
    Create {
        /// The new name.
        path: Arc<Path>,
        /// The new file.
        file: FileId,
    },
    /// Bytes were written.
    Write {
        /// Into this file.
        file: FileId,
        /// At this byte.
        offset: u64,
        /// These bytes.
        bytes: Arc<[u8]>,
    },
    /// A file was cut or extended.
    SetLen {
        /// The file.
        file: FileId,
        /// Its new length in bytes.
        len: u64,
    },
    /// `sync_data` returned.
    Sync {
        /// The file.
        file: FileId,
        /// Covers the operations with numbers below this one (the count when the call began).
        before: u64,
        /// How it ended.
        end: SyncEnd,
    },
    /// `sync_dir` returned.
    SyncDir {
        /// The directory.
        dir: Arc<Path>,
        /// Covers the operations with numbers below this one.
        before: u64,
        /// How it ended.
        end: SyncEnd,
    },
    /// A file got another name, which may have been another file's.
    Rename {
        /// The file.
        file: FileId,
        /// Its old name.
        from: Arc<Path>,
        /// Its new name.
        to: Arc<Path>,
    },
    /// A file lost its name.
    Remove {
        /// The file.
        file: FileId,
        /// The name.
        path: Arc<Path>,
    },
    /// Bytes of the medium changed by themselves: durable at once, seen at once.
    Damage {
        /// The file.
        file: FileId,
        /// First changed byte.
        offset: u64,
        /// What is there now.
        bytes: Arc<[u8]>,
    },
}
