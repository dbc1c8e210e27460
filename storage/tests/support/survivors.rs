//! The machines that may be found after a run, and whether each keeps what was promised to it.

use mpreg_storage::disk::{CrashSpec, SimDisk};
use mpreg_storage::record::{Epoch, Lsn};
use mpreg_storage::store::{Error, Level};
use mpreg_storage::{log, write};

use super::{Ack, History, Life, judge, key};

/// What was promised for which sort of end.
#[derive(Debug, Default)]
pub struct Promised {
    /// When the power goes.
    pub strong: Lsn,
    /// When only the process ends.
    pub eventual: Lsn,
    /// A sync has failed, so pages exist that only the page cache has and no sync will write.
    pub sync_failed: bool,
    pub epoch: Epoch,
}

impl Promised {
    pub fn of(acks: &[Ack], epoch: Epoch, sync_failed: bool) -> Promised {
        let highest =
            |acks: &mut dyn Iterator<Item = &Ack>| acks.map(|ack| ack.lsn).max().unwrap_or(Lsn::ZERO);
        let strong = highest(&mut acks.iter().filter(|ack| ack.level == Level::Strong));
        Promised { strong, eventual: highest(&mut acks.iter()), sync_failed, epoch }
    }
}

/// The store has been dropped; `disk` is healthy again. Opens the disk without power, the disk with
/// everything on it, and the disk as the restarted process sees it, page cache included.
pub fn judge_survivors(
    disk: &SimDisk,
    history: &History,
    promised: &Promised,
    seed: u64,
) -> Result<(), String> {
    let Promised { strong, eventual, sync_failed, epoch } = *promised;
    let on_disk = if sync_failed { strong } else { eventual };
    for (spec, lsn) in [(CrashSpec::NOTHING, strong), (CrashSpec::EVERYTHING, on_disk)] {
        let image = disk.crash_image(&spec);
        judge(&image, history, lsn, epoch, seed).map_err(|wrong| format!("{spec:?}: {wrong}"))?;
        keeps_serving(&image, seed, false).map_err(|wrong| format!("{spec:?}: {wrong}"))?;
    }
    judge(disk, history, eventual, epoch, seed).map_err(|wrong| format!("restart: {wrong}"))?;
    keeps_serving(disk, seed, sync_failed).map_err(|wrong| format!("restart: {wrong}"))
}

/// Two checkpoints on top of what was found, then a power cut: what L2 was built on must be there.
///
/// With `may_refuse` the last start may find a gap in the log and say so. The simulated disk forgets a
/// removed name whose directory sync failed, and still keeps the removal of the next one; no journal
/// does that. Nothing acknowledged is lost, and the log room refuses gaps on purpose.
fn keeps_serving(disk: &SimDisk, seed: u64, may_refuse: bool) -> Result<(), String> {
    let life = Life::begin(disk, seed + 2).map_err(|error| format!("another start: {error}"))?;
    for round in 0..2u8 {
        let put = |number| life.store.put(key(number).as_bytes(), &[b'0' + round], Level::Strong);
        put(500).and(put(501)).map_err(|error| format!("put {round}: {error}"))?;
        life.store.checkpoint().map_err(|error| format!("checkpoint {round}: {error}"))?;
    }
    let want = life.state().map_err(|error| format!("reading: {error}"))?;
    drop(life);
    let image = disk.crash_image(&CrashSpec::NOTHING);
    let life = match Life::begin(&image, seed + 3) {
        Err(Error::Write(write::Error::Log(log::Error::Missing { .. }))) if may_refuse => return Ok(()),
        opened => opened.map_err(|error| format!("after its checkpoints: {error}"))?,
    };
    let found = life.state().map_err(|error| format!("reading after its checkpoints: {error}"))?;
    if found == want { Ok(()) } else { Err("two checkpoints later the power cut changed the state".into()) }
}
