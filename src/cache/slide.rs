//! Sliding expiry: a read grants a new life, as a logged operation, at most once a tenth of that life.

use mpreg_storage::record::{Cause, EntryFields, Extras};
use mpreg_storage::store::{Operation, Update, Verdict};

use crate::cache::Desk;
use crate::session;

/// Grants the life an entry's own metadata names.
struct Slide;

impl Update for Slide {
    fn decide(&self, current: Option<&EntryFields<'_>>, now_us: u64) -> Verdict {
        let Some(fields) = current else { return Verdict::Keep };
        let slide_us = Extras::decode(fields.extras).unwrap_or_default().slide_us;
        let expires_us = now_us.saturating_add(slide_us);
        // Another reader may have been first.
        let due = slide_us != 0 && expires_us.saturating_sub(fields.expires_us) >= slide_us / 10;
        if due { Verdict::Touch { expires_us, cause: Cause::Slide } } else { Verdict::Keep }
    }

    fn grows_by(&self) -> usize {
        0
    }
}

impl Desk<'_> {
    /// Renews the life of an entry that has just been read. What cannot be done now is tried by the next read.
    #[cold]
    pub(super) fn slide(&self, key: &[u8], reply: &mut session::Reply<'_>) {
        let operation = Operation::Update { key, update: &Slide };
        if let Ok(done) = self.cache.store.stage(&operation) {
            reply.seen.saw(done.outcome.lsn, false);
        }
    }
}
