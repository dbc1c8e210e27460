//! Durable subscriptions: names, and how far each has come.
//!
//! They are records of the same log as the messages, for three reasons: one sync covers an acknowledgement and the
//! messages around it; the log survives as a prefix, so no power cut keeps a position and loses the message it stands
//! for; and a copy of the log is a copy of its subscriptions. A record would leave with its segment, so before a
//! segment is retired the positions recorded in it are recorded again at the end. Positions only go forward: the
//! members of a group commit in any order, and the furthest one counts.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::Topics;
use super::error::Error;
use super::index::Committed;
use super::publish::bounded;
use crate::limits::{SUBSCRIPTION_NAME_BYTES_MAX, SUBSCRIPTIONS_MAX};
use crate::record::message::{self, Commit};
use crate::record::{Level, Lsn, Position};

/// How far a named subscription has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: String,
    /// The last position it has acknowledged.
    pub reached: Position,
    /// When it last did, microseconds since 1970 UTC.
    pub time_us: u64,
    /// Records of all topics between that position and the newest message.
    pub lag_records: u64,
}

/// The names that are known.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    names: Mutex<BTreeMap<String, Reached>>,
}

#[derive(Debug, Clone, Copy)]
struct Reached {
    position: Position,
    time_us: u64,
    /// The record that says so.
    recorded: Lsn,
}

impl Subscriptions {
    /// Takes in what an opening found. In log order.
    pub fn replay(&self, commit: Committed) {
        let mut names = self.names.lock();
        let Some(position) = commit.reached else {
            names.remove(&commit.name);
            return;
        };
        let (time_us, recorded) = (commit.time_us, commit.lsn);
        let known = names.entry(commit.name).or_insert(Reached { position, time_us, recorded });
        if position >= known.position {
            *known = Reached { position, time_us, recorded };
        }
    }
}

impl Topics {
    /// Notes that the subscription `name` has everything through `position`, and waits until `level` holds. A position
    /// at or before the one noted changes nothing. A name is created by its first commit. Blocks.
    ///
    /// # Errors
    /// `TooLarge`, `TooManySubscriptions`, and as [`Topics::publish`].
    pub fn commit(&self, name: &str, position: Position, level: Level) -> Result<(), Error> {
        let recorded = self.with_room(|| self.stage_commit(name, position))?;
        self.settle(recorded, level)
    }

    /// [`Topics::commit`] without waiting: [`Topics::hand_over`] and [`Topics::durable`] of the returned position say
    /// when the commit is safe.
    ///
    /// # Errors
    /// As [`Topics::commit`], and busy; nothing was noted.
    pub fn stage_commit(&self, name: &str, position: Position) -> Result<Position, Error> {
        bounded("name", name.len(), SUBSCRIPTION_NAME_BYTES_MAX)?;
        let mut names = self.shared.subscriptions.names.lock();
        let known = names.get(name);
        if let Some(known) = known.filter(|known| position <= known.position) {
            return Ok(self.shared.position(known.recorded));
        }
        if known.is_none() && names.len() >= SUBSCRIPTIONS_MAX {
            return Err(Error::TooManySubscriptions { count: names.len() });
        }
        let reached = self.shared.stage_commit(name, Some(position))?;
        names.insert(name.to_owned(), reached);
        Ok(self.shared.position(reached.recorded))
    }

    /// The position the subscription `name` has reached: go on with [`Start::After`](super::Start::After) it. `None`
    /// when there is no such subscription.
    #[must_use]
    pub fn resume(&self, name: &str) -> Option<Position> {
        Some(self.shared.subscriptions.names.lock().get(name)?.position)
    }

    /// Forgets a subscription and waits until `level` holds; false when there was none. Blocks.
    ///
    /// # Errors
    /// As [`Topics::publish`].
    pub fn remove_subscription(&self, name: &str, level: Level) -> Result<bool, Error> {
        let removed = self.with_room(|| {
            let mut names = self.shared.subscriptions.names.lock();
            if !names.contains_key(name) {
                return Ok(None);
            }
            let removed = self.shared.stage_commit(name, None)?;
            names.remove(name);
            Ok(Some(removed.recorded))
        })?;
        let Some(removed) = removed else { return Ok(false) };
        self.settle(self.shared.position(removed), level)?;
        Ok(true)
    }

    /// Every durable subscription, by name.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        let newest = self.shared.gate().visible();
        let names = self.shared.subscriptions.names.lock();
        let subscription = |(name, reached): (&String, &Reached)| Subscription {
            name: name.clone(),
            reached: reached.position,
            time_us: reached.time_us,
            lag_records: newest.0.saturating_sub(reached.position.lsn.0),
        };
        names.iter().map(subscription).collect()
    }

    fn settle(&self, recorded: Position, level: Level) -> Result<(), Error> {
        match level {
            Level::Eventual => self.hand_over(recorded),
            Level::Strong => Ok(self.durable(recorded).wait()?),
        }
    }
}

impl super::Shared {
    /// Records a position. The caller holds the lock of the names, so that records of a name are in the order in which
    /// its positions were noted.
    fn stage_commit(&self, name: &str, reached: Option<Position>) -> Result<Reached, Error> {
        let (staged, ()) = self.journal.stage(message::commit_bytes(name), |staged, body| {
            message::encode_commit(&Commit { time_us: staged.time_us, name, reached }, body);
        })?;
        let position = reached.unwrap_or_default();
        Ok(Reached { position, time_us: staged.time_us, recorded: staged.lsn })
    }

    /// Records again what is recorded at or below `through` and nowhere else, durably: the segments through there may
    /// go then. `time_us` of a position becomes that of the new record.
    pub(super) fn carry_forward(&self, through: Lsn) -> Result<(), Error> {
        let mut last = None;
        {
            let mut names = self.subscriptions.names.lock();
            for (name, reached) in names.iter_mut().filter(|(_, reached)| reached.recorded <= through) {
                let again = self.stage_commit(name, Some(reached.position))?;
                last = Some(again.recorded);
                *reached = Reached { time_us: reached.time_us, ..again };
            }
        }
        last.map_or(Ok(()), |last| Ok(self.journal.wait_durable(last)?))
    }
}
