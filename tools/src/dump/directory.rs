//! A data directory at rest, served to this program alone: a whole server over a disk that keeps every change in memory.
//! What stands in the directory is read exactly as a start would read it, recovery and all, and stays as it is.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use mpreg::{Node, Running};
use mpreg_storage::store::{Options, Store};
use tokio::runtime::Runtime;

use crate::failure::{Failure, Kind};
use crate::files::{DataDirectory, OverlayDisk};
use crate::online::{Connection, Session};

/// The server and the session with it.
pub struct Served {
    runtime: Runtime,
    running: Running,
    session: Session,
}

impl Served {
    /// Opens `data`, which nobody else may have.
    pub fn start(data: &Path, connection: &Connection) -> Result<Served, Failure> {
        if DataDirectory::open(data)?.is_live() {
            let reason = format!("{}: a server has it; dump over the wire, with --url", data.display());
            return Err(Failure::new(Kind::Error, reason));
        }
        let mut options = Options::new(data);
        options.machine.disk = Arc::new(OverlayDisk::default());
        options.free_bytes_min = Some(0);
        let store = Store::open(options).map_err(|error| {
            let error = mpreg::node::Error::from(error);
            let kind = if error.is_damage() { Kind::Damage } else { Kind::Error };
            Failure::new(kind, format!("{}: {:#}", data.display(), anyhow::Error::from(error)))
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let address = "127.0.0.1:0".parse().context("an address")?;
        let starting = Node::new(data).listen(address).over(store).start();
        let running = runtime.block_on(starting).map_err(anyhow::Error::from)?;
        let connection = Connection { url: running.url(), ..connection.clone() };
        let session = connection.open()?;
        Ok(Served { runtime, running, session })
    }

    /// The session with it.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Ends it. What it would write is in memory, so nothing can be lost.
    pub fn stop(self) {
        drop(self.session);
        let _ = self.runtime.block_on(self.running.shutdown());
    }
}
