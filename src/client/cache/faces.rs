//! Typed faces of the structures: `client.list(key).append(..)`. Each call is one message, one atomic step on the node.
//!
//! A missing structure reads as empty; the first write makes it.

use std::collections::HashMap;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Key, Range, Request, Scored, Structure, StructureOutcome};
use crate::client::{Client, Error, Level};

/// A structure of one kind under one key, with members of type `T`.
macro_rules! face {
    ($(#[$documentation:meta])* $name:ident, $method:ident, $kind:literal) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $name<'c, T> {
            place: Place<'c>,
            members: PhantomData<fn() -> T>,
        }

        impl Client {
            $(#[$documentation])*
            pub fn $method<'c, T>(&'c self, key: impl Into<Key<'c>>) -> $name<'c, T> {
                let place = Place { client: self, key: key.into(), kind: $kind, level: None };
                $name { place, members: PhantomData }
            }
        }

        impl<T> $name<'_, T> {
            /// The same with a level for its reads and writes.
            #[must_use]
            pub fn level(mut self, level: Level) -> Self {
                self.place.level = Some(level);
                self
            }

            /// How many members there are.
            pub async fn size(&self) -> Result<u64, Error> {
                Ok(self.place.run::<u64>(self.place.verb("size")).await?.value.unwrap_or(0))
            }

            /// Takes all members out; the empty structure stays.
            pub async fn clear(&self) -> Result<(), Error> {
                self.place.run::<bool>(self.place.verb("clear")).await.map(drop)
            }
        }
    };
}

face!(
    /// A set of distinct values, in the order of their insertion.
    Set, set, "set"
);
face!(
    /// A list of values.
    List, list, "list"
);
face!(
    /// Fields with values. A dotted field names a place in a nested object.
    Map, map, "map"
);
face!(
    /// Distinct values ordered by score.
    SortedSet, sorted_set, "sorted_set"
);
face!(
    /// Values taken out in the order they were put in.
    Queue, queue, "queue"
);
face!(
    /// Values taken out in the opposite order.
    Stack, stack, "stack"
);

#[derive(Debug)]
struct Place<'c> {
    client: &'c Client,
    key: Key<'c>,
    kind: &'static str,
    level: Option<Level>,
}

impl Place<'_> {
    fn verb(&self, verb: &str) -> Structure {
        Structure::new(self.kind, verb)
    }

    async fn run<R: DeserializeOwned>(&self, operation: Structure) -> Result<StructureOutcome<R>, Error> {
        let request = Request::structure(self.key, operation).level(self.level);
        self.client.execute(&request).await?.structure()
    }
}

impl<T: Serialize + DeserializeOwned> Set<'_, T> {
    /// Adds values; how many were not there before.
    pub async fn add(&self, values: impl IntoIterator<Item = T>) -> Result<u64, Error> {
        let outcome = self.place.run::<bool>(self.place.verb("add").values(values)?).await?;
        Ok(outcome.added.unwrap_or(0))
    }

    /// Takes values out; how many were there.
    pub async fn remove(&self, values: impl IntoIterator<Item = T>) -> Result<u64, Error> {
        let outcome = self.place.run::<bool>(self.place.verb("remove").values(values)?).await?;
        Ok(outcome.removed.unwrap_or(0))
    }

    /// Whether a value is a member.
    pub async fn contains(&self, value: &T) -> Result<bool, Error> {
        Ok(self.place.run(self.place.verb("contains").value(value)?).await?.value.unwrap_or(false))
    }

    /// All members.
    pub async fn members(&self) -> Result<Vec<T>, Error> {
        Ok(self.place.run(self.place.verb("members")).await?.value.unwrap_or_default())
    }

    /// Members of this set or of others, which are named `namespace:identifier[:version]`.
    pub async fn union<K: Into<String>>(&self, others: impl IntoIterator<Item = K>) -> Result<Vec<T>, Error> {
        self.combine("union", others).await
    }

    /// Members of this set and of all others.
    pub async fn intersection<K: Into<String>>(
        &self,
        others: impl IntoIterator<Item = K>,
    ) -> Result<Vec<T>, Error> {
        self.combine("intersection", others).await
    }

    /// Members of this set and of none of the others.
    pub async fn difference<K: Into<String>>(
        &self,
        others: impl IntoIterator<Item = K>,
    ) -> Result<Vec<T>, Error> {
        self.combine("difference", others).await
    }

    async fn combine<K: Into<String>>(
        &self,
        verb: &str,
        others: impl IntoIterator<Item = K>,
    ) -> Result<Vec<T>, Error> {
        Ok(self.place.run(self.place.verb(verb).others(others)).await?.value.unwrap_or_default())
    }
}

impl<T: Serialize + DeserializeOwned> List<'_, T> {
    /// Puts values behind the last, in order; the length afterwards.
    pub async fn append(&self, values: impl IntoIterator<Item = T>) -> Result<u64, Error> {
        Ok(self.place.run::<i64>(self.place.verb("append").values(values)?).await?.size)
    }

    /// Puts values before the first, in order; the length afterwards.
    pub async fn prepend(&self, values: impl IntoIterator<Item = T>) -> Result<u64, Error> {
        Ok(self.place.run::<i64>(self.place.verb("prepend").values(values)?).await?.size)
    }

    /// Puts values before the one at `index`; the length afterwards.
    pub async fn insert(&self, index: i64, values: impl IntoIterator<Item = T>) -> Result<u64, Error> {
        let operation = self.place.verb("insert").index(index).values(values)?;
        Ok(self.place.run::<i64>(operation).await?.size)
    }

    /// Takes the first out.
    pub async fn pop_front(&self) -> Result<Option<T>, Error> {
        Ok(self.place.run(self.place.verb("pop_front")).await?.value)
    }

    /// Takes the last out.
    pub async fn pop_back(&self) -> Result<Option<T>, Error> {
        Ok(self.place.run(self.place.verb("pop_back")).await?.value)
    }

    /// The one at `index`; a negative index counts from the end. An index outside is an error.
    pub async fn get(&self, index: i64) -> Result<Option<T>, Error> {
        Ok(self.place.run(self.place.verb("get").index(index)).await?.value)
    }

    /// Those at the places of `range`.
    pub async fn range(&self, range: Range) -> Result<Vec<T>, Error> {
        Ok(self.place.run(self.place.verb("get_range").range(range)).await?.value.unwrap_or_default())
    }

    /// Takes the first occurrence of a value out; whether there was one.
    pub async fn remove(&self, value: &T) -> Result<bool, Error> {
        Ok(self.place.run(self.place.verb("remove").value(value)?).await?.value.unwrap_or(false))
    }
}

impl<T: Serialize + DeserializeOwned> Map<'_, T> {
    /// Stores one field.
    pub async fn set(&self, field: &str, value: &T) -> Result<(), Error> {
        let operation = self.place.verb("set_field").updates(&HashMap::from([(field, value)]))?;
        self.place.run::<u64>(operation).await.map(drop)
    }

    /// Stores several fields in one step; how many.
    pub async fn set_all<U: Serialize + ?Sized>(&self, fields: &U) -> Result<u64, Error> {
        Ok(self.place.run(self.place.verb("set_field").updates(fields)?).await?.value.unwrap_or(0))
    }

    /// One field.
    pub async fn get(&self, field: &str) -> Result<Option<T>, Error> {
        Ok(self.place.run(self.place.verb("get").fields([field])).await?.value)
    }

    /// Those of the named fields that are there.
    pub async fn get_all<F: Into<String>>(
        &self,
        fields: impl IntoIterator<Item = F>,
    ) -> Result<HashMap<String, T>, Error> {
        Ok(self.place.run(self.place.verb("get_fields").fields(fields)).await?.value.unwrap_or_default())
    }

    /// Takes fields out; how many were there.
    pub async fn remove<F: Into<String>>(&self, fields: impl IntoIterator<Item = F>) -> Result<u64, Error> {
        Ok(self.place.run(self.place.verb("remove_fields").fields(fields)).await?.value.unwrap_or(0))
    }

    /// Adds to the number of a field and returns the sum.
    pub async fn increment<N: Serialize + DeserializeOwned>(&self, field: &str, by: N) -> Result<N, Error> {
        let operation = self.place.verb("increment_field").fields([field]).value(&by)?;
        let sum = self.place.run(operation).await?.value;
        sum.ok_or_else(|| Error::decode("an increment without a sum"))
    }

    /// Names of all fields.
    pub async fn keys(&self) -> Result<Vec<String>, Error> {
        Ok(self.place.run(self.place.verb("keys")).await?.value.unwrap_or_default())
    }

    /// All fields with their values.
    pub async fn items(&self) -> Result<Vec<(String, T)>, Error> {
        Ok(self.place.run(self.place.verb("items")).await?.value.unwrap_or_default())
    }
}

impl<T: Serialize + DeserializeOwned> SortedSet<'_, T> {
    /// Adds a member, or gives one that is there another score; true when it is new.
    pub async fn add(&self, value: &T, score: f64) -> Result<bool, Error> {
        let added: Option<u64> =
            self.place.run(self.place.verb("add_scored").scored(value, score)?).await?.value;
        Ok(added == Some(1))
    }

    /// Takes a member out; whether it was there.
    pub async fn remove(&self, value: &T) -> Result<bool, Error> {
        Ok(self.place.run(self.place.verb("remove").value(value)?).await?.value.unwrap_or(false))
    }

    /// The score of a member.
    pub async fn score(&self, value: &T) -> Result<Option<f64>, Error> {
        Ok(self.place.run(self.place.verb("get_score").value(value)?).await?.value)
    }

    /// How many members stand before it.
    pub async fn rank(&self, value: &T) -> Result<Option<u64>, Error> {
        Ok(self.place.run(self.place.verb("rank").value(value)?).await?.value)
    }

    /// Those with the highest scores, the highest first.
    pub async fn top(&self, limit: u64) -> Result<Vec<Scored<T>>, Error> {
        Ok(self.place.run(self.place.verb("get_top").limit(limit)).await?.value.unwrap_or_default())
    }

    /// A part, ascending.
    pub async fn range(&self, range: Range) -> Result<Vec<Scored<T>>, Error> {
        Ok(self.place.run(self.place.verb("get_range").range(range)).await?.value.unwrap_or_default())
    }
}

impl<T: Serialize + DeserializeOwned> Queue<'_, T> {
    /// Puts values behind the last, in order.
    pub async fn enqueue(&self, values: impl IntoIterator<Item = T>) -> Result<(), Error> {
        self.place.run::<i64>(self.place.verb("enqueue").values(values)?).await.map(drop)
    }

    /// Takes the first out.
    pub async fn dequeue(&self) -> Result<Option<T>, Error> {
        Ok(self.place.run(self.place.verb("dequeue")).await?.value)
    }

    /// The first, which stays.
    pub async fn peek(&self) -> Result<Option<T>, Error> {
        Ok(self.place.run(self.place.verb("peek")).await?.value)
    }
}

impl<T: Serialize + DeserializeOwned> Stack<'_, T> {
    /// Puts values on top, in order.
    pub async fn push(&self, values: impl IntoIterator<Item = T>) -> Result<(), Error> {
        self.place.run::<i64>(self.place.verb("push").values(values)?).await.map(drop)
    }

    /// Takes the top one off.
    pub async fn pop(&self) -> Result<Option<T>, Error> {
        Ok(self.place.run(self.place.verb("pop")).await?.value)
    }

    /// The top one, which stays.
    pub async fn peek(&self) -> Result<Option<T>, Error> {
        Ok(self.place.run(self.place.verb("peek")).await?.value)
    }
}

/// A number that is counted up and down.
#[derive(Debug)]
pub struct Counter<'c> {
    place: Place<'c>,
}

impl Client {
    /// A number that is counted up and down.
    pub fn counter<'c>(&'c self, key: impl Into<Key<'c>>) -> Counter<'c> {
        Counter { place: Place { client: self, key: key.into(), kind: "counter", level: None } }
    }
}

impl Counter<'_> {
    /// The same with a level for its reads and writes.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.place.level = Some(level);
        self
    }

    /// Adds, and returns the sum; negative steps count down.
    pub async fn add(&self, step: i64) -> Result<i64, Error> {
        let sum = self.place.run(self.place.verb("increment").value(&step)?).await?.value;
        sum.ok_or_else(|| Error::decode("a counter without a number"))
    }

    /// The number; 0 when there is none yet.
    pub async fn get(&self) -> Result<i64, Error> {
        Ok(self.place.run(self.place.verb("get")).await?.value.unwrap_or(0))
    }

    /// Sets it.
    pub async fn set(&self, number: i64) -> Result<(), Error> {
        self.place.run::<i64>(self.place.verb("set").value(&number)?).await.map(drop)
    }
}
