//! How the backlog is kept: what leaves when, and what each topic may have of it.

use super::error::Error;
use super::pattern::Pattern;
use crate::limits::{SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN, TOPIC_POLICIES_MAX};
use crate::record::Level;

/// What a replay shows of one topic at most: its newest messages within all three bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Age in microseconds. Default 3,600 s.
    pub age_us: u64,
    /// Messages. Default 1,000.
    pub count: u64,
    /// Bytes of their records. Default: no bound but the log's.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { age_us: 3_600_000_000, count: 1000, bytes: u64::MAX }
    }
}

/// What holds for the topics a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which topics.
    pub pattern: Pattern,
    /// What a replay shows of each of them.
    pub limits: Limits,
    /// Level of publishes that ask for none; `None`: the node's default.
    pub durability: Option<Level>,
    /// Never stored: the node only fans them out, and asks [`Topics::policy`](super::Topics::policy) before it
    /// publishes here.
    pub volatile: bool,
}

impl Policy {
    /// A policy with the default limits.
    #[must_use]
    pub fn new(pattern: Pattern) -> Policy {
        Policy { pattern, limits: Limits::default(), durability: None, volatile: false }
    }
}

/// How the backlog is opened. Sizes are bytes, times microseconds.
#[derive(Debug, Clone)]
pub struct Options {
    /// Length of a segment file. Default 64 MiB, at least 4 KiB. Never more than an eighth of `bytes_max`, so that
    /// retention works in small steps.
    pub segment_bytes: u64,
    /// Bytes of all segment files above which the oldest segment leaves. Default 1 GiB.
    pub bytes_max: u64,
    /// Distinct topics (counted once for each sealed segment they occur in) above which the oldest segment leaves.
    /// Each costs about 150 bytes of memory. Default 1,000,000.
    pub topics_max: u64,
    /// What a topic without a policy may have.
    pub limits: Limits,
    /// The first one whose pattern matches a topic holds for it. At most 1,024.
    pub policies: Vec<Policy>,
    /// How long an `eventual` publish stays unsynced when nothing else happens. Default 10 ms.
    pub sync_interval_us: u64,
    /// Acknowledged but unsynced bytes above which publishes wait. Default 64 MiB.
    pub unsynced_bytes_max: u64,
    /// Age of unsynced bytes above which publishes wait. Default 1 s.
    pub unsynced_age_us_max: u64,
    /// Free bytes of the disk below which publishes are refused. Default: 5 % of the disk, at least 256 MiB.
    pub free_bytes_min: Option<u64>,
    /// Whether the backlog runs its threads (sync, housekeeping). A simulation turns them off and calls
    /// [`Topics::step`](super::Topics::step).
    pub threads: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            bytes_max: 1 << 30,
            topics_max: 1_000_000,
            limits: Limits::default(),
            policies: Vec::new(),
            sync_interval_us: 10_000,
            unsynced_bytes_max: 64 << 20,
            unsynced_age_us_max: 1_000_000,
            free_bytes_min: None,
            threads: true,
        }
    }
}

impl Options {
    /// The same, with what follows from each other settled.
    pub(super) fn checked(mut self) -> Result<Options, Error> {
        if self.policies.len() > TOPIC_POLICIES_MAX {
            return Err(Error::Options { what: "there are more than 1,024 policies" });
        }
        if self.bytes_max < 2 * SEGMENT_BYTES_MIN {
            return Err(Error::Options { what: "bytes_max must be at least 8 KiB" });
        }
        let part = (self.bytes_max / 8).next_multiple_of(SEGMENT_BYTES_MIN);
        self.segment_bytes = self.segment_bytes.min(part).max(SEGMENT_BYTES_MIN);
        Ok(self)
    }

    /// The policy of a topic; `None` when the general limits hold.
    #[must_use]
    pub fn policy(&self, topic: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.pattern.matches(topic))
    }

    /// The limits of a topic.
    #[must_use]
    pub fn limits_of(&self, topic: &str) -> Limits {
        self.policy(topic).map_or(self.limits, |policy| policy.limits)
    }

    /// No message older than this is shown to anybody who asks for a backlog.
    pub(super) fn age_us_max(&self) -> u64 {
        let ages = self.policies.iter().filter(|policy| !policy.volatile).map(|policy| policy.limits.age_us);
        ages.fold(self.limits.age_us, u64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_policy_that_matches_holds() {
        let policy = |text: &str, count| {
            let limits = Limits { count, age_us: count, ..Limits::default() };
            Policy { limits, ..Policy::new(Pattern::new(text).unwrap()) }
        };
        let mut volatile = policy("reply.#", 9_000_000_000_000);
        volatile.volatile = true;
        let policies = vec![policy("a.b", 1), policy("a.#", 5_000_000_000), volatile];
        let options = Options { policies, ..Options::default() };
        assert_eq!(options.limits_of("a.b").count, 1);
        assert_eq!(options.limits_of("a.c").count, 5_000_000_000);
        assert_eq!(options.limits_of("b"), Limits::default());
        assert!(options.policy("reply.1").unwrap().volatile);
        assert_eq!(options.age_us_max(), 5_000_000_000, "volatile topics keep nothing");
    }

    #[test]
    fn retention_works_in_small_steps() {
        let options = |bytes_max| Options { bytes_max, ..Options::default() }.checked();
        assert_eq!(options(1 << 30).unwrap().segment_bytes, 64 << 20);
        assert_eq!(options(64 << 20).unwrap().segment_bytes, 8 << 20);
        assert_eq!(options(8 << 10).unwrap().segment_bytes, 4 << 10);
        assert!(options(4 << 10).is_err());
    }
}
