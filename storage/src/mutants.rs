//! Planted bugs: each turns a named test red, or the test proves nothing.
//!
//! Built only with the feature `mutants`, never in a release; without it [`planted`] is `false` at
//! compile time and leaves no code behind.

/// Bugs that have been somebody's data loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// `Log::sync` answers without syncing.
    SkipSync = 1,
    /// A new segment's name is not made durable.
    SkipDirectorySync = 2,
    /// The log is cut at the first bad record, wherever it is.
    CutAtAnyBadRecord = 3,
    /// Segments are dropped before the L2 commit that replaces them.
    DropLogBeforeCheckpoint = 4,
    /// Replies leave before the log was handed over (planted in the server's session).
    ReplyBeforeHandOver = 5,
    /// A fill ignores writes that happened meanwhile.
    FillWithoutToken = 6,
    /// Readers do not wait for a batch that is being applied.
    ShowHalfBatches = 7,
}

#[cfg(feature = "mutants")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants one bug in this process, or none.
#[cfg(feature = "mutants")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), std::sync::atomic::Ordering::SeqCst);
}

/// Whether `bug` is planted.
#[cfg(feature = "mutants")]
#[must_use]
pub fn planted(bug: Bug) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::SeqCst) == bug as u8
}

/// Whether `bug` is planted: never, in this build.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[must_use]
pub const fn planted(_bug: Bug) -> bool {
    false
}
