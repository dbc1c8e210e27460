//! Removing many keys, and what depends on them. All of it blocks; each key is one logged operation, so that no other
//! writer waits for longer than that.

use std::collections::HashSet;

use super::Store;
use super::error::Error;
use super::operation::Operation;
use crate::limits::CASCADE_KEYS_MAX;
use crate::record::op::{Note, RECORD_OVERHEAD_BYTES};
use crate::record::{Cause, KeyParts, Lsn, Op};
use crate::table::{DEPENDENCY, each_mark, mark_of};

/// Keys removed between two hand-overs.
const CHUNK_KEYS: usize = 256;
/// Index rows read at a time.
const PAGE_KEYS: usize = 1024;

/// What a removal of many came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Keys that were there and are gone.
    pub count: u64,
    /// Position of the last record.
    pub lsn: Lsn,
    /// The time was up before all keys were looked at.
    pub stopped: bool,
}

impl Store {
    /// Removes keys until `deadline_us`, in the time of [`Store::monotonic_us`]. Handed to the OS as it goes.
    pub fn remove_all<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
        cause: Cause,
        deadline_us: u64,
    ) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        for (at, key) in keys.into_iter().enumerate() {
            if at % CHUNK_KEYS == CHUNK_KEYS - 1 {
                self.hand_over(removed.lsn)?;
                if self.monotonic_us() >= deadline_us {
                    removed.stopped = true;
                    break;
                }
            }
            let done = self.stage_blocking(&Operation::Remove { key, cause })?;
            if done.outcome.changed {
                removed.count += 1;
                removed.lsn = removed.lsn.max(done.outcome.lsn);
            }
        }
        self.hand_over(removed.lsn)?;
        Ok(removed)
    }

    /// Removes what depends on these keys, and what depends on that, each once.
    pub fn remove_dependents<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
        deadline_us: u64,
    ) -> Result<Removed, Error> {
        let mut seen: HashSet<Box<[u8]>> = HashSet::new();
        let mut open: Vec<Box<[u8]>> = keys.into_iter().map(Box::from).collect();
        seen.extend(open.iter().cloned());
        let mut total = Removed::default();
        while let Some(key) = open.pop() {
            let mut dependents = self.dependents(&key)?;
            dependents.retain(|dependent| seen.insert(dependent.clone()));
            let removed =
                self.remove_all(dependents.iter().map(|key| &**key), Cause::Cascade, deadline_us)?;
            total.count += removed.count;
            total.lsn = total.lsn.max(removed.lsn);
            open.append(&mut dependents);
            if removed.stopped || seen.len() > CASCADE_KEYS_MAX {
                total.stopped = true;
                break;
            }
        }
        Ok(total)
    }

    /// Keys whose entries name this key among their dependencies.
    pub fn dependents(&self, key: &[u8]) -> Result<Vec<Box<[u8]>>, Error> {
        let Ok(parts) = KeyParts::decode(key) else { return Ok(Vec::new()) };
        let text = format!("{}:{}:{}", parts.namespace, parts.identifier, parts.version);
        let mark = mark_of(DEPENDENCY, text.as_bytes());
        let pipeline = &self.shared.pipeline;
        let (mut keys, snapshot) = {
            let inner = pipeline.inner.lock();
            let keys: HashSet<Box<[u8]>> = inner.dirty.marks.keys(&mark).map(Box::from).collect();
            (keys, pipeline.table.snapshot())
        };
        let mut after: Option<Box<[u8]>> = None;
        loop {
            let page = snapshot.marked(&mark, after.as_deref(), PAGE_KEYS)?;
            let last = page.len() < PAGE_KEYS;
            after = page.last().cloned();
            keys.extend(page);
            if last || keys.len() > CASCADE_KEYS_MAX {
                break;
            }
        }
        let mut found = Vec::new();
        for key in keys {
            let Some(entry) = self.get(&key)? else { continue };
            let mut carries = false;
            each_mark(entry.extras(), |other| carries |= other == mark);
            if carries {
                found.push(key);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Tells whoever follows the log of one operation on many keys.
    pub fn stage_note(&self, what: &str, namespace: &str, details: &str) -> Result<Lsn, Error> {
        let pipeline = &self.shared.pipeline;
        let bytes = RECORD_OVERHEAD_BYTES + what.len() + namespace.len() + details.len();
        let (mut inner, now) = pipeline.admit(bytes)?;
        let note = Note {
            what: what.as_bytes(),
            namespace: namespace.as_bytes(),
            details: details.as_bytes(),
            noted_us: now.time_us,
        };
        Ok(pipeline.stage(&mut inner, now, &Op::Note(note)))
    }

    /// A clock that only runs forward, for deadlines, in microseconds.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        self.shared.pipeline.clock.monotonic_us()
    }
}
