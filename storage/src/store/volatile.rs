//! Volatile writes: values in memory only, never logged, never in L2.
//!
//! What the key held durably is deleted first, as a logged operation: otherwise it would be back when the volatile
//! value leaves. Until a checkpoint has removed that row the value stays, later it may vanish at any time.

use super::Store;
use super::error::Error;
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
            self.shared.known(key, time_us, &[])?;
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
