//! `invalidate` and `query`: entries found by pattern or tag. Answered off the workers.

use mpreg_storage::glob::{Dialect, Glob};
use mpreg_storage::json::write;
use mpreg_storage::record::{Cause, Extras, KeyParts, Lsn};
use mpreg_storage::store::{Error as StoreError, Removed};

use crate::cache::namespace::namespace_prefix;
use crate::cache::{Clerk, Desk, Patience, head, reached, timed};
use crate::protocol::Error;
use crate::protocol::cache::{EntryReply, Invalidate, NamespaceResult, Query, Reply, Status};
use crate::session::{self, Step};

impl Desk<'_> {
    pub(super) fn invalidate(&mut self, asked: &Invalidate<'_>, reply: &mut session::Reply<'_>) -> Step {
        if self.patience == Patience::None {
            return Step::Cold;
        }
        let mut text = Vec::new();
        let (what, removed) = match asked {
            Invalidate::Pattern(pattern) => {
                if asked.is_everything() && !self.cache.invalidates_all {
                    let why = "would clear the whole cache, which the operator has not allowed".to_owned();
                    return self.refuse(&Error::Invalid { path: "pattern", why }, reply);
                }
                write::string(&mut text, pattern);
                let glob = match Glob::compile(pattern, Dialect::Protocol { hash: true }) {
                    Ok(glob) => glob,
                    Err(error) => {
                        let why = error.to_string();
                        return self.refuse(&Error::Invalid { path: "pattern", why }, reply);
                    }
                };
                ("pattern", self.invalidate_matching(&glob, &text))
            }
            Invalidate::Tags(_) if self.request.options.cascade_dependencies => {
                // One record hides them all: nobody looks at the entries, so nobody knows what depends on them.
                return self.refuse(&Error::NotSupported("cascade_dependencies beside tags is"), reply);
            }
            Invalidate::Tags(tags) => {
                text.push(b'[');
                for (at, tag) in tags.iter().enumerate() {
                    text.extend_from_slice(if at > 0 { b"," } else { b"" });
                    text.extend_from_slice(tag.quoted().as_bytes());
                }
                text.push(b']');
                let tags: Vec<String> = tags.iter().map(|tag| tag.decode().into_owned()).collect();
                ("tags", self.invalidate_tagged(&tags))
            }
        };
        match removed {
            Ok(removed) => self.tell_invalidated(what, &text, removed, reply),
            Err(error) if error.is_busy() => Step::Busy,
            Err(error) => self.fail(&error, reply),
        }
    }

    /// Removes what matches in any of the four forms of its key.
    fn invalidate_matching(&mut self, glob: &Glob, pattern: &[u8]) -> Result<Removed, StoreError> {
        let deadline_us = self.bulk_deadline_us();
        let snapshot = self.cache.store.snapshot();
        // Every form begins with the namespace, so what stands before the first wildcard, up to where a namespace may
        // end, begins every key that can match.
        let literal = glob.literal_prefix();
        let known = literal.split([':', '.']).next().unwrap_or_default();
        // Stored keys escape the two lowest bytes; such names are rare enough to look at everything for them.
        let known = if known.bytes().any(|byte| byte < 2) { "" } else { known };
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        let mut form = String::new();
        snapshot.visit(known.as_bytes(), None, |key, _| {
            if let Ok(parts) = KeyParts::decode(key)
                && matches_any(glob, &parts, &mut form)
            {
                keys.push(key.into());
            }
            true
        })?;
        let observed = snapshot.lsn();
        drop(snapshot);
        let store = &self.cache.store;
        let mut removed = store.remove_all(keys.iter().map(|key| &**key), Cause::Invalidate, deadline_us)?;
        removed.lsn = removed.lsn.max(observed);
        if self.request.options.cascade_dependencies {
            let cascade = store.remove_dependents(keys.iter().map(|key| &**key), deadline_us)?;
            removed.count += cascade.count;
            removed.lsn = removed.lsn.max(cascade.lsn);
            removed.stopped |= cascade.stopped;
        }
        if removed.count > 0 {
            let details = self.audit("pattern", pattern, removed.count);
            removed.lsn = removed.lsn.max(self.cache.store.stage_note("invalidate", "", &details)?);
        }
        Ok(removed)
    }

    fn invalidate_tagged(&mut self, tags: &[String]) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        for tag in tags {
            let mut quoted = Vec::new();
            write::string(&mut quoted, tag);
            let details = self.audit("tag", &quoted, 0);
            let (outcome, count) = self.cache.store.stage_hide_tag(tag, &details)?;
            removed.count += count;
            removed.lsn = removed.lsn.max(outcome.lsn);
        }
        Ok(removed)
    }

    /// What whoever follows the log is told: what was asked for, how many that were, and why.
    fn audit(&self, what: &str, text: &[u8], count: u64) -> String {
        let mut out = format!(r#"{{"{what}":{}"#, String::from_utf8_lossy(text));
        if count > 0 {
            out.push_str(&format!(r#","count":{count}"#));
        }
        let options = &self.request.options;
        for (name, text) in [("reason", options.reason), ("source_change", options.source_change)] {
            if let Some(text) = text.filter(|text| text.len() < 4096) {
                out.push_str(&format!(r#","{name}":{text}"#));
            }
        }
        out.push('}');
        out
    }

    fn tell_invalidated(
        &mut self,
        what: &str,
        text: &[u8],
        removed: Removed,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let strong = self.is_strong();
        reply.seen.saw(removed.lsn, strong);
        self.clerk.tally.invalidations += 1;
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let status = match removed.count {
            0 => Status::Miss,
            _ if removed.stopped => Status::Partial,
            _ => Status::Hit,
        };
        let text = String::from_utf8_lossy(text);
        let head = head(self.request, ids, *now_us);
        Reply { status, durability: Some(reached(strong)), ..timed(head, mark) }.write_with(
            reply.out,
            |out| {
                NamespaceResult::write_invalidated(what, &text, removed.count, out);
            },
        );
        Step::Done
    }

    pub(super) fn query(&mut self, asked: &Query<'_>, reply: &mut session::Reply<'_>) -> Step {
        if self.patience == Patience::None {
            return Step::Cold;
        }
        let glob = match Glob::compile(&asked.pattern, Dialect::Protocol { hash: false }) {
            Ok(glob) => glob,
            Err(error) => {
                let why = error.to_string();
                return self.refuse(&Error::Invalid { path: "pattern", why }, reply);
            }
        };
        let mut value = Vec::new();
        let lsn = match self.matching(&asked.key.namespace, &glob, &mut value) {
            Ok(lsn) => lsn,
            Err(error) => return self.fail(&error, reply),
        };
        let strong = self.is_strong();
        reply.seen.saw(lsn, strong);
        let durability = Some(self.cache.durability(lsn, strong));
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let shown = EntryReply {
            namespace: &asked.key.namespace,
            identifier: &asked.key.identifier,
            version: &asked.key.version,
            value: &value,
            created_us: *now_us,
            access_count: 0,
            last_access_us: *now_us,
            ttl_us: None,
            extras: Extras::default(),
            include_metadata: self.request.options.include_metadata,
        };
        let head = head(self.request, ids, *now_us);
        Reply { durability, entry: Some(shown), ..timed(head, mark) }.write_into(reply.out);
        Step::Done
    }

    /// Writes the texts of all keys of a namespace that match, as an array.
    fn matching(&self, namespace: &str, glob: &Glob, out: &mut Vec<u8>) -> Result<Lsn, StoreError> {
        let snapshot = self.cache.store.snapshot();
        let (mut first, mut fits) = (true, true);
        let bytes_max = crate::limits::MESSAGE_BYTES_MAX;
        out.push(b'[');
        snapshot.visit(&namespace_prefix(namespace), None, |key, _| {
            if let Ok(parts) = KeyParts::decode(key)
                && glob.matches(&parts.identifier)
            {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                let text = format!("{}:{}:{}", parts.namespace, parts.identifier, parts.version);
                write::string(out, &text);
                fits = out.len() < bytes_max;
            }
            fits
        })?;
        out.push(b']');
        if fits {
            Ok(snapshot.lsn())
        } else {
            Err(StoreError::TooLarge { what: "the result", bytes: out.len(), bytes_max })
        }
    }
}

fn matches_any(glob: &Glob, parts: &KeyParts<'_>, form: &mut String) -> bool {
    let (namespace, identifier, version) = (&*parts.namespace, &*parts.identifier, &*parts.version);
    let mut matches = |pieces: &[&str]| {
        form.clear();
        pieces.iter().for_each(|piece| form.push_str(piece));
        glob.matches(form)
    };
    matches(&[namespace])
        || matches(&[namespace, ":", identifier])
        || matches(&[namespace, ".", identifier])
        || matches(&[namespace, ":", identifier, ":", version])
}
