//! A million items: the shape holds, and what should be full is full.

use super::*;

const COUNT: u64 = 1_000_000;

fn apply(world: &mut World, count: u64, mut change: impl FnMut(&mut Tree, u64, &mut Edit<'_, NoSource>)) {
    world.stamp += 1;
    let mut edit = Edit { cells: &mut world.cells, stamp: world.stamp, source: &NoSource };
    (0..count).for_each(|number| change(&mut world.tree, number, &mut edit));
}

/// Nodes that a tree of full nodes has, but for one at each end of a level.
fn assert_full(shape: &Shape, items: u64) {
    let leaves = items.div_ceil(LEAF_ITEMS_MAX as u64);
    assert!(shape.leaves <= leaves + 2, "{} leaves, {leaves} are enough", shape.leaves);
    let inners = leaves.div_ceil(INNER_CHILDREN_MAX as u64);
    assert!(shape.inners <= inners + inners / 60 + 6, "{} inner nodes, {inners} are enough", shape.inners);
}

#[test]
fn appends_fill_leaves() {
    let mut world = World::default();
    apply(&mut world, COUNT, |tree, number, edit| {
        tree.insert_at(number, &number.to_le_bytes(), edit).unwrap()
    });
    assert_full(&world.check(), COUNT);
    assert_eq!(world.cells.removed, []);
    assert_eq!(world.tree.at(765_432, &NoSource).unwrap().unwrap().value, 765_432_u64.to_le_bytes());
    let ascending = world.tree.ascend(0, &NoSource).map(|item| item.unwrap().value);
    assert!(ascending.eq((0..COUNT).map(u64::to_le_bytes)));
}

#[test]
fn prepends_fill_leaves() {
    let mut world = World::default();
    apply(&mut world, COUNT, |tree, number, edit| tree.insert_at(0, &number.to_le_bytes(), edit).unwrap());
    assert_full(&world.check(), COUNT);
    let descending = world.tree.descend(COUNT, &NoSource).map(|item| item.unwrap().value);
    assert!(descending.eq((0..COUNT).map(u64::to_le_bytes)));
}

#[test]
fn ascending_and_descending_keys_fill_leaves() {
    for up in [true, false] {
        let mut world = World::default();
        apply(&mut world, COUNT / 4, |tree, number, edit| {
            let number = if up { number } else { COUNT - number };
            assert!(tree.insert(&number.to_be_bytes(), b"v", edit).unwrap().is_none());
        });
        assert_full(&world.check(), COUNT / 4);
    }
}

#[test]
fn building_fills_leaves() {
    let mut cells = Cells::default();
    let items = (0..COUNT).map(|number| (number.to_be_bytes(), b"value"));
    let world = World::around(Tree::build(items, &mut cells, 1).unwrap(), cells, 1);
    assert_full(&world.check(), COUNT);
    assert_eq!(
        world.tree.rank(&777_u64.to_be_bytes(), &NoSource).unwrap(),
        Rank { below: 777, present: true }
    );
    assert_eq!((world.tree.len(), world.tree.bytes()), (COUNT, COUNT * 13));
}

#[test]
fn building_checks_the_order() {
    let build = |items: &[&str]| Tree::build(items.iter().map(|key| (key, "")), &mut Cells::default(), 1);
    assert_eq!(build(&["a", "b", "b"]).unwrap_err(), Error::Unsorted { index: 2 });
    assert_eq!(build(&["a", ""]).unwrap_err(), Error::Unsorted { index: 1 });
    assert_eq!(build(&["", "", "a", ""]).unwrap_err(), Error::Unsorted { index: 3 });
    assert_eq!(build(&["", "", ""]).unwrap().len(), 3);
    assert!(build(&[]).unwrap().is_empty());
    let long = vec![0; crate::limits::ITEM_BYTES_MAX + 1];
    assert!(matches!(Tree::build([("", &long)], &mut Cells::default(), 1), Err(Error::TooLarge { .. })));
}

#[test]
fn a_built_tree_takes_changes() {
    let mut chance = Chance(3);
    let values: Vec<_> = (0..4_000).map(|_| chance.value()).collect();
    let mut cells = Cells::default();
    let tree = Tree::build(values.iter().map(|value| ("", value)), &mut cells, 1).unwrap();
    let mut world = World::around(tree, cells, 1);
    world.check();
    let mut model = values;
    for _ in 0..2_000 {
        let index = chance.below(model.len());
        let value = chance.value();
        world.change(|tree, edit| tree.insert_at(index as u64, &value, edit));
        model.insert(index, value);
    }
    world.check();
    assert!(world.items().iter().map(|(_, value)| value).eq(&model));
}

#[test]
fn random_keys_come_and_go() {
    let mut world = World::default();
    let key = |number: u64| Chance(number).next().to_be_bytes();
    apply(&mut world, COUNT, |tree, number, edit| {
        assert!(tree.insert(&key(number), b"12345678", edit).unwrap().is_none());
    });
    let shape = world.check();
    let fill = COUNT as f64 / (shape.leaves * LEAF_ITEMS_MAX as u64) as f64;
    assert!((0.6..0.8).contains(&fill), "random insertion fills leaves to {fill}");
    let told = world.tree.memory_bytes() as f64 / shape.capacity_bytes as f64;
    assert!((0.8..1.25).contains(&told), "memory_bytes tells {told} of the capacity");
    assert!(shape.capacity_bytes < COUNT * 40, "{} bytes", shape.capacity_bytes);

    // In another order than they came, down to a tenth.
    apply(&mut world, COUNT * 9 / 10, |tree, number, edit| {
        assert!(tree.remove(&key(number * 7 % COUNT), edit).unwrap().is_some());
    });
    let shape = world.check();
    let fill = world.tree.len() as f64 / (shape.leaves * LEAF_ITEMS_MAX as u64) as f64;
    assert!(fill > 0.25, "removal leaves {fill} of the leaves");
    assert!(shape.inners < shape.leaves / 10, "{} inner nodes over {} leaves", shape.inners, shape.leaves);
    assert!(shape.capacity_bytes < world.tree.len() * 80, "{} bytes", shape.capacity_bytes);

    apply(&mut world, COUNT / 10, |tree, number, edit| {
        let number = (COUNT * 9 / 10 + number) * 7 % COUNT;
        assert!(tree.remove(&key(number), edit).unwrap().is_some());
    });
    assert!(world.tree.is_empty() && world.tree.root().is_none());
    assert_eq!(world.cells.removed.len(), world.cells.next as usize, "every cell was given back");
}
