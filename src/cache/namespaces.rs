//! Which namespaces there are. An addition to the protocol.

use mpreg_storage::json::write;
use mpreg_storage::record::KeyParts;
use mpreg_storage::store::{Error as StoreError, Snapshot};

use super::atomic::is_negative;
use super::namespace::{Choice, namespace_head, namespace_prefix};
use crate::cache::{Clerk, Desk, head, timed};
use crate::protocol::cache::{NameList, Namespace, Reply};
use crate::session::{self, Step};

impl Desk<'_> {
    pub(super) fn list_namespaces(
        &mut self,
        asked: &Namespace<'_>,
        choice: &Choice,
        limit: u64,
        offset: u64,
        reply: &mut session::Reply<'_>,
    ) -> Result<Step, StoreError> {
        let snapshot = self.cache.store.snapshot();
        let mut member = Vec::new();
        let mut list = NameList::begin(&namespace_head(asked, &asked.pattern), &mut member);
        let (mut after, mut at, mut more) = (None, 0, false);
        while let Some(namespace) = next_namespace(&snapshot, after.as_deref())? {
            after = Some(behind(&namespace));
            if !choice.matches_name(&namespace) {
                continue;
            }
            at += 1;
            if at > offset + limit {
                more = true;
                break;
            }
            if at > offset {
                let mut name = Vec::new();
                write::string(&mut name, &namespace);
                list.push(&name, &mut member);
            }
        }
        let (strong, lsn) = (self.is_strong(), snapshot.lsn());
        reply.seen.saw(lsn, strong);
        let durability = Some(self.cache.durability(lsn, strong));
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        list.end(more, head.operation_id, &mut member);
        Reply { durability, ..timed(head, mark) }.write_with(reply.out, |out| out.extend_from_slice(&member));
        Ok(Step::Done)
    }
}

/// The namespace of the first entry behind `after`. Cost: one step into the table for each namespace, however many
/// entries it has, and one for each remembered absence passed over.
fn next_namespace(snapshot: &Snapshot, after: Option<&[u8]>) -> Result<Option<String>, StoreError> {
    let mut found = None;
    snapshot.visit(&[], after, |key, fields| match KeyParts::decode(key) {
        Ok(parts) if !is_negative(fields) => {
            found = Some(parts.namespace.into_owned());
            false
        }
        _ => true,
    })?;
    Ok(found)
}

/// A key behind all keys of a namespace and before those of every other: names hold no byte below 2 in stored form.
fn behind(namespace: &str) -> Vec<u8> {
    let mut key = namespace_prefix(namespace);
    if let Some(separator) = key.last_mut() {
        *separator += 1;
    }
    key
}
