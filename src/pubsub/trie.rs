//! A trie over the segments of patterns with wildcards.
//!
//! ```text
//! a.*.c   a.#   #.c           root ─ a ─┬ * ─ c      a topic is read segment by segment; a set of nodes is
//!                              │        └ #          active: the child of that segment, the `*` child, and every
//!                              # ─ c                 `#` node stays. A `#` child is active as soon as its parent is
//! ```
//!
//! What a match costs depends on the depth of the topic and on how many patterns agree with a beginning of it, not
//! on how many patterns there are: all literal edges of a trie stand in one hash table, by parent and segment.
//! Nodes are numbers in one vector, so a node costs no allocation but its segment's text.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use super::pattern::{Pattern, Step, segments};

/// No node.
const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;

/// Patterns with wildcards, each with the handles of those who hold it.
#[derive(Debug)]
pub(super) struct Trie<T> {
    nodes: Vec<Node<T>>,
    /// First node on the list of those whose parent and segment have this hash.
    edges: HashMap<u64, u32, Identity>,
    /// First unused node; they are linked by `next`.
    free: u32,
    seed: RandomState,
}

#[derive(Debug)]
struct Node<T> {
    parent: u32,
    /// Next node with the same hash; of an unused node, the next unused one.
    next: u32,
    star: u32,
    hash: u32,
    /// Literal children.
    children: u32,
    kind: Kind,
    held: Held<T>,
}

/// The last step of a node's pattern.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Unused,
    Root,
    Literal(Box<str>),
    One,
    Any,
}

/// Handles in one place; nearly always there is none or one.
#[derive(Debug, Default)]
pub(super) enum Held<T> {
    #[default]
    None,
    One(T),
    #[expect(clippy::box_collection, reason = "the vector itself would double every node")]
    Many(Box<Vec<T>>),
}

/// What a match needs besides the trie; kept from match to match.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    active: Vec<u32>,
    following: Vec<u32>,
}

impl<T: PartialEq> Held<T> {
    pub(super) fn add(&mut self, handle: T) {
        *self = match std::mem::take(self) {
            Held::None => Held::One(handle),
            Held::One(first) => Held::Many(Box::new(vec![first, handle])),
            Held::Many(mut all) => {
                all.push(handle);
                Held::Many(all)
            }
        }
    }

    /// Removes one handle equal to `handle`; whether there was one.
    pub(super) fn remove(&mut self, handle: &T) -> bool {
        match self {
            Held::One(only) if only == handle => *self = Held::None,
            Held::None | Held::One(_) => return false,
            Held::Many(all) => {
                // The newest go first where many come and go.
                let Some(at) = all.iter().rposition(|other| other == handle) else { return false };
                all.swap_remove(at);
                if all.len() == 1 {
                    *self = all.pop().map_or(Held::None, Held::One);
                }
            }
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Held::None)
    }

    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Held::None => &[],
            Held::One(only) => std::slice::from_ref(only),
            Held::Many(all) => all,
        }
    }
}

impl<T> Node<T> {
    fn new(parent: u32, kind: Kind) -> Node<T> {
        Node { parent, next: NONE, star: NONE, hash: NONE, children: 0, kind, held: Held::None }
    }
}

impl<T: PartialEq> Trie<T> {
    pub(super) fn new() -> Trie<T> {
        let nodes = vec![Node::new(NONE, Kind::Root)];
        Trie { nodes, edges: HashMap::default(), free: NONE, seed: RandomState::new() }
    }

    /// Adds a handle under a pattern with wildcards.
    pub(super) fn insert(&mut self, pattern: &Pattern, handle: T) {
        let mut at = ROOT;
        for step in pattern.steps() {
            at = self.child(at, step).unwrap_or_else(|| self.grow(at, step));
        }
        self.node_mut(at).held.add(handle);
    }

    /// Removes one handle of a pattern, and the nodes that nobody needs then; whether there was one.
    pub(super) fn remove(&mut self, pattern: &Pattern, handle: &T) -> bool {
        let mut at = ROOT;
        for step in pattern.steps() {
            let Some(next) = self.child(at, step) else { return false };
            at = next;
        }
        let removed = self.node_mut(at).held.remove(handle);
        while at != ROOT && self.is_leaf(at) && self.node(at).held.is_empty() {
            let parent = self.node(at).parent;
            self.prune(at);
            at = parent;
        }
        removed
    }

    /// Calls `found` with every handle whose pattern matches `topic`; with a handle that stands under several such
    /// patterns once for each.
    pub(super) fn matches<'t>(&'t self, topic: &str, scratch: &mut Scratch, found: &mut impl FnMut(&'t T)) {
        let Scratch { active, following } = scratch;
        active.clear();
        self.activate(ROOT, active);
        for segment in segments(topic) {
            following.clear();
            for &at in &*active {
                let node = self.node(at);
                if node.kind == Kind::Any {
                    following.push(at);
                }
                if node.star != NONE {
                    self.activate(node.star, following);
                }
                if node.children > 0
                    && let Some(child) = self.literal_child(at, segment)
                {
                    self.activate(child, following);
                }
            }
            // A `#` node is reached twice when its parent is: from there, and because it has stayed.
            if following.len() > 1 {
                following.sort_unstable();
                following.dedup();
            }
            std::mem::swap(active, following);
            if active.is_empty() {
                return;
            }
        }
        active.iter().flat_map(|&at| self.node(at).held.as_slice()).for_each(found);
    }

    fn activate(&self, at: u32, active: &mut Vec<u32>) {
        active.push(at);
        let hash = self.node(at).hash;
        if hash != NONE {
            // Nothing stands behind a `#` at once: several in a row have become one.
            active.push(hash);
        }
    }

    fn node(&self, at: u32) -> &Node<T> {
        &self.nodes[at as usize]
    }

    fn node_mut(&mut self, at: u32) -> &mut Node<T> {
        &mut self.nodes[at as usize]
    }

    fn is_leaf(&self, at: u32) -> bool {
        let node = self.node(at);
        node.children == 0 && node.star == NONE && node.hash == NONE
    }

    fn edge(&self, parent: u32, segment: &str) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write_u32(parent);
        hasher.write(segment.as_bytes());
        hasher.finish()
    }

    fn child(&self, parent: u32, step: Step<'_>) -> Option<u32> {
        match step {
            Step::One => Some(self.node(parent).star).filter(|&at| at != NONE),
            Step::Any => Some(self.node(parent).hash).filter(|&at| at != NONE),
            Step::Literal(segment) => self.literal_child(parent, segment),
        }
    }

    fn literal_child(&self, parent: u32, segment: &str) -> Option<u32> {
        let mut at = *self.edges.get(&self.edge(parent, segment))?;
        while at != NONE {
            let node = self.node(at);
            if node.parent == parent && matches!(&node.kind, Kind::Literal(text) if **text == *segment) {
                return Some(at);
            }
            at = node.next;
        }
        None
    }

    /// Makes a child that is not there yet.
    fn grow(&mut self, parent: u32, step: Step<'_>) -> u32 {
        let kind = match step {
            Step::One => Kind::One,
            Step::Any => Kind::Any,
            Step::Literal(segment) => Kind::Literal(segment.into()),
        };
        let at = self.place(Node::new(parent, kind));
        match step {
            Step::One => self.node_mut(parent).star = at,
            Step::Any => self.node_mut(parent).hash = at,
            Step::Literal(segment) => {
                let edge = self.edge(parent, segment);
                self.node_mut(at).next = self.edges.insert(edge, at).unwrap_or(NONE);
                self.node_mut(parent).children += 1;
            }
        }
        at
    }

    fn place(&mut self, node: Node<T>) -> u32 {
        let at = self.free;
        if at != NONE {
            self.free = self.node(at).next;
            *self.node_mut(at) = node;
            return at;
        }
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).ok().filter(|&at| at != NONE).expect("subscriptions are bounded")
    }

    /// Takes a leaf from its parent.
    fn prune(&mut self, at: u32) {
        let node = self.node_mut(at);
        let (parent, next) = (node.parent, node.next);
        match std::mem::replace(&mut node.kind, Kind::Unused) {
            Kind::Literal(segment) => {
                self.unlink(self.edge(parent, &segment), at, next);
                self.node_mut(parent).children -= 1;
            }
            Kind::One => self.node_mut(parent).star = NONE,
            Kind::Any => self.node_mut(parent).hash = NONE,
            Kind::Root | Kind::Unused => unreachable!("neither is the child of a node"),
        }
        self.node_mut(at).next = self.free;
        self.free = at;
    }

    /// Takes `at`, which is followed by `next`, out of the list of nodes with this hash.
    fn unlink(&mut self, edge: u64, at: u32, next: u32) {
        let first = self.edges.get_mut(&edge).expect("every literal node is on a list");
        if *first != at {
            let mut before = *first;
            while self.node(before).next != at {
                before = self.node(before).next;
            }
            self.node_mut(before).next = next;
        } else if next == NONE {
            self.edges.remove(&edge);
        } else {
            *first = next;
        }
    }
}

/// The keys are hashes already.
#[derive(Debug, Default, Clone, Copy)]
struct Identity(u64);

impl BuildHasher for Identity {
    type Hasher = Identity;

    fn build_hasher(&self) -> Identity {
        Identity(0)
    }
}

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are 64 bit numbers");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
impl<T: PartialEq> Trie<T> {
    /// Nodes in use.
    pub(super) fn live_nodes(&self) -> usize {
        self.nodes.iter().filter(|node| node.kind != Kind::Unused).count()
    }

    /// Nodes there ever were at once.
    pub(super) fn all_nodes(&self) -> usize {
        self.nodes.len()
    }
}
