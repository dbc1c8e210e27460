//! Cells: what a checkpoint writes, what leaves memory, what is loaded again, and what is refused.

use std::cell::Cell;

use super::*;

fn key(number: usize) -> Vec<u8> {
    format!("key:{number:06}").into_bytes()
}

/// A tree of `count` keys, folded.
fn folded(count: usize) -> World {
    let mut cells = Cells::default();
    let items = (0..count).map(|number| (key(number), b"a value of some length"));
    let tree = Tree::build(items, &mut cells, 1).unwrap();
    let mut world = World::around(tree, cells, 1);
    world.fold();
    world
}

/// A shelf that counts its loads.
struct Counted<'s> {
    shelf: &'s Shelf,
    loads: Cell<u32>,
}

impl<'s> Counted<'s> {
    fn new(shelf: &'s Shelf) -> Counted<'s> {
        Counted { shelf, loads: Cell::new(0) }
    }
}

impl Source for Counted<'_> {
    type Error = Error;

    fn cell(&self, cell: u32, stamp: u64) -> Result<Vec<u8>, Error> {
        self.loads.set(self.loads.get() + 1);
        self.shelf.cell(cell, stamp)
    }
}

#[test]
fn a_checkpoint_writes_only_the_changed_paths() {
    let mut world = folded(20_000);
    let levels = usize::from(world.check().levels);
    assert_eq!(levels, 2);
    assert_eq!(world.fold(), 0, "nothing has changed");
    world.change(|tree, edit| tree.insert(&key(77), b"new", edit));
    assert_eq!(world.fold(), levels + 1);
    world.change(|tree, edit| tree.insert(&key(77), b"newer", edit));
    world.change(|tree, edit| tree.insert(&key(19_999), b"new", edit));
    assert_eq!(world.fold(), 2 * levels + 1, "the root is shared");
    let before = world.items();
    world.restart();
    assert_eq!(world.items(), before);
}

#[test]
fn changes_of_a_later_time_are_not_in_the_snapshot_of_a_checkpoint() {
    let mut world = folded(2_000);
    world.change(|tree, edit| tree.remove(&key(5), edit));
    let snapshot = world.tree.clone();
    let wanted = items(&snapshot, &NoSource);
    for number in 0..1500 {
        world.change(|tree, edit| tree.remove(&key(number), edit));
    }
    // The checkpointer works while the tree moves on: it takes what was removed up to its own position.
    let through = snapshot.root().unwrap().stamp;
    snapshot.changed_since(world.checkpoint, |cell, bytes| _ = world.shelf.rows.insert(cell, bytes.to_vec()));
    let gone = world.cells.removed.extract_if(.., |(stamp, _)| *stamp <= through);
    gone.for_each(|(_, cell)| _ = world.shelf.rows.remove(&cell));
    assert!(!world.cells.removed.is_empty());
    let stored = Tree::from_root(snapshot.root().unwrap());
    assert_eq!(items(&stored, &world.shelf), wanted);
    assert_eq!(check(&stored).cells.len(), world.shelf.rows.len());
    // And the next checkpoint takes the rest.
    world.checkpoint = through;
    world.fold();
    world.restart();
    assert_eq!(world.items(), wanted[wanted.len() - 500..]);
    assert_eq!(world.check().cells.len(), world.shelf.rows.len());
}

#[test]
fn pruning_gives_back_what_is_stored_and_keeps_the_rest() {
    let mut world = folded(20_000);
    let full_bytes = world.tree.memory_bytes();
    let wanted = world.items();
    world.change(|tree, edit| tree.insert(&key(10_000), b"changed", edit));
    let freed = world.tree.prune(world.checkpoint);
    let left = world.tree.memory_bytes();
    assert!(freed > full_bytes * 9 / 10, "{freed} of {full_bytes}");
    assert!(
        freed + left < full_bytes + 1000 && freed + left + 1000 > full_bytes,
        "{freed} and {left} of {full_bytes}"
    );
    assert_eq!(check(&world.tree).leaves, 1, "the changed leaf stays");
    assert_eq!(world.tree.get(&key(10_000), &NoSource).unwrap(), Some(&b"changed"[..]));
    assert_eq!(world.fold(), 3, "a pruned tree knows what changed");
    let mut now = world.items();
    assert_eq!(std::mem::replace(&mut now[10_000].1, wanted[10_000].1.clone()), b"changed");
    assert_eq!(now, wanted);
    let again_bytes = world.tree.memory_bytes();
    assert!(
        again_bytes.abs_diff(full_bytes) < full_bytes / 100,
        "all is loaded again: {again_bytes} of {full_bytes}"
    );
}

#[test]
fn pruning_leaves_alone_what_a_clone_shares() {
    let mut world = folded(20_000);
    let clone = world.tree.clone();
    assert_eq!(world.tree.prune(world.checkpoint), 0);
    world.change(|tree, edit| tree.insert(&key(0), b"changed", edit));
    world.fold();
    // The path is the tree's own now, all else is still the clone's as well.
    assert!(world.tree.prune(world.checkpoint) < 12_000);
    assert_eq!(items(&clone, &NoSource).len(), 20_000);
    drop(clone);
    assert!(world.tree.prune(world.checkpoint) > 400_000);
}

#[test]
fn a_clone_warms_the_tree_it_was_cloned_from() {
    let mut world = folded(20_000);
    world.restart();
    let clone = world.tree.clone();
    let counted = Counted::new(&world.shelf);
    clone.touch(&key(9), &counted).unwrap();
    clone.touch_at(10, &counted).unwrap();
    assert_eq!(counted.loads.get(), 3, "one cell a level, each once");
    let mut edit = Edit { cells: &mut world.cells, stamp: 2, source: &NoSource };
    assert!(world.tree.insert(&key(9), b"warm", &mut edit).unwrap().is_some());
    assert!(world.tree.remove(&key(10), &mut edit).unwrap().is_some());
    assert_eq!(clone.len(), 20_000);
}

#[test]
fn readers_of_many_threads_load_through_one_tree() {
    let mut world = folded(20_000);
    world.restart();
    let (tree, shelf) = (&world.tree, &world.shelf);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for number in 0..20_000 {
                    let number = (number * 7 + thread * 5_000) % 20_000;
                    assert!(tree.clone().get(&key(number), shelf).unwrap().is_some());
                }
            });
        }
    });
    assert_eq!(items(tree, &NoSource).len(), 20_000, "all of it is in memory now");
}

#[test]
fn an_append_needs_the_last_leaf_only() {
    let mut cells = Cells::default();
    let items = (0..20_000).map(|number| ("", key(number)));
    let mut world = World::around(Tree::build(items, &mut cells, 1).unwrap(), cells, 1);
    world.fold();
    world.restart();
    let counted = Counted::new(&world.shelf);
    world.tree.touch_at(world.tree.len(), &counted).unwrap();
    assert_eq!(counted.loads.get(), 3);
    let mut edit = Edit { cells: &mut world.cells, stamp: 2, source: &NoSource };
    for _ in 0..500 {
        world.tree.insert_at(world.tree.len(), b"appended", &mut edit).unwrap();
    }
    assert_eq!(world.tree.last(&NoSource).unwrap().unwrap().value, b"appended");
}

/// Everything that can be seen of a tree and its cells.
#[expect(clippy::type_complexity, reason = "root, cells, items")]
fn seen(world: &World) -> (Option<RootRef>, Cells, Vec<(Vec<u8>, Vec<u8>)>) {
    let copy = world.tree.root().map_or_else(Tree::new, Tree::from_root);
    (world.tree.root(), world.cells.clone(), items(&copy, &world.shelf))
}

#[test]
fn what_is_cold_fails_and_changes_nothing() {
    let mut world = folded(20_000);
    world.restart();
    // The root and its first child are in memory, their other children are not.
    world.tree.touch(&key(0), &world.shelf).unwrap();
    let before = seen(&world);
    let far = key(15_000);
    let mut edit = Edit { cells: &mut world.cells, stamp: 2, source: &NoSource };
    let tree = &mut world.tree;
    let all = [
        tree.insert(&far, b"x", &mut edit).map(|_| ()),
        tree.remove(&far, &mut edit).map(|_| ()),
        tree.insert_at(15_000, b"x", &mut edit),
        tree.insert_at(20_000, b"x", &mut edit),
        tree.replace_at(15_000, b"x", &mut edit).map(|_| ()),
        tree.remove_at(15_000, &mut edit).map(|_| ()),
        tree.get(&far, &NoSource).map(|_| ()),
        tree.rank(&far, &NoSource).map(|_| ()),
        tree.at(15_000, &NoSource).map(|_| ()),
        tree.last(&NoSource).map(|_| ()),
        tree.ascend(15_000, &NoSource).try_for_each(|item| item.map(|_| ())),
        tree.descend(20_000, &NoSource).try_for_each(|item| item.map(|_| ())),
        tree.ascend_from(&far, &NoSource).map(|_| ()),
        tree.touch(&far, &NoSource),
        tree.touch_at(15_000, &NoSource),
    ];
    for (number, outcome) in all.into_iter().enumerate() {
        assert!(matches!(outcome, Err(Error::Cold { stamp: 1, .. })), "operation {number}: {outcome:?}");
    }
    assert_eq!(seen(&world), before);
    let first_leaf = world.tree.ascend(0, &NoSource).map_while(Result::ok).count();
    assert!((50..200).contains(&first_leaf), "an iterator ends after its error: {first_leaf}");
}

#[test]
fn a_cell_of_another_time_is_stale() {
    let mut world = folded(20_000);
    let old = Tree::from_root(world.tree.root().unwrap());
    world.change(|tree, edit| tree.insert(&key(3), b"x", edit));
    world.fold();
    let cell = world.tree.root().unwrap().cell;
    let error = old.get(&key(3), &world.shelf).unwrap_err();
    assert_eq!(error, Error::Stale { cell, wanted: 1, found: 2 });
    assert_eq!(error.to_string(), format!("tree: cell {cell}: expected stamp 1, found 2"));
}

#[test]
fn a_root_reference_that_lies_is_found_out() {
    let world = folded(2_000);
    let root = world.tree.root().unwrap();
    for lie in [
        RootRef { len: root.len + 1, ..root },
        RootRef { bytes: root.bytes - 1, ..root },
        RootRef { len: 0, ..root },
    ] {
        let error = Tree::from_root(lie).get(&key(3), &world.shelf).unwrap_err();
        assert!(matches!(error, Error::Damaged { cell, .. } if cell == root.cell), "{error}");
    }
}

#[test]
fn a_cell_in_the_place_of_another_is_refused() {
    let mut world = folded(2_000);
    world.restart();
    let root = world.tree.root().unwrap();
    // The root in the place of one of its leaves: same stamp, other counts and level.
    let root_row = world.shelf.rows[&root.cell].clone();
    world.shelf.rows.insert(0, root_row);
    let error = world.tree.get(&key(0), &world.shelf).unwrap_err();
    assert!(matches!(error, Error::Damaged { cell: 0, .. }), "{error}");
}

#[test]
fn cell_numbers_run_out_before_anything_changes() {
    let mut world = World::default();
    world.change(|tree, edit| tree.insert(b"k", b"v", edit));
    world.cells.next = u32::MAX - 10;
    let mut edit = Edit { cells: &mut world.cells, stamp: 2, source: &NoSource };
    assert_eq!(world.tree.insert(b"l", b"v", &mut edit), Err(Error::NoCells));
    assert_eq!(world.tree.remove(b"k", &mut edit), Ok(Some(b"v".to_vec())));
    assert_eq!(Tree::build([("a", "b")], &mut world.cells, 3).unwrap_err(), Error::NoCells);
}

#[test]
fn trees_of_one_structure_share_its_numbers() {
    let (mut cells, mut left, mut right) = (Cells::default(), Tree::new(), Tree::new());
    let mut edit = Edit { cells: &mut cells, stamp: 4, source: &NoSource };
    for number in 0..1000_u64 {
        left.insert(&number.to_be_bytes(), b"left", &mut edit).unwrap();
        right.insert(&(number * 7 % 1000).to_be_bytes(), b"right", &mut edit).unwrap();
    }
    let (left, right) = (check(&left).cells, check(&right).cells);
    assert!(left.is_disjoint(&right));
    assert_eq!(left.len() + right.len() + cells.removed.len(), cells.next as usize);
}
