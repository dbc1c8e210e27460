//! Volatile writes: values in memory only, never logged, never in L2.
//!
//! What the key held durably is deleted first, as a logged operation: otherwise it would be back when the volatile
//! value leaves. Until a checkpoint has removed that row the value stays, later it may vanish at any time.

use super::Store;
use super::error::Error;
use super::known::FromTable;
use super::operation::Outcome;
use super::plan::bounded;
use crate::limits::{EXTRAS_BYTES_MAX, VALUE_BYTES_MAX};
use crate::record::op::{Delete, RECORD_OVERHEAD_BYTES};
use crate::record::{EntryFields, EntryKind, Lsn, Op};

impl Store {
    /// Stores a value in memory only. The value is JSON text within the limits; extras must carry neither tags nor
    /// dependencies, which only L2 can find again.
    ///
    /// # Errors
    /// As [`Store::stage`]. `outcome.lsn` is that of the logged deletion, `Lsn::ZERO` when there was none.
    pub fn stage_volatile(
        &self,
        key: &[u8],
        value: &[u8],
        ttl_us: Option<u64>,
        extras: &[u8],
    ) -> Result<Outcome, Error> {
        self.stage_unlogged(key, value, ttl_us, extras, &[])
    }

    /// [`Store::stage_volatile`] that reads L2 where it must and waits for room where there is none. Blocks.
    ///
    /// # Errors
    /// As [`Store::stage_volatile`], but never cold.
    pub fn stage_volatile_blocking(
        &self,
        key: &[u8],
        value: &[u8],
        ttl_us: Option<u64>,
        extras: &[u8],
    ) -> Result<Outcome, Error> {
        self.persist(&[key], |_| Ok(()), |told| self.stage_unlogged(key, value, ttl_us, extras, told))
    }

    fn stage_unlogged(
        &self,
        key: &[u8],
        value: &[u8],
        ttl_us: Option<u64>,
        extras: &[u8],
        from_table: &[FromTable],
    ) -> Result<Outcome, Error> {
        bounded("value", value, VALUE_BYTES_MAX)?;
        bounded("extras", extras, EXTRAS_BYTES_MAX)?;
        let pipeline = &self.shared.pipeline;
        let (mut inner, now) = pipeline.admit(RECORD_OVERHEAD_BYTES + key.len())?;
        let time_us = now.time_us;
        let previous = pipeline.memory.peek(key);
        let durable = match &previous {
            Some(entry) => entry.kind().is_stored(),
            None => pipeline.table.may_hold(key),
        };
        if durable && inner.dirty.marks.any() {
            // The deletion takes back the marks of what is there.
            self.shared.known(key, time_us, from_table)?;
        }
        let lsn = match previous {
            _ if durable => pipeline.stage(&mut inner, now, &Op::Delete(Delete { key, deleted_us: time_us })),
            Some(entry) => entry.lsn(),
            None => Lsn::ZERO,
        };
        let expires_us = ttl_us.map_or(0, |ttl_us| time_us.saturating_add(ttl_us.max(1)));
        let fields = EntryFields {
            kind: EntryKind::Volatile,
            lsn,
            created_us: time_us,
            expires_us,
            access_count: 0,
            last_access_us: time_us,
            value,
            extras,
        };
        pipeline.write_unlogged(&mut inner, now, key, &fields);
        Ok(Outcome { lsn, changed: true, time_us, expires_us })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::disk::{SimClock, SimDisk, SimRng};
    use crate::record::{Extras, Key};
    use crate::store::{Error, Level, Operation, Options, Store};
    use crate::write::recovery::Machine;

    /// Once anything has a tag, what L2 holds of a key must be known before it is deleted: the call that may not wait
    /// says so, the one that may does it.
    #[test]
    fn a_volatile_value_over_a_row_that_left_memory() {
        let (clock, rng) = (SimClock::new(1_700_000_000_000_000), SimRng::new(1));
        let machine = Machine { disk: Arc::new(SimDisk::new()), clock: Arc::new(clock), rng: Arc::new(rng) };
        let options = || {
            let mut options = Options::new("/data");
            (options.machine, options.threads, options.free_bytes_min) = (machine.clone(), false, Some(0));
            options
        };
        let store = Store::open(options()).unwrap();
        let (tagged, plain) = (Key::new("n", "tagged").unwrap(), Key::new("n", "plain").unwrap());
        let mut extras = Vec::new();
        Extras { tags: r#"["t"]"#, ..Extras::default() }.encode_into(&mut extras).unwrap();
        let put = Operation::Put { key: tagged.as_bytes(), value: b"1", ttl_us: None, extras: &extras };
        store.submit(&put, Level::Strong).unwrap().wait().unwrap();
        store.put(plain.as_bytes(), b"1", Level::Strong).unwrap();
        store.close().unwrap();
        let store = Store::open(options()).unwrap();
        let key = plain.as_bytes();
        assert!(matches!(store.stage_volatile(key, b"2", None, b""), Err(Error::Cold)));
        assert!(store.stage_volatile_blocking(key, b"2", None, b"").unwrap().changed);
        assert_eq!(store.get(key).unwrap().unwrap().value(), b"2");
    }
}
