//! Trees navigated by key, beside a `BTreeMap`.

use std::collections::BTreeMap;

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keys that share prefixes, of different lengths, out of `space`.
fn key(chance: &mut Chance, space: usize) -> Vec<u8> {
    let number = chance.below(space);
    let mut key = format!("member:{:05}", number / 3).into_bytes();
    key.extend(std::iter::repeat_n(b'x', number % 3 * 5));
    key
}

fn as_model(world: &World) -> Model {
    world.items().into_iter().collect()
}

fn compare_reads(tree: &Tree, source: &Shelf, model: &Model, key: &[u8]) {
    let (from, to) = (key.to_vec().., ..key.to_vec());
    assert_eq!(tree.get(key, source).unwrap(), model.get(key).map(Vec::as_slice));
    let rank = tree.rank(key, source).unwrap();
    let below = model.range(to.clone()).count();
    assert_eq!(rank, Rank { below: below as u64, present: model.contains_key(key) });
    let at = tree.at(rank.below, source).unwrap();
    let wanted = model.range(from.clone()).next();
    assert_eq!(at.map(|item| (item.key, item.value)), wanted.map(|(key, value)| (&key[..], &value[..])));
    let up = tree.ascend_from(key, source).unwrap().take(5).map(|item| item.unwrap().key);
    assert!(up.eq(model.range(from.clone()).take(5).map(|(key, _)| &key[..])));
    let down = tree.descend_from(key, source).unwrap().take(5).map(|item| item.unwrap().key);
    assert!(down.eq(model.range(to.clone()).rev().take(5).map(|(key, _)| &key[..])));
}

/// A snapshot, what it must hold for ever, and the rows of its time.
struct Kept {
    tree: Tree,
    model: Model,
    shelf: Shelf,
}

fn run(seed: u64, steps: usize, space: usize) {
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let (mut world, mut model) = (World::default(), Model::new());
    let mut kept: Vec<Kept> = Vec::new();
    let mut removing = false;
    for step in 0..steps {
        if step % (space / 2) == 0 {
            removing = !removing;
        }
        let key = key(&mut chance, space);
        match chance.below(1000) {
            0..=2 => _ = world.fold(),
            3 => {
                world.fold();
                world.restart();
            }
            4..=6 => _ = world.tree.prune(world.checkpoint),
            7..=10 if kept.len() < 4 => {
                kept.push(Kept {
                    tree: world.tree.clone(),
                    model: model.clone(),
                    shelf: world.shelf.clone(),
                });
            }
            11..=12 if !kept.is_empty() => {
                let kept = kept.swap_remove(chance.below(kept.len()));
                check(&kept.tree);
                assert!(items(&kept.tree, &kept.shelf).into_iter().eq(kept.model));
            }
            13..=40 => compare_reads(&world.tree, &world.shelf, &model, &key),
            roll => {
                // Tides: mostly insertions, then mostly removals.
                if (roll % 10 < 3) != removing {
                    let value = chance.value();
                    let old = world.change(|tree, edit| tree.insert(&key, &value, edit));
                    assert_eq!(old, model.insert(key, value));
                } else {
                    let old = world.change(|tree, edit| tree.remove(&key, edit));
                    assert_eq!(old, model.remove(&key));
                }
            }
        }
        assert_eq!(world.tree.len(), model.len() as u64);
        if step % 200 == 0 {
            world.check();
        }
    }
    world.check();
    assert_eq!(as_model(&world), model);
    world.fold();
    world.restart();
    assert_eq!(as_model(&world), model);
    assert_eq!(world.check().cells.len(), world.shelf.rows.len(), "the rows are those of the tree");
    let bytes: usize = model.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert_eq!(world.tree.bytes(), bytes as u64);
}

#[test]
fn a_tree_is_a_sorted_map() {
    for seed in 0..6 {
        run(seed, 6_000, 3_000);
    }
}

#[test]
fn a_small_tree_is_a_sorted_map() {
    for seed in 100..130 {
        run(seed, 600, 20);
    }
}

#[test]
fn long_keys_that_share_their_beginning() {
    let mut world = World::default();
    let key = |number: usize| [vec![b'p'; 3000], format!("{number:04}").into_bytes()].concat();
    let mut chance = Chance(5);
    for _ in 0..900 {
        let key = key(chance.below(700));
        world.change(|tree, edit| tree.insert(&key, b"v", edit));
    }
    let shape = world.check();
    assert!(shape.levels >= 2, "{shape:?}");
    world.fold();
    world.restart();
    assert!(world.items().is_sorted());
    for number in 0..700 {
        world.change(|tree, edit| tree.remove(&key(number), edit));
    }
    assert!(world.tree.is_empty());
    world.fold();
    assert!(world.shelf.rows.is_empty());
}

/// Heads of keys are four bytes behind what a leaf's keys share: keys that differ before, within and behind
/// those, and keys that end there.
#[test]
fn keys_that_differ_in_odd_places() {
    let (mut world, mut model, mut chance) = (World::default(), Model::new(), Chance(11));
    for _ in 0..4_000 {
        let mut key = vec![b'k'; 6];
        key.truncate(4 + chance.below(3));
        for _ in 0..chance.below(9) {
            key.push([0, 1, b'k', 255][chance.below(4)]);
        }
        let value = chance.next().to_le_bytes();
        assert_eq!(
            world.change(|tree, edit| tree.insert(&key, &value, edit)),
            model.insert(key.clone(), value.to_vec())
        );
        key.pop();
        compare_reads(&world.tree, &world.shelf, &model, &key);
        assert_eq!(world.change(|tree, edit| tree.remove(&key, edit)), model.remove(&key));
    }
    assert!(model.len() > 500, "{}", model.len());
    world.check();
    assert_eq!(as_model(&world), model);
}

#[test]
fn the_empty_key_is_a_key() {
    let mut world = World::default();
    assert_eq!(world.change(|tree, edit| tree.insert(b"b", b"2", edit)), None);
    assert_eq!(world.change(|tree, edit| tree.insert(b"", b"1", edit)), None);
    assert_eq!(world.change(|tree, edit| tree.insert(b"", b"one", edit)), Some(b"1".to_vec()));
    assert_eq!(world.tree.rank(b"", &NoSource).unwrap(), Rank { below: 0, present: true });
    assert_eq!(world.tree.first(&NoSource).unwrap(), Some(Item { key: b"", value: b"one" }));
    assert_eq!(world.tree.last(&NoSource).unwrap(), Some(Item { key: b"b", value: b"2" }));
    assert_eq!((world.tree.len(), world.tree.bytes()), (2, 5));
}

#[test]
fn an_empty_tree_has_nothing() {
    let tree = Tree::new();
    assert_eq!((tree.len(), tree.bytes(), tree.root(), tree.memory_bytes()), (0, 0, None, 0));
    assert_eq!(tree.get(b"k", &NoSource).unwrap(), None);
    assert_eq!(tree.rank(b"k", &NoSource).unwrap(), Rank { below: 0, present: false });
    assert_eq!(tree.first(&NoSource).unwrap(), None);
    assert_eq!(tree.last(&NoSource).unwrap(), None);
    assert!(tree.ascend(0, &NoSource).next().is_none() && tree.descend(9, &NoSource).next().is_none());
    tree.touch(b"k", &NoSource).unwrap();
    tree.touch_at(0, &NoSource).unwrap();
}
