//! Archived operations back to borrowed ones. Every byte is checked: they come from a disk.

use rkyv::api::high::HighValidator;
use rkyv::rancor;

use super::{
    ArchivedDelete, ArchivedExpire, ArchivedPut, Delete, Error, Expire, KIND_BATCH, KIND_CHANGE, KIND_DELETE,
    KIND_EXPIRE, KIND_HIDE_TAG, KIND_NOTE, KIND_NOTICE, KIND_PUT, KIND_REMOVE, KIND_TOUCH, KIND_UPDATE,
    LAYOUT, Op, Put, Records,
};
use crate::limits::BATCH_PARTS_MAX;
use crate::record::change::{
    ArchivedBatch, ArchivedChange, ArchivedHideTag, ArchivedNote, ArchivedNotice, ArchivedRemove,
    ArchivedTouch, ArchivedUpdate, Batch, Cause, Change, HideTag, Note, Notice, Remove, Touch, Update,
};

/// The operation of a record whose head names this kind and our layout.
pub(super) fn op(kind: u8, archived: &[u8], offset: usize) -> Result<Op<'_>, Error> {
    Ok(match kind {
        KIND_PUT => Op::Put(put(archived, offset)?),
        KIND_DELETE => Op::Delete(delete(archived, offset)?),
        KIND_EXPIRE => Op::Expire(expire(archived, offset)?),
        KIND_UPDATE => Op::Update(update(archived, offset)?),
        KIND_TOUCH => Op::Touch(touch(archived, offset)?),
        KIND_REMOVE => Op::Remove(remove(archived, offset)?),
        KIND_CHANGE => Op::Change(change(archived, offset)?),
        KIND_BATCH => Op::Batch(batch(archived, offset)?),
        KIND_HIDE_TAG => Op::HideTag(hide_tag(archived, offset)?),
        KIND_NOTE => Op::Note(note(archived, offset)?),
        KIND_NOTICE => Op::Notice(notice(archived, offset)?),
        kind => return Err(Error::Unknown { offset, kind, layout: LAYOUT }),
    })
}

fn put(archived: &[u8], offset: usize) -> Result<Put<'_>, Error> {
    let put = checked::<ArchivedPut<'_>>(archived, offset)?;
    Ok(Put {
        key: put.key.get(),
        value: put.value.get(),
        extras: put.extras.get(),
        created_us: put.created_us.to_native(),
        expires_us: put.expires_us.to_native(),
    })
}

fn delete(archived: &[u8], offset: usize) -> Result<Delete<'_>, Error> {
    let delete = checked::<ArchivedDelete<'_>>(archived, offset)?;
    Ok(Delete { key: delete.key.get(), deleted_us: delete.deleted_us.to_native() })
}

fn expire(archived: &[u8], offset: usize) -> Result<Expire<'_>, Error> {
    let expire = checked::<ArchivedExpire<'_>>(archived, offset)?;
    Ok(Expire {
        key: expire.key.get(),
        expires_us: expire.expires_us.to_native(),
        removed_us: expire.removed_us.to_native(),
    })
}

fn update(archived: &[u8], offset: usize) -> Result<Update<'_>, Error> {
    let update = checked::<ArchivedUpdate<'_>>(archived, offset)?;
    Ok(Update {
        key: update.key.get(),
        value: update.value.get(),
        extras: update.extras.get(),
        created_us: update.created_us.to_native(),
        expires_us: update.expires_us.to_native(),
        updated_us: update.updated_us.to_native(),
        cause: known(update.cause, offset)?,
    })
}

fn touch(archived: &[u8], offset: usize) -> Result<Touch<'_>, Error> {
    let touch = checked::<ArchivedTouch<'_>>(archived, offset)?;
    Ok(Touch {
        key: touch.key.get(),
        expires_us: touch.expires_us.to_native(),
        touched_us: touch.touched_us.to_native(),
        cause: known(touch.cause, offset)?,
    })
}

fn remove(archived: &[u8], offset: usize) -> Result<Remove<'_>, Error> {
    let remove = checked::<ArchivedRemove<'_>>(archived, offset)?;
    Ok(Remove {
        key: remove.key.get(),
        removed_us: remove.removed_us.to_native(),
        cause: known(remove.cause, offset)?,
    })
}

fn change(archived: &[u8], offset: usize) -> Result<Change<'_>, Error> {
    let change = checked::<ArchivedChange<'_>>(archived, offset)?;
    Ok(Change {
        key: change.key.get(),
        payload: change.payload.get(),
        extras: change.extras.get(),
        id: change.id.to_native(),
        created_us: change.created_us.to_native(),
        expires_us: change.expires_us.to_native(),
        changed_us: change.changed_us.to_native(),
        family: change.family,
        verb: change.verb,
    })
}

/// Reads a batch and every record in it, none of which may be a batch.
fn batch(archived: &[u8], offset: usize) -> Result<Batch<'_>, Error> {
    let batch = checked::<ArchivedBatch<'_>>(archived, offset)?;
    let batch = Batch { body: batch.body.get(), count: batch.count.to_native() };
    let mut count = 0;
    for record in Records::of_batch(batch.body) {
        record?;
        count += 1;
    }
    if count != batch.count as usize || count > BATCH_PARTS_MAX {
        return Err(damaged(offset, format!("a batch of {} holds {count} records", batch.count)));
    }
    Ok(batch)
}

fn hide_tag(archived: &[u8], offset: usize) -> Result<HideTag<'_>, Error> {
    let hide = checked::<ArchivedHideTag<'_>>(archived, offset)?;
    Ok(HideTag { tag: hide.tag.get(), details: hide.details.get(), hidden_us: hide.hidden_us.to_native() })
}

fn note(archived: &[u8], offset: usize) -> Result<Note<'_>, Error> {
    let note = checked::<ArchivedNote<'_>>(archived, offset)?;
    Ok(Note {
        what: note.what.get(),
        namespace: note.namespace.get(),
        details: note.details.get(),
        noted_us: note.noted_us.to_native(),
    })
}

fn notice(archived: &[u8], offset: usize) -> Result<Notice<'_>, Error> {
    let notice = checked::<ArchivedNotice<'_>>(archived, offset)?;
    Ok(Notice {
        old: notice.old.get(),
        new: notice.new.get(),
        details: notice.details.get(),
        flags: notice.flags,
    })
}

fn known(cause: u8, offset: usize) -> Result<u8, Error> {
    Cause::from_u8(cause).map(|_| cause).ok_or_else(|| damaged(offset, format!("cause {cause}")))
}

fn damaged(offset: usize, what: String) -> Error {
    Error::Damaged { offset, what }
}

fn checked<T>(archived: &[u8], offset: usize) -> Result<&T, Error>
where
    T: rkyv::Portable + for<'x> rkyv::bytecheck::CheckBytes<HighValidator<'x, rancor::Error>>,
{
    rkyv::access::<T, rancor::Error>(archived).map_err(|error| damaged(offset, error.to_string()))
}
