//! The functions of a node by name, id and version.
//!
//! One name has one function id and one id one name; a name may have several versions at once. Looking one up takes
//! a read lock and walks a tree of names; registering takes the write lock for as long.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::function::{Code, Function};
use super::version::{Constraint, Version};
use crate::limits::{FUNCTION_VERSIONS_MAX, FUNCTIONS_MAX};

/// What a command asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selector<'a> {
    pub(crate) name: &'a str,
    pub(crate) function_id: Option<&'a str>,
    pub(crate) constraint: Constraint,
    /// Resources it must have, all of them.
    pub(crate) resources: &'a [String],
}

/// Why a function is not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name has another id already.
    #[error("function {name:?} has the id {has:?}, not {given:?}")]
    OtherId {
        /// The function.
        name: String,
        /// The id it has.
        has: String,
        /// The id that was given.
        given: String,
    },
    /// The id belongs to another name.
    #[error("the id {id:?} belongs to function {owner:?}")]
    IdTaken {
        /// The id.
        id: String,
        /// Whose it is.
        owner: String,
    },
    /// This version is there already.
    #[error("function {name:?} version {version} is registered already")]
    Registered {
        /// The function.
        name: String,
        /// The version.
        version: Version,
    },
    /// No more functions fit.
    #[error("{count} {what} are registered, the limit")]
    Full {
        /// Functions, or versions of one function.
        what: &'static str,
        /// How many.
        count: usize,
    },
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_name: BTreeMap<String, Versions>,
    /// Function id to name.
    names: BTreeMap<String, String>,
    count: usize,
}

/// All versions of one name, the highest first, never empty.
#[derive(Debug)]
struct Versions {
    function_id: String,
    functions: Vec<Arc<Function>>,
}

impl Registry {
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().expect("nothing panics while holding the functions")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().expect("nothing panics while holding the functions")
    }

    /// Registers a version of a function. Workers may register over what workers have registered; anything else
    /// that is there stays.
    pub(crate) fn add(&self, function: Function) -> Result<Arc<Function>, Error> {
        let function = Arc::new(function);
        self.write().add(Arc::clone(&function))?;
        Ok(function)
    }

    /// Puts back a version that another one of workers has replaced.
    pub(super) fn restore(&self, function: Arc<Function>) {
        let mut table = self.write();
        let versions = table.by_name.get_mut(&function.name);
        let known = versions.and_then(|versions| {
            versions.functions.iter_mut().find(|known| known.version == function.version)
        });
        if let Some(known) = known {
            *known = function;
        }
    }

    /// Forgets one version; `None` when it was not there.
    pub(crate) fn remove(&self, name: &str, version: Version) -> Option<Arc<Function>> {
        self.write().remove(name, version)
    }

    /// The highest version of the function that fits.
    pub(crate) fn select(&self, wanted: &Selector<'_>) -> Option<Arc<Function>> {
        let table = self.read();
        let versions = table.by_name.get(wanted.name)?;
        if wanted.function_id.is_some_and(|id| id != versions.function_id) {
            return None;
        }
        let fits = |function: &&Arc<Function>| {
            wanted.constraint.allows(function.version) && function.has_resources(wanted.resources)
        };
        versions.functions.iter().find(fits).cloned()
    }

    /// One version.
    pub(crate) fn version(&self, name: &str, version: Version) -> Option<Arc<Function>> {
        let table = self.read();
        table.by_name.get(name)?.functions.iter().find(|function| function.version == version).cloned()
    }

    /// How many functions there are, each version counted.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.read().count
    }

    /// Those that `wanted` approves of, by name and then from the highest version down: `limit` of them from number
    /// `offset` on, and whether there are more. Cost: one look at every function up to the last of them.
    pub(crate) fn page(
        &self,
        offset: usize,
        limit: usize,
        mut wanted: impl FnMut(&Function) -> bool,
    ) -> (Vec<Arc<Function>>, bool) {
        let table = self.read();
        let all = table.by_name.values().flat_map(|versions| &versions.functions);
        let mut fitting = all.filter(|function| wanted(function)).skip(offset);
        let page: Vec<_> = fitting.by_ref().take(limit).cloned().collect();
        let more = fitting.next().is_some();
        (page, more)
    }
}

impl Table {
    fn add(&mut self, function: Arc<Function>) -> Result<(), Error> {
        let (name, id) = (&function.name, &function.function_id);
        if let Some(owner) = self.names.get(id).filter(|owner| *owner != name) {
            return Err(Error::IdTaken { id: id.clone(), owner: owner.clone() });
        }
        let count = self.count;
        match self.by_name.entry(name.clone()) {
            Entry::Vacant(_) if count >= FUNCTIONS_MAX => {
                return Err(Error::Full { what: "functions", count });
            }
            Entry::Vacant(place) => {
                self.names.insert(id.clone(), name.clone());
                place.insert(Versions { function_id: id.clone(), functions: vec![function] });
                self.count += 1;
            }
            Entry::Occupied(place) => {
                if place.get().function_id != *id {
                    let (has, given) = (place.get().function_id.clone(), id.clone());
                    return Err(Error::OtherId { name: name.clone(), has, given });
                }
                self.count += usize::from(place.into_mut().add(function, count)?);
            }
        }
        Ok(())
    }

    fn remove(&mut self, name: &str, version: Version) -> Option<Arc<Function>> {
        let versions = self.by_name.get_mut(name)?;
        let place = versions.functions.iter().position(|function| function.version == version)?;
        let removed = versions.functions.remove(place);
        self.count -= 1;
        if versions.functions.is_empty() {
            self.by_name.remove(name);
            self.names.remove(&removed.function_id);
        }
        Some(removed)
    }
}

impl Versions {
    /// Whether there is one more than before.
    fn add(&mut self, function: Arc<Function>, count: usize) -> Result<bool, Error> {
        match self.functions.binary_search_by(|known| function.version.cmp(&known.version)) {
            Ok(place) => {
                let both_workers = matches!(
                    (&self.functions[place].code, &function.code),
                    (Code::Workers(_), Code::Workers(_))
                );
                if !both_workers {
                    let (name, version) = (function.name.clone(), function.version);
                    return Err(Error::Registered { name, version });
                }
                self.functions[place] = function;
                Ok(false)
            }
            Err(_) if count >= FUNCTIONS_MAX => Err(Error::Full { what: "functions", count }),
            Err(_) if self.functions.len() >= FUNCTION_VERSIONS_MAX => {
                Err(Error::Full { what: "versions of one function", count: self.functions.len() })
            }
            Err(place) => {
                self.functions.insert(place, function);
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::function::Declaration;
    use proptest::prelude::*;
    use serde_json::json;

    fn function(value: serde_json::Value, code: Code) -> Function {
        Function::new(&serde_json::from_value::<Declaration>(value).unwrap(), code).unwrap()
    }

    fn quick() -> Code {
        Code::Quick(Arc::new(|_, _| Ok("null".to_owned())))
    }

    fn versioned(name: &str, version: &str) -> Function {
        function(json!({"name": name, "version": version}), quick())
    }

    fn found(registry: &Registry, name: &str, constraint: &str) -> Option<String> {
        let constraint = constraint.parse().unwrap();
        let wanted = Selector { name, function_id: None, constraint, resources: &[] };
        registry.select(&wanted).map(|function| function.version.to_string())
    }

    #[test]
    fn the_highest_version_that_fits_is_chosen() {
        let registry = Registry::default();
        for version in ["1.2.0", "2.0.0", "1.10.0", "1.0.0"] {
            registry.add(versioned("f", version)).unwrap();
        }
        assert_eq!(found(&registry, "f", "").as_deref(), Some("2.0.0"));
        assert_eq!(found(&registry, "f", ">=1.0.0,<2.0.0").as_deref(), Some("1.10.0"));
        assert_eq!(found(&registry, "f", "==1.2").as_deref(), Some("1.2.0"));
        assert_eq!(found(&registry, "f", ">2"), None);
        assert_eq!(found(&registry, "g", ""), None);
        assert!(registry.remove("f", "2".parse().unwrap()).is_some());
        assert!(registry.remove("f", "2".parse().unwrap()).is_none());
        assert_eq!(found(&registry, "f", "").as_deref(), Some("1.10.0"));
        assert_eq!(registry.count(), 3);
    }

    #[test]
    fn ids_and_resources_select_too() {
        let registry = Registry::default();
        registry
            .add(function(json!({"name": "f", "function_id": "math.f", "version": "2"}), quick()))
            .unwrap();
        let gpu =
            json!({"name": "f", "function_id": "math.f", "version": "1", "resources": ["gpu", "big", "gpu"]});
        registry.add(function(gpu, quick())).unwrap();
        let select = |function_id, resources: &[&str]| {
            let resources: Vec<String> = resources.iter().map(|&name| name.to_owned()).collect();
            let wanted =
                Selector { name: "f", function_id, constraint: Constraint::default(), resources: &resources };
            registry.select(&wanted).map(|function| function.version.major)
        };
        assert_eq!(select(Some("math.f"), &[]), Some(2));
        assert_eq!(select(Some("f"), &[]), None);
        assert_eq!(select(None, &["gpu"]), Some(1));
        assert_eq!(select(None, &["gpu", "big"]), Some(1));
        assert_eq!(select(None, &["gpu", "fpga"]), None);
    }

    #[test]
    fn names_and_ids_belong_together() {
        let registry = Registry::default();
        registry.add(function(json!({"name": "f", "function_id": "one"}), quick())).unwrap();
        let other =
            registry.add(function(json!({"name": "f", "function_id": "two", "version": "2"}), quick()));
        assert!(matches!(other, Err(Error::OtherId { .. })));
        let taken = registry.add(function(json!({"name": "g", "function_id": "one"}), quick()));
        assert!(matches!(taken, Err(Error::IdTaken { .. })));
        let again = registry.add(function(json!({"name": "f", "function_id": "one"}), quick()));
        assert!(matches!(again, Err(Error::Registered { .. })));
        registry.remove("f", Version::DEFAULT);
        registry.add(function(json!({"name": "g", "function_id": "one"}), quick())).unwrap();
    }

    #[test]
    fn workers_share_a_version_and_take_none_from_others() {
        let registry = Registry::default();
        registry.add(function(json!({"name": "f", "doc": "old"}), Code::Workers(0))).unwrap();
        registry.add(function(json!({"name": "f", "doc": "new"}), Code::Workers(0))).unwrap();
        assert_eq!(registry.version("f", Version::DEFAULT).unwrap().shapes.headline, "new");
        assert_eq!(registry.count(), 1);
        registry.add(versioned("g", "1")).unwrap();
        assert!(registry.add(function(json!({"name": "g"}), Code::Workers(0))).is_err());
    }

    #[test]
    fn pages_cover_everything_once() {
        let registry = Registry::default();
        for number in 0..25 {
            registry.add(versioned(&format!("f{number:02}"), "1")).unwrap();
        }
        registry.add(versioned("f03", "2")).unwrap();
        let (mut seen, mut offset) = (Vec::new(), 0);
        loop {
            let (page, more) = registry.page(offset, 10, |function| function.name != "f05");
            offset += page.len();
            seen.extend(page.iter().map(|function| (function.name.clone(), function.version.major)));
            if !more {
                break;
            }
        }
        assert_eq!(seen.len(), 25);
        assert_eq!(seen[3..5], [("f03".to_owned(), 2), ("f03".to_owned(), 1)]);
        assert!(registry.page(100, 10, |_| true).0.is_empty());
    }

    #[test]
    fn versions_of_one_function_are_bounded() {
        let registry = Registry::default();
        for number in 0..FUNCTION_VERSIONS_MAX {
            registry.add(versioned("f", &number.to_string())).unwrap();
        }
        assert!(matches!(registry.add(versioned("f", "999")), Err(Error::Full { .. })));
    }

    proptest! {
        #[test]
        fn it_answers_like_a_list(steps in prop::collection::vec((any::<bool>(), 0_u8..4, 0_u64..4), 0..60), at in 0_u64..4) {
            let registry = Registry::default();
            let mut list: Vec<(String, u64)> = Vec::new();
            for (add, name, version) in steps {
                let key = (format!("f{name}"), version);
                let known = list.iter().position(|other| *other == key);
                if add {
                    let added = registry.add(versioned(&key.0, &version.to_string())).is_ok();
                    prop_assert_eq!(added, known.is_none());
                    if added { list.push(key); }
                } else {
                    let removed = registry.remove(&key.0, Version { major: version, minor: 0, patch: 0 });
                    prop_assert_eq!(removed.is_some(), known.is_some());
                    if let Some(place) = known { list.remove(place); }
                }
            }
            prop_assert_eq!(registry.count(), list.len());
            for name in ["f0", "f1", "f2", "f3"] {
                let best = list.iter().filter(|(known, version)| known == name && *version >= at).map(|(_, version)| *version).max();
                prop_assert_eq!(found(&registry, name, &format!(">={at}")), best.map(|version| format!("{version}.0.0")));
            }
        }
    }
}
