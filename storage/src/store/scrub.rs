//! The scrubber: reads everything that is stored, slowly, once a day.
//!
//! Damage that nobody reads is found when it is too late, after the other copy of it is gone as well. So every row of L2
//! and every frame of the log's segments is read and its checksum compared, at [`SCRUB_BYTES_PER_SECOND`].
//! What is found is told by [`Store::trouble`](super::Store::trouble) until a later pass finds nothing.
//!
//! A page of L2 whose structure is damaged, not its rows, still ends the process when it is read: redb verifies its
//! pages only while nobody else has the file (see `table_check_bytes_max`, and `mpreg-tools verify`).

use std::ops::Bound;

use super::error::Error;
use super::{Shared, Store};
use crate::limits::{SCRUB_BYTES_PER_SECOND, SCRUB_STEP_US};
use crate::log;
use crate::record::Lsn;

/// How long after a start the first pass begins, at most.
const FIRST_AFTER_US: u64 = 60_000_000;

/// What a pass found so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scrubbed {
    /// Bytes of keys, rows and frames read.
    pub bytes: u64,
    /// Damaged places.
    pub damaged: u64,
    /// The first of them.
    pub first: Option<String>,
}

impl Scrubbed {
    fn damage(&mut self, what: &dyn std::fmt::Display) {
        self.damaged += 1;
        self.first.get_or_insert_with(|| what.to_string());
    }

    /// What an operator is told; `None` when all was well.
    fn told(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!("stored data is damaged in {} places, the first: {first}", self.damaged))
    }
}

/// Where the scrubber stands.
#[derive(Debug)]
pub(super) struct Scrubber {
    next_us: u64,
    stage: Stage,
    found: Scrubbed,
}

#[derive(Debug)]
enum Stage {
    /// The last row looked at.
    Table(Option<Box<[u8]>>),
    /// Up to the last position that was written when the log's turn came.
    Log { reader: Box<log::Reader>, through: Lsn },
}

impl Scrubber {
    /// The first pass begins a while after `now_us`, or an `interval_us` if that is shorter.
    pub(super) fn new(now_us: u64, interval_us: u64) -> Scrubber {
        let next_us = now_us.saturating_add(FIRST_AFTER_US.min(interval_us));
        Scrubber { next_us, stage: Stage::Table(None), found: Scrubbed::default() }
    }
}

impl Store {
    /// Reads everything stored now, at full speed, and tells what is damaged. Blocks; a pass that was under way begins
    /// anew with the next one.
    ///
    /// # Errors
    /// What kept it from reading on, such as the disk; damage is no error here.
    pub fn scrub(&self) -> Result<Scrubbed, Error> {
        let mut scrubber = self.shared.scrubber.lock();
        *scrubber = Scrubber::new(scrubber.next_us, 0);
        loop {
            if let Some(found) = self.shared.scrub_some(&mut scrubber, u64::MAX)? {
                return Ok(found);
            }
        }
    }
}

impl Shared {
    /// What is due of a pass since the last step, [`SCRUB_STEP_US`] ago. False when none is due now.
    pub(super) fn step_scrub(&self) -> Result<bool, Error> {
        const STEP_BYTES: u64 = SCRUB_BYTES_PER_SECOND * SCRUB_STEP_US / 1_000_000;
        let interval_us = self.options.scrub_interval_us;
        let now_us = self.pipeline.clock.monotonic_us();
        let mut scrubber = self.scrubber.lock();
        if interval_us == 0 || now_us < scrubber.next_us {
            return Ok(false);
        }
        if self.scrub_some(&mut scrubber, STEP_BYTES)?.is_some() {
            *scrubber = Scrubber::new(now_us, 0);
            scrubber.next_us = now_us.saturating_add(interval_us);
        }
        Ok(true)
    }

    /// Reads on for about `bytes`; what was found, once the pass is over. Damage is told as soon as it is found.
    fn scrub_some(&self, scrubber: &mut Scrubber, bytes: u64) -> Result<Option<Scrubbed>, Error> {
        let Scrubber { stage, found, .. } = scrubber;
        let over = match stage {
            Stage::Table(after) => {
                if self.scrub_rows(after, found, bytes)? {
                    let log = &self.pipeline.log;
                    let reader = Box::new(log.reader(log.usage().first_lsn));
                    *stage = Stage::Log { reader, through: log.written() };
                }
                false
            }
            Stage::Log { reader, through } => self.scrub_frames(reader, *through, found, bytes)?,
        };
        let told = found.told();
        if over || told.is_some() {
            *self.damage.lock() = told;
        }
        Ok(over.then(|| std::mem::take(found)))
    }

    /// True when the last row was looked at.
    fn scrub_rows(
        &self,
        after: &mut Option<Box<[u8]>>,
        found: &mut Scrubbed,
        bytes: u64,
    ) -> Result<bool, Error> {
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let through = found.bytes.saturating_add(bytes);
        let mut last = None;
        for row in self.pipeline.table.snapshot().range(from, Bound::Unbounded)? {
            let row = row?;
            found.bytes += (row.key().len() + row.row_bytes()) as u64;
            if let Err(error) = row.fields() {
                found.damage(&error);
            }
            let enough = found.bytes >= through;
            last = Some(row);
            if enough {
                break;
            }
        }
        let done = found.bytes < through;
        if let Some(row) = last {
            *after = Some(row.key().into());
        }
        Ok(done)
    }

    /// True when everything through `through` was read. A segment that is retired meanwhile needs no look any more; behind
    /// damage the chain of frames is broken, so the rest of the log waits for the next pass.
    fn scrub_frames(
        &self,
        reader: &mut log::Reader,
        through: Lsn,
        found: &mut Scrubbed,
        bytes: u64,
    ) -> Result<bool, Error> {
        let enough = found.bytes.saturating_add(bytes);
        while found.bytes < enough {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    found.bytes += frame.body.len() as u64;
                    if frame.last_lsn() >= through {
                        return Ok(true);
                    }
                }
                Ok(None) => return Ok(true),
                Err(log::Error::Retired { first }) => *reader = self.pipeline.log.reader(first),
                Err(error @ log::Error::Corrupt { .. }) => {
                    found.damage(&error);
                    return Ok(true);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}
