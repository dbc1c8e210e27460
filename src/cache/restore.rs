//! `restore`: entries of a backup written back, with what was left of their lives.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::GzDecoder;
use mpreg_storage::record::{Cause, EntryFields, Extras, Lsn};
use mpreg_storage::store::{NewVersion, Operation, Update, Verdict};

use super::namespace::encoded;
use crate::cache::Desk;
use crate::limits::RESTORE_BYTES_MAX;
use crate::protocol::Error;
use crate::protocol::cache::{Backup, BackupData, BackupEntry, Merge, Namespace, NamespaceDetail, Status};
use crate::session::{self, Step};

impl Desk<'_> {
    pub(super) fn restore(
        &mut self,
        asked: &Namespace<'_>,
        data: &BackupData<'_>,
        merge: Merge,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let unpacked;
        let text = match data {
            BackupData::Plain(text) => text,
            BackupData::Compressed(text) => match unpack(&text.decode()) {
                Ok(text) => {
                    unpacked = text;
                    &*unpacked
                }
                Err(error) => return self.refuse(&error, reply),
            },
        };
        let backup = match Backup::read(text) {
            Ok(backup) => backup,
            Err(error) => return self.refuse(&error, reply),
        };
        let mut prepared = Vec::with_capacity(backup.count);
        for entry in backup.iter() {
            match Restored::new(&asked.namespace, entry, merge) {
                Ok(restored) => prepared.push(restored),
                Err(error) => return self.refuse(&error, reply),
            }
        }
        let (mut restored, mut skipped, mut lsn) = (0, 0, Lsn::ZERO);
        for entry in &prepared {
            let operation = Operation::Update { key: &entry.key, update: entry };
            match self.cache.store.stage_blocking(&operation) {
                Ok(done) if done.outcome.changed => {
                    restored += 1;
                    lsn = lsn.max(done.outcome.lsn);
                }
                Ok(_) => skipped += 1,
                Err(error) => return self.fail(&error, reply),
            }
        }
        if restored > 0 {
            let details = format!(r#"{{"count":{restored}}}"#);
            match self.cache.store.stage_note("restore", &asked.namespace, &details) {
                Ok(noted) => lsn = lsn.max(noted),
                Err(error) => return self.fail(&error, reply),
            }
        }
        self.tell_namespace(asked, Status::Hit, restored, NamespaceDetail::Restore { skipped }, lsn, reply)
    }
}

/// Base64 of gzip back to text, bounded.
fn unpack(text: &str) -> Result<String, Error> {
    const PATH: &str = "namespace_operation.data";
    let wrong = |why: &str| Error::Invalid { path: PATH, why: why.to_owned() };
    let packed = BASE64.decode(text.trim()).map_err(|_| wrong("is not base64"))?;
    let mut out = String::new();
    let mut bounded = GzDecoder::new(&*packed).take(RESTORE_BYTES_MAX as u64 + 1);
    bounded.read_to_string(&mut out).map_err(|_| wrong("is not gzip of UTF-8 text"))?;
    if out.len() > RESTORE_BYTES_MAX {
        return Err(Error::TooLarge { what: PATH, size: out.len(), size_max: RESTORE_BYTES_MAX });
    }
    Ok(out)
}

/// One entry of a restore, ready to be written.
struct Restored {
    key: Vec<u8>,
    value: Vec<u8>,
    extras: Vec<u8>,
    created_us: u64,
    expires_us: u64,
    merge: Merge,
}

impl Restored {
    fn new(namespace: &str, entry: BackupEntry<'_>, merge: Merge) -> Result<Restored, Error> {
        Ok(Restored {
            // A restore may go to another namespace than the backup came from.
            key: encoded(namespace, &entry.key)?,
            value: entry.value.as_bytes().to_vec(),
            extras: extras(&entry)?,
            created_us: entry.created_us,
            expires_us: entry.expires_us.unwrap_or(0),
            merge,
        })
    }
}

impl Update for Restored {
    fn decide(&self, current: Option<&EntryFields<'_>>, now_us: u64) -> Verdict {
        let stays = match self.merge {
            Merge::Overwrite => false,
            Merge::SkipExisting => current.is_some(),
            Merge::Newest => current.is_some_and(|fields| fields.created_us >= self.created_us),
        };
        let expired = self.expires_us != 0 && self.expires_us < now_us;
        if stays || expired {
            return Verdict::Keep;
        }
        Verdict::Store(NewVersion {
            value: self.value.clone(),
            extras: self.extras.clone(),
            created_us: Some(self.created_us),
            expires_us: self.expires_us,
            cause: Cause::Restore,
        })
    }

    fn grows_by(&self) -> usize {
        self.value.len() + self.extras.len()
    }
}

/// Metadata and tags in their stored form, windows and sliding lives included.
fn extras(entry: &BackupEntry<'_>) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    entry.encode_extras_into(&mut plain)?;
    let metadata = &entry.metadata;
    let windows = metadata.stale_while_revalidate_us > 0 || metadata.stale_if_error_us > 0;
    if !windows && !entry.sliding {
        return Ok(plain);
    }
    let ttl_us = metadata.ttl.map_or(0, |ttl| ttl.micros);
    let extras = Extras {
        fresh_us: if windows { ttl_us } else { 0 },
        revalidate_us: metadata.stale_while_revalidate_us,
        error_us: metadata.stale_if_error_us,
        slide_us: if entry.sliding { ttl_us } else { 0 },
        ..Extras::decode(&plain).unwrap_or_default()
    };
    let mut out = Vec::new();
    extras.encode_into(&mut out)?;
    Ok(out)
}
