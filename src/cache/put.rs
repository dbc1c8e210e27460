//! `put`: stage, and show what was stored. The value was validated when the message was parsed.

use mpreg_storage::record::Extras;
use mpreg_storage::store::{Error as StoreError, Operation};

use crate::cache::{Clerk, Desk, Patience, head, reached, timed};
use crate::protocol::cache::{EntryReply, Level, Put, Reply};
use crate::session::{self, Step};

impl Desk<'_> {
    pub(super) fn put(&mut self, put: &Put<'_>, key: &[u8], reply: &mut session::Reply<'_>) -> Step {
        self.clerk.extras.clear();
        if let Err(error) = put.encode_extras_into(&mut self.clerk.extras) {
            return self.refuse(&error, reply);
        }
        let extras = &self.clerk.extras;
        let (value, ttl_us) = (put.value.as_bytes(), put.metadata.ttl.map(|ttl| ttl.micros));
        let staged = match self.patience {
            Patience::None => self.cache.store.stage_put(key, value, ttl_us, extras),
            Patience::Blocking => {
                let operation = Operation::Put { key, value, ttl_us, extras };
                self.cache.store.stage_blocking(&operation).map(|done| done.outcome)
            }
        };
        let outcome = match staged {
            Ok(outcome) => outcome,
            Err(StoreError::Cold) => return Step::Cold,
            Err(error) if error.is_busy() => return Step::Busy,
            Err(error) => return self.fail(&error, reply),
        };
        let strong = self.is_strong();
        reply.seen.saw(outcome.lsn, strong);
        let Clerk { ids, extras, mark, tally, .. } = &mut *self.clerk;
        tally.puts += 1;
        let shown = EntryReply {
            namespace: &put.key.namespace,
            identifier: &put.key.identifier,
            version: &put.key.version,
            value,
            created_us: outcome.time_us,
            access_count: 0,
            last_access_us: outcome.time_us,
            ttl_us,
            extras: Extras::decode(extras).unwrap_or_default(),
            include_metadata: self.request.options.include_metadata,
        };
        let durability = Some(reached(strong));
        let head = head(self.request, ids, outcome.time_us);
        Reply { level: Some(Level::L1), durability, entry: Some(shown), ..timed(head, mark) }
            .write_into(reply.out);
        Step::Done
    }
}
