//! How safe something must be before anybody is told of it.

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Handed to the OS: survives the death of the process, may lose the last sync interval on a
    /// power cut.
    Eventual,
    /// Synced: survives a power cut.
    Strong,
}

impl Level {
    /// The word of the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Eventual => "eventual",
            Level::Strong => "strong",
        }
    }
}
