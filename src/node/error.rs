//! Why a node cannot start or goes on no longer.

use std::io;
use std::net::SocketAddr;

use mpreg_storage::{log, store, table, write};

use crate::config::Problems;

/// See the variants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration does not hold together.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The store cannot be opened, closed, or has failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A function's declaration does not hold together, or two functions do not.
    #[error("a function cannot be registered: {0}")]
    Function(#[from] crate::rpc::Error),
    /// A thread of the node died.
    #[error("internal failure: {0}")]
    Internal(String),
}

impl Error {
    /// Whether stored bytes are damaged.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        let Error::Store(store::Error::Write(error)) = self else { return false };
        matches!(
            error,
            write::Error::Log(log::Error::Corrupt { .. })
                | write::Error::Table(table::Error::Corrupt { .. })
                | write::Error::Record { .. }
        )
    }
}
