//! Conditions on an event: whether a change is worth telling.

use super::test::Test;
use super::{ConditionFault, canonical};
use crate::json::{Reader, member, members_of, validate};
use crate::limits::CONDITIONS_MAX;

/// The condition of a notification, in either of its two forms or both at once:
///
/// - `{"field_path": "stock_level", "threshold": {"$lt": 10}}`: of the member at that path of the new value;
/// - `{"new_value.stock_level": {"$lt": 10}, "event_type": "cache_put"}`: of the event's own fields.
///
/// All tests must hold; a field that is not there satisfies none.
///
/// ```
/// use mpreg_storage::json::EventConditions;
///
/// let low = EventConditions::parse(r#"{"field_path": "stock.level", "threshold": {"$lt": 10}}"#)?;
/// let event = |name: &str| (name == "new_value").then_some(r#"{"stock": {"level": 9}}"#);
/// assert!(low.hold(&event));
/// # Ok::<(), mpreg_storage::json::ConditionFault>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventConditions {
    /// Field names, possibly followed by a path into the field's value.
    tests: Vec<(String, Test)>,
}

impl EventConditions {
    /// Reads a notification condition. `{}` always holds.
    pub fn parse(text: &str) -> Result<EventConditions, ConditionFault> {
        let text = validate(text.as_bytes())?;
        let mut conditions = EventConditions::default();
        let (mut field_path, mut threshold) = (None, None);
        for (name, value) in members_of(text).ok_or(ConditionFault::NotAnObject)? {
            match &*name.decode() {
                "field_path" => field_path = Some(value),
                "threshold" => threshold = Some(value),
                name => conditions.add(name, value)?,
            }
        }
        match (field_path, threshold) {
            (None, None) => {}
            (Some(path), Some(threshold)) => {
                let path = Reader::new(path).string("").map_err(|_| ConditionFault::NotAString)?;
                conditions.add(&format!("new_value.{}", path.decode()), threshold)?;
            }
            _ => return Err(ConditionFault::HalfATest),
        }
        Ok(conditions)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), ConditionFault> {
        Test::parse(name, value, |test| {
            if self.tests.len() == CONDITIONS_MAX {
                return Err(ConditionFault::TooMany);
            }
            self.tests.push((name.to_owned(), test));
            Ok(())
        })
    }

    /// Whether all of them hold of the event whose fields `lookup` knows by name: `new_value`, `old_value`,
    /// `event_type` and so on, each as validated JSON text (`"cache_put"` with its quotes).
    ///
    /// A name is looked up whole first; if there is no such field, its part before the first dot is the field
    /// and the rest a path into it.
    #[must_use]
    pub fn hold<'v>(&self, lookup: &dyn Fn(&str) -> Option<&'v str>) -> bool {
        let mut fact = Vec::new();
        self.tests.iter().all(|(name, test)| {
            let found = lookup(name).or_else(|| {
                let (field, path) = name.split_once('.')?;
                member(lookup(field)?, path)
            });
            fact.clear();
            found.is_some_and(|value| canonical(value, &mut fact).is_ok() && test.holds(&fact))
        })
    }
}
