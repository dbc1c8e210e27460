//! Witnesses: who sees what an operation changes before it is logged, and may have something kept beside it.
//!
//! What is kept is a notice in the same record, so it is there exactly when the change is. Without a witness, and
//! without [`Options::event_values`](super::Options), none of this runs.

use super::error::Error;
use super::known::Known;
use super::operation::{Done, Operation};
use super::plan::Planner;
use crate::limits::EVENT_VALUE_BYTES_MAX;
use crate::record::op::Notice;
use crate::record::{Lsn, Op};

/// What an operation has done to a key.
#[derive(Debug, Clone, Copy)]
pub struct Witnessed<'a> {
    /// Encoded key.
    pub key: &'a [u8],
    /// The value before as JSON text; `None`: there was none.
    pub old: Option<&'a [u8]>,
    /// The value afterwards.
    pub new: Option<&'a [u8]>,
    /// A value of more than [`EVENT_VALUE_BYTES_MAX`] is missing above.
    pub too_large: bool,
}

/// See the module. Called under the store's lock: it must be quick and must not call the store.
pub trait Witness {
    /// A JSON object to be kept with the change, for whoever follows the log; `None`: nothing.
    fn tell(&self, change: &Witnessed<'_>) -> Option<Vec<u8>>;
}

/// Wants nothing told.
pub(super) struct Nobody;

impl Witness for Nobody {
    fn tell(&self, _: &Witnessed<'_>) -> Option<Vec<u8>> {
        None
    }
}

/// The text of a value.
#[derive(Debug, PartialEq, Eq)]
enum Text {
    Absent,
    Json(Vec<u8>),
    TooLarge,
}

impl Text {
    fn as_option(&self) -> Option<&[u8]> {
        match self {
            Text::Json(text) => Some(text),
            Text::Absent | Text::TooLarge => None,
        }
    }
}

impl Planner<'_> {
    /// Plans an operation, and a notice of it.
    pub(super) fn plan_witnessed(
        &mut self,
        operation: &Operation<'_>,
        witness: Option<&dyn Witness>,
    ) -> Result<Done, Error> {
        let key = operation.key();
        let old = self.text_of(key)?;
        let done = self.plan_plain(operation)?;
        if !done.outcome.changed {
            return Ok(done);
        }
        let new = self.text_of(key)?;
        let too_large = old == Text::TooLarge || new == Text::TooLarge;
        let change = Witnessed { key, old: old.as_option(), new: new.as_option(), too_large };
        let told = witness.and_then(|witness| witness.tell(&change));
        if told.is_some() || self.shared.options.event_values {
            let carried = !matches!(operation, Operation::Structure { .. });
            self.notice(&old, &new, carried, &told.unwrap_or_default())?;
        }
        Ok(done)
    }

    fn notice(&mut self, old: &Text, new: &Text, carried: bool, details: &[u8]) -> Result<Lsn, Error> {
        let mut notice = Notice { old: b"", new: b"", details, flags: 0 };
        match old {
            Text::TooLarge => notice.flags |= Notice::TOO_LARGE,
            Text::Absent => notice.flags |= Notice::OLD_KNOWN,
            Text::Json(text) => {
                notice.flags |= Notice::OLD_KNOWN;
                notice.old = text;
            }
        }
        match new {
            Text::TooLarge if !carried => notice.flags |= Notice::TOO_LARGE,
            Text::Json(text) if !carried => {
                notice.flags |= Notice::NEW_KNOWN;
                notice.new = text;
            }
            _ => {}
        }
        self.emit(&Op::Notice(notice))
    }

    /// The value of a key as the operations before leave it.
    fn text_of(&self, key: &[u8]) -> Result<Text, Error> {
        let Known::Present(entry) = self.known(key)? else { return Ok(Text::Absent) };
        let Some(head) = entry.fields().structure() else {
            let fits = entry.value().len() <= EVENT_VALUE_BYTES_MAX;
            return Ok(if fits { Text::Json(entry.value().to_vec()) } else { Text::TooLarge });
        };
        if self.look(head.id, |structure| Ok(structure.bytes()))? > EVENT_VALUE_BYTES_MAX as u64 {
            return Ok(Text::TooLarge);
        }
        let mut text = Vec::new();
        self.render(head.id, &mut text)?;
        Ok(Text::Json(text))
    }
}
