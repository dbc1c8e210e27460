//! All subscriptions of a node by what they match.
//!
//! ```text
//! topic ─┬─ literal patterns   one lookup of the whole topic         64 shards, by the topic
//!        ├─ wildcards behind a literal first segment: a trie         64 shards, by the first segment
//!        └─ wildcards in front: a trie                               one
//! ```
//!
//! Matching takes three read locks and waits for at most one insertion each; a subscriber that comes or goes holds
//! the lock of one shard for one pattern. Memory: about 150 bytes a pattern, handle included.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::pattern::{Pattern, segments};
use super::trie::{Held, Scratch, Trie};

/// Many, so that a matcher rarely meets a subscriber, and the one subscriber whose insertion makes a map grow holds
/// its lock for a short while: growing is what takes longest.
const SHARDS: usize = 64;

/// Patterns with the handles of those who hold them. `T` is compared to find the handle that is removed.
#[derive(Debug)]
pub struct Index<T> {
    literal: [RwLock<HashMap<Box<str>, Held<T>>>; SHARDS],
    wild: [RwLock<Trie<T>>; SHARDS],
    leading: RwLock<Trie<T>>,
    seed: RandomState,
}

/// What a match needs besides the index; kept by the caller from match to match.
#[derive(Debug, Default)]
pub struct Matcher(Scratch);

impl<T: PartialEq> Default for Index<T> {
    fn default() -> Index<T> {
        Index::new()
    }
}

impl<T: PartialEq> Index<T> {
    /// An empty index.
    #[must_use]
    pub fn new() -> Index<T> {
        Index {
            literal: std::array::from_fn(|_| RwLock::default()),
            wild: std::array::from_fn(|_| RwLock::new(Trie::new())),
            leading: RwLock::new(Trie::new()),
            seed: RandomState::new(),
        }
    }

    /// Adds a handle under a pattern. The same handle may stand under many.
    pub fn insert(&self, pattern: &Pattern, handle: T) {
        if !pattern.is_literal() {
            return write(self.trie(pattern)).insert(pattern, handle);
        }
        let mut shard = write(self.literal_shard(pattern.as_str()));
        match shard.get_mut(pattern.as_str()) {
            Some(held) => held.add(handle),
            None => drop(shard.insert(pattern.as_str().into(), Held::One(handle))),
        }
    }

    /// Removes a handle from under a pattern; whether it stood there.
    pub fn remove(&self, pattern: &Pattern, handle: &T) -> bool {
        if !pattern.is_literal() {
            return write(self.trie(pattern)).remove(pattern, handle);
        }
        let mut shard = write(self.literal_shard(pattern.as_str()));
        let Some(held) = shard.get_mut(pattern.as_str()) else { return false };
        let removed = held.remove(handle);
        if held.is_empty() {
            shard.remove(pattern.as_str());
        }
        removed
    }

    /// Calls `found` with the handle of every pattern that matches `topic`; with a handle that stands under several
    /// such patterns once for each. Cost: no allocation; three short read locks.
    pub fn matches(&self, topic: &str, matcher: &mut Matcher, mut found: impl FnMut(&T)) {
        if let Some(held) = read(self.literal_shard(topic)).get(topic) {
            held.as_slice().iter().for_each(&mut found);
        }
        if let Some(first) = segments(topic).next() {
            read(self.wild_shard(first)).matches(topic, &mut matcher.0, &mut |handle| found(handle));
        }
        read(&self.leading).matches(topic, &mut matcher.0, &mut |handle| found(handle));
    }

    fn literal_shard(&self, topic: &str) -> &RwLock<HashMap<Box<str>, Held<T>>> {
        &self.literal[self.shard(topic)]
    }

    fn wild_shard(&self, first: &str) -> &RwLock<Trie<T>> {
        &self.wild[self.shard(first)]
    }

    fn trie(&self, pattern: &Pattern) -> &RwLock<Trie<T>> {
        match segments(pattern.as_str()).next() {
            Some("*" | "#") | None => &self.leading,
            Some(first) => self.wild_shard(first),
        }
    }

    fn shard(&self, text: &str) -> usize {
        self.seed.hash_one(text) as usize % SHARDS
    }
}

// Nothing panics between two steps of a change, so a poisoned lock guards a whole structure all the same.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::pattern::tests::{TABLE, reference, split};
    use super::*;
    use proptest::prelude::*;

    fn found(index: &Index<usize>, topic: &str) -> Vec<usize> {
        let mut all = Vec::new();
        index.matches(topic, &mut Matcher::default(), |&handle| all.push(handle));
        all.sort_unstable();
        all
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text, false).unwrap()
    }

    #[test]
    fn the_table_of_the_protocol() {
        let index = Index::new();
        for (handle, (text, ..)) in TABLE.iter().enumerate() {
            index.insert(&pattern(text), handle);
        }
        for &(_, topic, _) in TABLE {
            let matching = |(handle, &(text, ..)): (usize, &(&str, &str, bool))| {
                reference(&split(text), &split(topic)).then_some(handle)
            };
            let expected: Vec<usize> = TABLE.iter().enumerate().filter_map(matching).collect();
            assert_eq!(found(&index, topic), expected, "{topic:?}");
        }
    }

    #[test]
    fn a_handle_under_two_matching_patterns_is_found_twice_and_removed_once() {
        let index = Index::new();
        for text in ["a.b", "a.*"] {
            index.insert(&pattern(text), 7);
        }
        index.insert(&pattern("a.*"), 8);
        assert_eq!(found(&index, "a.b"), [7, 7, 8]);
        assert!(index.remove(&pattern("a.*"), &7));
        assert!(!index.remove(&pattern("a.*"), &7), "it stood there once");
        assert!(!index.remove(&pattern("a.#"), &7));
        assert_eq!(found(&index, "a.b"), [7, 8]);
    }

    #[test]
    fn what_is_removed_leaves_no_node() {
        let index = Index::new();
        let texts = ["a.*.c", "a.*.d.#", "a.#", "*.c", "#.c.*", "a.x.*"];
        for _ in 0..3 {
            texts.iter().for_each(|text| index.insert(&pattern(text), 1));
            assert!(texts.iter().rev().all(|text| index.remove(&pattern(text), &1)));
        }
        let nodes = |trie: &RwLock<Trie<usize>>| (read(trie).live_nodes(), read(trie).all_nodes());
        assert_eq!(nodes(&index.leading), (1, 6), "the root is left, and nodes were used again");
        assert_eq!(nodes(index.wild_shard("a")), (1, 9));
        assert!(found(&index, "a.x.c").is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn agrees_with_the_reference_while_subscribers_come_and_go(
            texts in proptest::collection::vec("([ab*#]|)(\\.([ab*#]|)){0,4}", 1..30),
            gone in proptest::collection::vec(any::<bool>(), 30),
            topics in proptest::collection::vec("([ab]|)(\\.([ab]|)){0,5}", 1..20),
        ) {
            let index = Index::new();
            for (handle, text) in texts.iter().enumerate() {
                index.insert(&pattern(text), handle);
            }
            for (handle, text) in texts.iter().enumerate().filter(|(handle, _)| gone[*handle]) {
                prop_assert!(index.remove(&pattern(text), &handle));
            }
            for topic in &topics {
                let expected: Vec<usize> = (0..texts.len())
                    .filter(|&handle| !gone[handle] && reference(&split(&texts[handle]), &split(topic)))
                    .collect();
                prop_assert_eq!(found(&index, topic), expected, "{:?}", topic);
            }
        }
    }
}
