//! The log of the store as pub/sub reads it.

use mpreg_storage::record::{EventId, Position};
use mpreg_storage::store::{EventStep, Events, EventsFrom, Store};

use super::message::Teller;
use crate::pubsub::{EventLog, Follow, Followed, Told, Waiting};

/// See the module.
#[derive(Debug)]
pub(crate) struct StoreEvents {
    store: Store,
    teller: Teller,
}

impl StoreEvents {
    /// Events of `store`, told in the name of a cluster; with the values before and after if `values`.
    pub(crate) fn new(store: Store, cluster_id: &str, values: bool) -> StoreEvents {
        StoreEvents { store, teller: Teller { cluster_id: cluster_id.to_owned(), values } }
    }

    fn id(&self, lsn: mpreg_storage::record::Lsn) -> EventId {
        EventId::last_of(Position { epoch: self.store.epoch(), lsn })
    }
}

impl EventLog for StoreEvents {
    fn newest(&self) -> EventId {
        self.id(self.store.staged())
    }

    fn durable(&self) -> EventId {
        self.id(self.store.durable_lsn())
    }

    fn follow(&self, from: EventsFrom) -> Result<Box<dyn Follow>, String> {
        let events = self.store.events(from).map_err(|error| error.to_string())?;
        Ok(Box::new(StoreFollow { events, teller: self.teller.clone() }))
    }

    fn grown(&self, id: EventId) -> Waiting<Result<(), String>> {
        let grown = self.store.grown(id.position.lsn);
        Box::pin(async move { grown.await.map(drop).map_err(|error| error.to_string()) })
    }
}

struct StoreFollow {
    events: Events,
    teller: Teller,
}

impl Follow for StoreFollow {
    fn step(
        &mut self,
        wanted: &mut dyn FnMut(&str) -> bool,
        announced: bool,
        told: &mut Vec<Told>,
    ) -> Result<Followed, String> {
        let teller = &self.teller;
        let step = self.events.next(&mut |event| {
            teller.tell(event, wanted, announced, &mut |draft, announced| {
                told.push(Told { id: event.id, time_us: event.time_us, draft, announced });
            });
        });
        Ok(match step.map_err(|error| error.to_string())? {
            EventStep::Read => Followed::Read,
            EventStep::Gap { from, to } => Followed::Gap { from, to },
            EventStep::End => Followed::End,
        })
    }

    fn position(&self) -> EventId {
        self.events.position()
    }
}
