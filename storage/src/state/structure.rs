//! Structures: made by a record that holds the whole content, changed by records that hold what changed.

use super::{Place, View};
use crate::record::op::Change;
use crate::record::{EntryFields, EntryKind, StructureHead};
use crate::structure::{Family, Structure, Verb};

pub(super) fn change<V: View>(place: Place, change: &Change<'_>, view: &mut V) -> Result<(), V::Error> {
    if change.id != 0 {
        return view.change(place, change);
    }
    let (Some(family), Some(Verb::Replace)) = (Family::from_u8(change.family), Verb::from_u8(change.verb))
    else {
        return Err(view.damaged(format!("family {} with verb {}", change.family, change.verb)));
    };
    let id = place.structure_id();
    let made = Structure::from_payload(family, id, place.lsn, change.payload);
    view.create(made.map_err(|error| view.damaged(error.to_string()))?);
    let head = StructureHead { family: family as u8, id }.encode();
    let fields = EntryFields {
        kind: EntryKind::Structure,
        lsn: place.lsn,
        created_us: change.created_us,
        expires_us: change.expires_us,
        access_count: 0,
        last_access_us: change.changed_us,
        value: &head,
        extras: change.extras,
    };
    view.write(change.key, &fields);
    Ok(())
}
