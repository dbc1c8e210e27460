//! What a caller may choose. Defaults are safe and none needs to be given.

use std::time::Duration;

/// When a write is acknowledged, and which values a read may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Write: handed to the operating system, survives a killed process. Read: the newest value.
    #[default]
    Eventual,
    /// Write: on the disk. Read: only what is on the disk.
    Strong,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Level::Eventual => "eventual",
            Level::Strong => "strong",
        }
    }
}

/// How to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectOptions {
    /// For opening the connection, upgrade included. Default 10 s.
    pub connect_timeout: Duration,
    /// For every call, from its start to its reply. Default 10 s.
    pub call_timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions { connect_timeout: Duration::from_secs(10), call_timeout: Duration::from_secs(10) }
    }
}

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Default: the node's, which is `eventual` unless its operator chose another.
    pub level: Option<Level>,
}

impl ReadOptions {
    /// Only values that would survive a power cut.
    #[must_use]
    pub fn strong() -> ReadOptions {
        ReadOptions { level: Some(Level::Strong) }
    }
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// Default: the node's, which is `eventual` unless its operator chose another.
    pub level: Option<Level>,
    /// How long the entry lives. Default: until it is deleted.
    pub ttl: Option<Duration>,
}

impl WriteOptions {
    /// Acknowledged once on disk.
    #[must_use]
    pub fn strong() -> WriteOptions {
        WriteOptions { level: Some(Level::Strong), ttl: None }
    }

    /// The same with a level.
    #[must_use]
    pub fn level(self, level: Level) -> WriteOptions {
        WriteOptions { level: Some(level), ..self }
    }

    /// The same with a time to live.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> WriteOptions {
        WriteOptions { ttl: Some(ttl), ..self }
    }
}
