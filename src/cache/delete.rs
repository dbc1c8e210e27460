//! `delete`: hit when there was something to remove, miss when not; both wait for what they saw.

use mpreg_storage::store::{Error, Operation};

use crate::cache::{Clerk, Desk, Patience, head, reached, timed};
use crate::protocol::cache::Reply;
use crate::session::{self, Step};

impl Desk<'_> {
    pub(super) fn delete(&mut self, key: &[u8], reply: &mut session::Reply<'_>) -> Step {
        let cascades = self.request.options.cascade_dependencies;
        if cascades && self.patience == Patience::None {
            return Step::Cold;
        }
        let operation = Operation::Delete { key };
        let staged = self.stage(&operation);
        let outcome = match staged.map(|done| done.outcome) {
            Ok(outcome) if outcome.changed => outcome,
            Ok(outcome) => return self.miss(outcome.lsn, reply),
            Err(Error::Cold) => return Step::Cold,
            Err(error) if error.is_busy() => return Step::Busy,
            Err(error) => return self.fail(&error, reply),
        };
        let strong = self.is_strong();
        reply.seen.saw(outcome.lsn, strong);
        if cascades {
            match self.cache.store.remove_dependents([key], self.bulk_deadline_us()) {
                Ok(removed) => reply.seen.saw(removed.lsn, strong),
                Err(error) => return self.fail(&error, reply),
            }
        }
        let Clerk { ids, mark, tally, .. } = &mut *self.clerk;
        tally.deletes += 1;
        let durability = Some(reached(strong));
        Reply { durability, ..timed(head(self.request, ids, outcome.time_us), mark) }.write_into(reply.out);
        Step::Done
    }
}
