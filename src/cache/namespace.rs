//! `namespace`: clear, statistics, listings, counts, backup and restore. All of it walks over many entries, so it is
//! answered off the workers, and stops before its caller gives up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use mpreg_storage::glob::{Dialect, Glob};
use mpreg_storage::json::{Conditions, write};
use mpreg_storage::limits::VALUE_BYTES_MAX;
use mpreg_storage::record::{Cause, EntryFields, EntryKind, Extras, KeyParts, Lsn};
use mpreg_storage::store::{Error as StoreError, Snapshot};

use crate::cache::atomic::{facts, is_negative};
use crate::cache::{Clerk, Desk, Patience, head, reached, timed};
use crate::limits::{BACKUP_PART_BYTES, BULK_MS_MAX, MESSAGE_BYTES_MAX, RESTORE_BYTES_MAX};
use crate::protocol::Error;
use crate::protocol::cache::{
    BackupResult, BackupWriter, Breakdown, Code, KeyList, KeyReply, KeyText, Largest, Namespace,
    NamespaceAction, NamespaceDetail, NamespaceHead, NamespaceResult, NamespaceStatistics, Reply, Status,
    StoredEntry,
};
use crate::session::{self, Step};

/// Which entries an operation is about.
pub(super) struct Choice {
    prefix: Vec<u8>,
    /// The encoded key behind which they begin.
    after: Option<Vec<u8>>,
    glob: Glob,
    conditions: Conditions,
}

impl Choice {
    fn of(asked: &Namespace<'_>) -> Result<Choice, Error> {
        let glob = Glob::compile(&asked.pattern, Dialect::Fnmatch).map_err(|error| Error::Invalid {
            path: "namespace_operation.pattern",
            why: error.to_string(),
        })?;
        let conditions = match asked.conditions {
            None => Conditions::default(),
            Some(text) => Conditions::parse(text).map_err(|fault| Error::Invalid {
                path: "namespace_operation.conditions",
                why: fault.to_string(),
            })?,
        };
        let after = asked.after.as_ref().map(|key| encoded(&asked.namespace, key)).transpose()?;
        // Keys are in order: what the pattern begins with bounds the walk.
        let prefix = identifier_prefix(&asked.namespace, glob.literal_prefix());
        Ok(Choice { prefix, after, glob, conditions })
    }

    /// Whether a name matches the pattern.
    pub(super) fn matches_name(&self, name: &str) -> bool {
        self.glob.matches(name)
    }

    fn takes(&self, parts: &KeyParts<'_>, fields: &EntryFields<'_>, now_us: u64) -> bool {
        self.glob.matches(&parts.identifier)
            && !is_negative(fields)
            && (self.conditions.is_empty() || self.conditions.check(&facts(Some(fields), now_us)).is_ok())
    }

    /// Calls `each` for every entry chosen, in key order, until it answers `false`.
    fn visit(
        &self,
        snapshot: &Snapshot,
        mut each: impl FnMut(&[u8], &KeyParts<'_>, &EntryFields<'_>) -> bool,
    ) -> Result<(), StoreError> {
        let now_us = snapshot.now_us();
        snapshot.visit(&self.prefix, self.after.as_deref(), |key, fields| match KeyParts::decode(key) {
            Ok(parts) if self.takes(&parts, fields, now_us) => each(key, &parts, fields),
            _ => true,
        })
    }
}

/// A key in its stored form, whatever namespace it names.
pub(super) fn encoded(namespace: &str, key: &KeyText<'_>) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    KeyText { namespace: namespace.into(), ..key.clone() }.encode_into(&mut out)?;
    Ok(out)
}

/// What every key of a namespace begins with.
pub(super) fn namespace_prefix(namespace: &str) -> Vec<u8> {
    // A key of the namespace with the shortest identifier there is, cut behind the separator.
    match mpreg_storage::record::Key::new(namespace, "x") {
        Ok(key) => {
            let bytes = key.as_bytes();
            // The identifier "x", a separator, and the empty default version stand behind it.
            bytes[..bytes.len() - 2].to_vec()
        }
        Err(_) => vec![0xff],
    }
}

/// What every key of a namespace begins with whose identifier begins with `text`.
fn identifier_prefix(namespace: &str, text: &str) -> Vec<u8> {
    match mpreg_storage::record::Key::new(namespace, text) {
        Ok(key) => {
            let bytes = key.as_bytes();
            // A separator and the empty default version stand behind it.
            bytes[..bytes.len() - 1].to_vec()
        }
        // No text, or one too long for any key.
        Err(_) => namespace_prefix(namespace),
    }
}

impl Desk<'_> {
    pub(super) fn namespace(&mut self, asked: &Namespace<'_>, reply: &mut session::Reply<'_>) -> Step {
        if self.patience == Patience::None {
            return Step::Cold;
        }
        let choice = match Choice::of(asked) {
            Ok(choice) => choice,
            Err(error) => return self.refuse(&error, reply),
        };
        let done = match &asked.action {
            NamespaceAction::Clear { max_entries, dry_run } => {
                self.clear(asked, &choice, *max_entries, *dry_run, reply)
            }
            NamespaceAction::Statistics { detailed, sample_size } => {
                self.statistics_of(asked, &choice, *detailed, *sample_size, reply)
            }
            NamespaceAction::ListKeys { limit, offset, .. } => {
                self.list(asked, &choice, *limit, *offset, reply)
            }
            NamespaceAction::Count => self.count_keys(asked, &choice, reply),
            NamespaceAction::Backup { compression, limit, offset } => {
                return self.back_up(asked, &choice, *compression, *limit, *offset, reply);
            }
            NamespaceAction::Restore { data, merge } => return self.restore(asked, data, *merge, reply),
            NamespaceAction::ListNamespaces { limit, offset } => {
                self.list_namespaces(asked, &choice, *limit, *offset, reply)
            }
        };
        done.unwrap_or_else(|error| self.fail(&error, reply))
    }

    /// When a walk over many entries must have ended, in the store's monotonic time.
    pub(super) fn bulk_deadline_us(&self) -> u64 {
        self.cache.store.monotonic_us() + BULK_MS_MAX * 1000
    }

    fn clear(
        &mut self,
        asked: &Namespace<'_>,
        choice: &Choice,
        max_entries: Option<u64>,
        dry_run: bool,
        reply: &mut session::Reply<'_>,
    ) -> Result<Step, StoreError> {
        let deadline_us = self.bulk_deadline_us();
        let snapshot = self.cache.store.snapshot();
        // The oldest so many: a heap that gives up its newest.
        let most = max_entries.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let mut oldest: BinaryHeap<(u64, Box<[u8]>)> = BinaryHeap::new();
        let mut has_more = false;
        choice.visit(&snapshot, |key, _, fields| {
            oldest.push((fields.created_us, key.into()));
            if oldest.len() > most {
                oldest.pop();
                has_more = true;
            }
            true
        })?;
        let observed = snapshot.lsn();
        drop(snapshot);
        let mut chosen = oldest.into_vec();
        chosen.sort_unstable();
        let (mut count, mut lsn) = (chosen.len() as u64, observed);
        if !dry_run && count > 0 {
            let keys = chosen.iter().map(|(_, key)| &**key);
            let removed = self.cache.store.remove_all(keys, Cause::Clear, deadline_us)?;
            (count, has_more) = (removed.count, has_more || removed.stopped);
            let mut details = br#"{"pattern":"#.to_vec();
            write::string(&mut details, &asked.pattern);
            details.extend_from_slice(format!(r#","count":{count}}}"#).as_bytes());
            let note = String::from_utf8_lossy(&details).into_owned();
            lsn = self.cache.store.stage_note("clear", &asked.namespace, &note)?.max(removed.lsn);
        }
        let status = if has_more && !dry_run { Status::Partial } else { Status::Hit };
        let detail = NamespaceDetail::Clear { has_more, dry_run };
        Ok(self.tell_namespace(asked, status, count, detail, lsn, reply))
    }

    fn count_keys(
        &mut self,
        asked: &Namespace<'_>,
        choice: &Choice,
        reply: &mut session::Reply<'_>,
    ) -> Result<Step, StoreError> {
        let snapshot = self.cache.store.snapshot();
        let mut count = 0;
        choice.visit(&snapshot, |_, _, _| {
            count += 1;
            true
        })?;
        Ok(self.tell_namespace(asked, Status::Hit, count, NamespaceDetail::None, snapshot.lsn(), reply))
    }

    fn statistics_of(
        &mut self,
        asked: &Namespace<'_>,
        choice: &Choice,
        detailed: bool,
        sample_size: u64,
        reply: &mut session::Reply<'_>,
    ) -> Result<Step, StoreError> {
        let snapshot = self.cache.store.snapshot();
        let mut statistics = NamespaceStatistics::default();
        let mut versions: BTreeMap<String, u64> = BTreeMap::new();
        let mut largest: BinaryHeap<Reverse<(u64, String, String)>> = BinaryHeap::new();
        let (mut cost, mut in_memory) = (0.0, 0);
        let store = &self.cache.store;
        choice.visit(&snapshot, |key, parts, fields| {
            let bytes = (key.len() + fields.value.len() + fields.extras.len()) as u64;
            statistics.entry_count += 1;
            statistics.total_memory_bytes += bytes;
            cost += Extras::decode(fields.extras).unwrap_or_default().computation_cost_ms;
            statistics.total_access_count += u64::from(fields.access_count);
            let created = fields.created_us;
            statistics.oldest_us = Some(statistics.oldest_us.map_or(created, |oldest| oldest.min(created)));
            statistics.newest_us = Some(statistics.newest_us.map_or(created, |newest| newest.max(created)));
            if detailed {
                in_memory += u64::from(store.is_in_memory(key));
                *versions.entry(parts.version.to_string()).or_default() += 1;
                largest.push(Reverse((
                    fields.value.len() as u64,
                    parts.identifier.to_string(),
                    parts.version.to_string(),
                )));
                if largest.len() as u64 > sample_size {
                    largest.pop();
                }
            }
            true
        })?;
        statistics.expired_pending = snapshot.expired_in(&namespace_prefix(&asked.namespace))?;
        if statistics.entry_count > 0 {
            statistics.avg_computation_cost_ms = cost / statistics.entry_count as f64;
        }
        let by_version: Vec<(String, u64)> = versions.into_iter().collect();
        let mut largest: Vec<Largest> = largest
            .into_iter()
            .map(|Reverse((size_bytes, identifier, version))| Largest { identifier, version, size_bytes })
            .collect();
        largest.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.identifier.cmp(&b.identifier)));
        let by_level = [in_memory, statistics.entry_count];
        statistics.breakdown =
            detailed.then_some(Breakdown { by_version: &by_version, by_level, largest: &largest });
        let count = statistics.entry_count;
        let detail = NamespaceDetail::Statistics(&statistics);
        Ok(self.tell_namespace(asked, Status::Hit, count, detail, snapshot.lsn(), reply))
    }

    fn list(
        &mut self,
        asked: &Namespace<'_>,
        choice: &Choice,
        limit: u64,
        offset: u64,
        reply: &mut session::Reply<'_>,
    ) -> Result<Step, StoreError> {
        let snapshot = self.cache.store.snapshot();
        let pattern = &*asked.pattern;
        let list_head = namespace_head(asked, pattern);
        let mut keys = Vec::new();
        let mut list = KeyList::begin(&list_head, &mut keys);
        let (mut at, mut more) = (0, false);
        choice.visit(&snapshot, |_, parts, fields| {
            at += 1;
            if at <= offset {
                return true;
            }
            if at > offset + limit || keys.len() > MESSAGE_BYTES_MAX / 2 {
                more = true;
                return false;
            }
            let extras = Extras::decode(fields.extras).unwrap_or_default();
            let key = KeyReply { identifier: &parts.identifier, version: &parts.version, tags: extras.tags };
            list.push(&key, &mut keys);
            true
        })?;
        let (strong, lsn) = (self.is_strong(), snapshot.lsn());
        reply.seen.saw(lsn, strong);
        let durability = Some(self.cache.durability(lsn, strong));
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        list.end(more.then_some(at.saturating_sub(1)), head.operation_id, &mut keys);
        Reply { durability, ..timed(head, mark) }.write_with(reply.out, |out| out.extend_from_slice(&keys));
        Ok(Step::Done)
    }

    pub(super) fn tell_namespace(
        &mut self,
        asked: &Namespace<'_>,
        status: Status,
        count: u64,
        detail: NamespaceDetail<'_>,
        lsn: Lsn,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let strong = self.is_strong();
        reply.seen.saw(lsn, strong);
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        let operation_id = head.operation_id;
        let pattern = &*asked.pattern;
        let result =
            NamespaceResult { head: namespace_head(asked, pattern), count, detail, error_message: None };
        Reply { status, durability: Some(reached(strong)), ..timed(head, mark) }
            .write_with(reply.out, |out| result.write_into(operation_id, out));
        Step::Done
    }

    fn back_up(
        &mut self,
        asked: &Namespace<'_>,
        choice: &Choice,
        compression: bool,
        limit: Option<u64>,
        offset: u64,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let snapshot = self.cache.store.snapshot_whole();
        let taken = match take(&snapshot, choice, &asked.namespace, limit, offset) {
            Ok(taken) => taken,
            Err(error) => return self.fail(&error, reply),
        };
        let Some(mut taken) = taken.packed(compression) else {
            let message =
                "the backup would be larger than a message: take it in parts, by pattern, limit and offset";
            return self.tell_failure(Code::TooLarge, message, reply);
        };
        let checksum = format!("{:08x}", crc32c::crc32c(&taken.data));
        let (strong, lsn) = (self.is_strong(), snapshot.lsn());
        reply.seen.saw(lsn, strong);
        let durability = Some(self.cache.durability(lsn, strong));
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        let operation_id = head.operation_id;
        let result = BackupResult {
            count: taken.count,
            compression,
            checksum: &checksum,
            next_offset: taken.next_offset.take(),
        };
        Reply { durability, ..timed(head, mark) }.write_with(reply.out, |out| {
            let pattern = &*asked.pattern;
            let _begun = BackupResult::begin(&namespace_head(asked, pattern), out);
            out.extend_from_slice(&taken.data);
            result.end(operation_id, out);
        });
        Step::Done
    }
}

pub(super) fn namespace_head<'h>(asked: &'h Namespace<'_>, pattern: &'h str) -> NamespaceHead<'h> {
    let with_pattern = !matches!(asked.action, NamespaceAction::Restore { .. });
    NamespaceHead {
        success: true,
        operation_type: asked.action.operation_type(),
        namespace: &asked.namespace,
        pattern: with_pattern.then_some(pattern),
    }
}

/// A backup as it was taken.
struct Taken {
    data: Vec<u8>,
    count: u64,
    next_offset: Option<u64>,
    whole: bool,
}

impl Taken {
    /// The data as one JSON value; `None` when it does not fit a message.
    fn packed(mut self, compression: bool) -> Option<Taken> {
        if !self.whole {
            return None;
        }
        if compression {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&self.data).ok()?;
            let packed = encoder.finish().ok()?;
            self.data = format!("\"{}\"", BASE64.encode(packed)).into_bytes();
        }
        (self.data.len() < MESSAGE_BYTES_MAX - 4096).then_some(self)
    }
}

fn take(
    snapshot: &Snapshot,
    choice: &Choice,
    namespace: &str,
    limit: Option<u64>,
    offset: u64,
) -> Result<Taken, StoreError> {
    let mut data = Vec::new();
    let mut writer = BackupWriter::begin(namespace, snapshot.now_us(), &mut data);
    let (mut at, mut next_offset, mut whole, mut failed) = (0, None, true, None);
    choice.visit(snapshot, |_, parts, fields| {
        at += 1;
        if at <= offset {
            return true;
        }
        if limit.is_some_and(|limit| at > offset + limit || data.len() > BACKUP_PART_BYTES) {
            next_offset = Some(at - 1);
            return false;
        }
        let mut text = Vec::new();
        let value = match rendered(snapshot, fields, &mut text) {
            Ok(()) if text.is_empty() => fields.value,
            Ok(()) => &text,
            Err(error) => {
                failed = Some(error);
                return false;
            }
        };
        let entry = StoredEntry {
            identifier: &parts.identifier,
            version: &parts.version,
            value,
            extras: Extras::decode(fields.extras).unwrap_or_default(),
            created_us: fields.created_us,
            last_access_us: fields.last_access_us,
            access_count: fields.access_count.into(),
            expires_us: (fields.expires_us != 0).then_some(fields.expires_us),
        };
        writer.push(&entry, &mut data);
        whole = data.len() < RESTORE_BYTES_MAX;
        whole
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let count = writer.count;
    writer.end(&mut data);
    Ok(Taken { data, count, next_offset, whole })
}

/// The text of a structure in a snapshot; nothing for a plain value.
fn rendered(snapshot: &Snapshot, fields: &EntryFields<'_>, out: &mut Vec<u8>) -> Result<(), StoreError> {
    if fields.kind != EntryKind::Structure {
        return Ok(());
    }
    let Some(head) = fields.structure() else { return Ok(()) };
    match snapshot.structure(head.id)? {
        Some(structure) => {
            let source = snapshot.cells(head.id);
            if !structure.write_text(out, VALUE_BYTES_MAX, &source)? {
                let bytes = out.len();
                return Err(StoreError::TooLarge { what: "a structure", bytes, bytes_max: VALUE_BYTES_MAX });
            }
        }
        None => out.extend_from_slice(b"[]"),
    }
    Ok(())
}
