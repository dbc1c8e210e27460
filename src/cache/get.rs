//! `get`: spliced from memory into the reply while the entry is pinned, without a copy in between. Structures are
//! written member by member.

use mpreg_storage::limits::VALUE_BYTES_MAX;
use mpreg_storage::memory::Entry;
use mpreg_storage::record::{EntryKind, Extras, Lsn};
use mpreg_storage::store::{Error as StoreError, Found, Read};

use crate::cache::put::shown_ttl;
use crate::cache::{Cache, Clerk, Desk, Patience, head, timed};
use crate::protocol::cache::{
    Durability, EntryReply, KeyText, Lease, LeaseReply, Level, Notes, Reply, Request, Status,
};
use crate::session::{self, Step};

/// What a look at an entry in memory came to.
enum Look {
    /// Answered.
    Done,
    /// It is a structure.
    Structure,
    /// It is past its life, or says that there is nothing.
    Absent { lsn: Lsn, negative: bool },
    /// Answered, and the read grants a new life.
    Slide,
}

impl Desk<'_> {
    pub(super) fn get(&mut self, key: &KeyText<'_>, encoded: &[u8], reply: &mut session::Reply<'_>) -> Step {
        if let Some(lease) = self.request.options.lease {
            return match lease {
                Lease::Ask { ttl_ms } => self.get_leased(key, encoded, ttl_ms, reply),
                Lease::GiveUp { token } => self.give_up(key, encoded, token, reply),
                Lease::Fill { .. } => self.get_plain(key, encoded, reply),
            };
        }
        self.get_plain(key, encoded, reply)
    }

    pub(super) fn get_plain(
        &mut self,
        key: &KeyText<'_>,
        encoded: &[u8],
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let mut answer = Hit::new(self.cache, self.request, key, self.is_strong());
        let clerk = &mut *self.clerk;
        let now_us = clerk.now_us;
        let found =
            self.cache.store.read(encoded, now_us, |entry| answer.look(entry, Level::L1, clerk, reply));
        match found {
            Read::Hit(look) => self.follow(look, key, encoded, Level::L1, reply),
            Read::Miss { observed } => self.miss(observed, reply),
            // Without L2 among its levels the request sees memory only.
            Read::Cold if !self.request.options.levels.has(Level::L2) => self.miss(Lsn::ZERO, reply),
            Read::Cold if self.patience == Patience::None => Step::Cold,
            Read::Cold => self.get_cold(key, encoded, reply),
        }
    }

    fn get_cold(&mut self, key: &KeyText<'_>, encoded: &[u8], reply: &mut session::Reply<'_>) -> Step {
        match self.cache.store.get(encoded) {
            Ok(Some(entry)) => {
                let mut answer = Hit::new(self.cache, self.request, key, self.is_strong());
                let look = answer.look(&entry, Level::L2, self.clerk, reply);
                self.follow(look, key, encoded, Level::L2, reply)
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

    /// Does what is left to do after a look.
    fn follow(
        &mut self,
        look: Look,
        key: &KeyText<'_>,
        encoded: &[u8],
        level: Level,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        match look {
            Look::Done => Step::Done,
            Look::Slide => {
                self.slide(encoded, reply);
                Step::Done
            }
            Look::Absent { lsn, negative } => self.miss_noting(lsn, negative, reply),
            Look::Structure => self.get_structure(key, encoded, level, reply),
        }
    }

    /// Answers with the whole of a structure.
    fn get_structure(
        &mut self,
        key: &KeyText<'_>,
        encoded: &[u8],
        level: Level,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        loop {
            let found = match self.patience {
                Patience::None => self.cache.store.peek(encoded, self.clerk.now_us),
                Patience::Blocking => self.cache.store.find(encoded),
            };
            let rendered = match found {
                Ok(Found::Absent(lsn)) => return self.miss(lsn, reply),
                Ok(Found::Value(_)) => return self.get_plain(key, encoded, reply),
                Ok(Found::Structure(entry, structure)) => {
                    let mut text = Vec::new();
                    self.render(&structure, &mut text).map(|()| (entry, structure.lsn(), text))
                }
                Err(error) => Err(error),
            };
            match rendered {
                Ok((entry, lsn, text)) => {
                    let mut answer = Hit::new(self.cache, self.request, key, self.is_strong());
                    answer.value = Some((&text, lsn));
                    answer.write(&entry, level, self.clerk, reply);
                    return Step::Done;
                }
                Err(error) if error.is_stale() && self.patience == Patience::Blocking => {}
                Err(error) if error.is_stale() => return Step::Cold,
                Err(StoreError::Cold) => return Step::Cold,
                Err(error) => return self.fail(&error, reply),
            }
        }
    }

    /// Answers that there is nothing, as the version at `observed` says.
    pub(super) fn miss(&mut self, observed: Lsn, reply: &mut session::Reply<'_>) -> Step {
        self.miss_noting(observed, false, reply)
    }

    pub(super) fn miss_noting(
        &mut self,
        observed: Lsn,
        negative: bool,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let strong = self.is_strong();
        reply.seen.saw(observed, strong);
        self.clerk.tally.misses += 1;
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let durability = Some(self.cache.durability(observed, strong));
        let head = head(self.request, ids, *now_us);
        let notes = Notes { negative, ..Notes::default() };
        let notes = negative.then_some(&notes);
        Reply { status: Status::Miss, durability, notes, ..timed(head, mark) }.write_into(reply.out);
        Step::Done
    }
}

/// Writes the reply of a get that found something.
pub(super) struct Hit<'a> {
    cache: &'a Cache,
    request: &'a Request<'a>,
    key: &'a KeyText<'a>,
    strong: bool,
    /// The text of a structure and the position of its last change.
    pub(super) value: Option<(&'a [u8], Lsn)>,
    pub(super) lease: Option<LeaseReply>,
}

impl<'a> Hit<'a> {
    pub(super) fn new(
        cache: &'a Cache,
        request: &'a Request<'a>,
        key: &'a KeyText<'a>,
        strong: bool,
    ) -> Hit<'a> {
        Hit { cache, request, key, strong, value: None, lease: None }
    }

    /// Answers with a fresh value; anything else is for the caller.
    fn look(
        &mut self,
        entry: &Entry,
        level: Level,
        clerk: &mut Clerk,
        reply: &mut session::Reply<'_>,
    ) -> Look {
        if entry.kind() == EntryKind::Structure {
            return Look::Structure;
        }
        let extras = entry.extras();
        if !extras.is_empty() {
            let extras = Extras::decode(extras).unwrap_or_default();
            let lsn = entry.lsn();
            let stale =
                extras.fresh_us != 0 && clerk.now_us > entry.created_us().saturating_add(extras.fresh_us);
            if extras.negative || stale {
                return Look::Absent { lsn, negative: extras.negative && !stale };
            }
            if extras.slide_us != 0 {
                self.write(entry, level, clerk, reply);
                return slid(entry, extras.slide_us, clerk.now_us);
            }
        }
        self.write(entry, level, clerk, reply);
        Look::Done
    }

    pub(super) fn write(
        &mut self,
        entry: &Entry,
        level: Level,
        clerk: &mut Clerk,
        reply: &mut session::Reply<'_>,
    ) {
        let fields = entry.fields();
        let (value, lsn) = match self.value {
            None => (fields.value, fields.lsn),
            Some((value, changed)) => (value, fields.lsn.max(changed)),
        };
        reply.seen.saw(lsn, self.strong);
        clerk.tally.hit(level);
        // Extras are checked when they are put; a row damaged since would fail its checksum.
        let extras = Extras::decode(fields.extras).unwrap_or_default();
        let shown = EntryReply {
            namespace: &self.key.namespace,
            identifier: &self.key.identifier,
            version: &self.key.version,
            value,
            created_us: fields.created_us,
            access_count: fields.access_count.into(),
            // This read is the last access; memory notes it in steps.
            last_access_us: fields.last_access_us.max(clerk.now_us),
            ttl_us: shown_ttl(fields.created_us, fields.expires_us, &extras),
            extras,
            include_metadata: self.request.options.include_metadata,
        };
        let durability = Some(match fields.kind {
            EntryKind::Volatile => Durability::Volatile,
            _ => self.cache.durability(lsn, self.strong),
        });
        let head = head(self.request, &mut clerk.ids, clerk.now_us);
        let notes = Notes { lease: self.lease, ..Notes::default() };
        let notes = self.lease.is_some().then_some(&notes);
        Reply { level: Some(level), durability, entry: Some(shown), notes, ..timed(head, &mut clerk.mark) }
            .write_into(reply.out);
    }
}

/// A sliding life is renewed once a tenth of it has gone.
fn slid(entry: &Entry, slide_us: u64, now_us: u64) -> Look {
    let left_us = entry.expires_us().saturating_sub(now_us);
    if slide_us.saturating_sub(left_us) >= slide_us / 10 { Look::Slide } else { Look::Done }
}

const _: () = assert!(VALUE_BYTES_MAX < crate::limits::MESSAGE_BYTES_MAX);
