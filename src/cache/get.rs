//! `get`: spliced from memory into the reply while the entry is pinned, without a copy in between.

use mpreg_storage::memory::Entry;
use mpreg_storage::record::{Extras, Lsn};
use mpreg_storage::store::Read;

use crate::cache::{Cache, Clerk, Desk, Patience, head, timed};
use crate::protocol::cache::{EntryReply, KeyText, Level, Reply, Request, Status};
use crate::session::{self, Step};

impl Desk<'_> {
    pub(super) fn get(&mut self, key: &KeyText<'_>, encoded: &[u8], reply: &mut session::Reply<'_>) -> Step {
        let mut answer = Hit { cache: self.cache, request: self.request, key, strong: self.is_strong() };
        let clerk = &mut *self.clerk;
        let now_us = clerk.now_us;
        let found =
            self.cache.store.read(encoded, now_us, |entry| answer.write(entry, Level::L1, clerk, reply));
        match found {
            Read::Hit(()) => Step::Done,
            Read::Miss { observed } => self.miss(observed, reply),
            // Without L2 among its levels the request sees memory only.
            Read::Cold if !self.request.options.levels.has(Level::L2) => self.miss(Lsn::ZERO, reply),
            Read::Cold if self.patience == Patience::None => Step::Cold,
            Read::Cold => self.get_cold(encoded, &mut answer, reply),
        }
    }

    fn get_cold(&mut self, encoded: &[u8], answer: &mut Hit<'_>, reply: &mut session::Reply<'_>) -> Step {
        match self.cache.store.get(encoded) {
            Ok(Some(entry)) => {
                answer.write(&entry, Level::L2, self.clerk, reply);
                Step::Done
            }
            Ok(None) => {
                // Whoever removed it meanwhile is what this miss has seen; what only L2 lacks is checkpointed.
                let seen = self.cache.store.read(encoded, self.clerk.now_us, Entry::lsn);
                match seen {
                    Read::Miss { observed: lsn } | Read::Hit(lsn) => self.miss(lsn, reply),
                    Read::Cold => self.miss(Lsn::ZERO, reply),
                }
            }
            Err(error) => self.fail(&error, reply),
        }
    }

    /// Answers that there is nothing, as the version at `observed` says.
    pub(super) fn miss(&mut self, observed: Lsn, reply: &mut session::Reply<'_>) -> Step {
        let strong = self.is_strong();
        reply.seen.saw(observed, strong);
        self.clerk.tally.misses += 1;
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let durability = Some(self.cache.durability(observed, strong));
        let head = head(self.request, ids, *now_us);
        Reply { status: Status::Miss, durability, ..timed(head, mark) }.write_into(reply.out);
        Step::Done
    }
}

/// Writes the reply of a get that found something.
struct Hit<'a> {
    cache: &'a Cache,
    request: &'a Request<'a>,
    key: &'a KeyText<'a>,
    strong: bool,
}

impl Hit<'_> {
    fn write(&mut self, entry: &Entry, level: Level, clerk: &mut Clerk, reply: &mut session::Reply<'_>) {
        let fields = entry.fields();
        reply.seen.saw(fields.lsn, self.strong);
        clerk.tally.hit(level);
        let ttl_us = (fields.expires_us != 0).then(|| fields.expires_us.saturating_sub(fields.created_us));
        let shown = EntryReply {
            namespace: &self.key.namespace,
            identifier: &self.key.identifier,
            version: &self.key.version,
            value: fields.value,
            created_us: fields.created_us,
            access_count: fields.access_count.into(),
            // This read is the last access; memory notes it in steps.
            last_access_us: fields.last_access_us.max(clerk.now_us),
            ttl_us,
            // Extras are checked when they are put; a row damaged since would fail its checksum.
            extras: Extras::decode(fields.extras).unwrap_or_default(),
            include_metadata: self.request.options.include_metadata,
        };
        let durability = Some(self.cache.durability(fields.lsn, self.strong));
        let head = head(self.request, &mut clerk.ids, clerk.now_us);
        Reply { level: Some(level), durability, entry: Some(shown), ..timed(head, &mut clerk.mark) }
            .write_into(reply.out);
    }
}
