//! Trees navigated by rank, beside a `Vec`.

use super::*;

type Model = Vec<Vec<u8>>;

fn values(tree: &Tree, source: &Shelf) -> Model {
    items(tree, source).into_iter().map(|(_, value)| value).collect()
}

fn compare_reads(world: &World, model: &Model, index: usize) {
    let (tree, source) = (&world.tree, &world.shelf);
    let at = tree.at(index as u64, source).unwrap();
    assert_eq!(at.map(|item| item.value), model.get(index).map(Vec::as_slice));
    let up = tree.ascend(index as u64, source).take(7).map(|item| item.unwrap().value);
    assert!(up.eq(model.iter().skip(index).take(7)));
    let down = tree.descend(index as u64, source).take(7).map(|item| item.unwrap().value);
    assert!(down.eq(model[..index.min(model.len())].iter().rev().take(7)));
}

fn step(world: &mut World, model: &mut Model, chance: &mut Chance, removing: bool) {
    // Ends are as likely as all between them.
    let index = match chance.below(3) {
        0 => 0,
        1 => model.len(),
        _ => chance.below(model.len() + 1),
    };
    match chance.below(12) {
        0 => {
            let value = chance.value();
            let old = world.change(|tree, edit| tree.replace_at(index as u64, &value, edit));
            assert_eq!(old, model.get_mut(index).map(|old| std::mem::replace(old, value)));
        }
        1..=3 if !removing => remove(world, model, index.min(model.len().saturating_sub(1))),
        4.. if removing => remove(world, model, index.min(model.len().saturating_sub(1))),
        _ => {
            let value = chance.value();
            world.change(|tree, edit| tree.insert_at(index as u64, &value, edit));
            model.insert(index, value);
        }
    }
}

fn remove(world: &mut World, model: &mut Model, index: usize) {
    let old = world.change(|tree, edit| tree.remove_at(index as u64, edit));
    assert_eq!(old, (index < model.len()).then(|| model.remove(index)));
}

fn run(seed: u64, steps: usize, tide: usize) {
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let (mut world, mut model) = (World::default(), Model::new());
    let mut kept = None;
    for at in 0..steps {
        match chance.below(400) {
            0 => _ = world.fold(),
            1 => {
                world.fold();
                world.restart();
            }
            2 => _ = world.tree.prune(world.checkpoint),
            3 => kept = Some((world.tree.clone(), model.clone(), world.shelf.clone())),
            4 => {
                if let Some((tree, model, shelf)) = kept.take() {
                    assert_eq!(values(&tree, &shelf), model);
                }
            }
            5..20 => compare_reads(&world, &model, chance.below(model.len() + 2)),
            _ => step(&mut world, &mut model, &mut chance, at / tide % 2 == 1),
        }
        assert_eq!(world.tree.len(), model.len() as u64);
        if at % 200 == 0 {
            world.check();
        }
    }
    world.fold();
    world.restart();
    assert_eq!(values(&world.tree, &world.shelf), model);
    assert_eq!(world.check().cells.len(), world.shelf.rows.len(), "the rows are those of the tree");
}

#[test]
fn a_tree_is_a_vector() {
    for seed in 0..6 {
        run(seed, 7_000, 3_000);
    }
}

#[test]
fn a_small_tree_is_a_vector() {
    for seed in 100..130 {
        run(seed, 700, 25);
    }
}

#[test]
fn ranks_beyond_the_end() {
    let mut world = World::default();
    world.change(|tree, edit| tree.insert_at(0, b"one", edit));
    assert_eq!(world.change(|tree, edit| tree.remove_at(1, edit)), None);
    assert_eq!(world.change(|tree, edit| tree.replace_at(1, b"x", edit)), None);
    let mut edit = Edit { cells: &mut world.cells, stamp: 9, source: &NoSource };
    let refused = world.tree.insert_at(2, b"x", &mut edit);
    assert_eq!(refused, Err(Error::OutOfRange { index: 2, len: 1 }));
    assert_eq!(world.tree.root().unwrap().stamp, 1, "nothing has changed");
    assert_eq!(world.tree.at(u64::MAX, &NoSource).unwrap(), None);
    assert_eq!(world.tree.ascend(7, &NoSource).count(), 0);
    assert_eq!(world.tree.descend(7, &NoSource).count(), 1);
}

#[test]
fn items_have_a_longest_length() {
    use crate::limits::ITEM_BYTES_MAX;
    let mut world = World::default();
    let mut long = vec![7; ITEM_BYTES_MAX];
    for value in [&b"a"[..], b"b"] {
        world.change(|tree, edit| tree.insert_at(0, value, edit));
    }
    world.change(|tree, edit| tree.insert_at(1, &long, edit));
    assert_eq!(world.check().leaves, 3);
    world.fold();
    world.restart();
    assert!(world.tree.at(1, &world.shelf).unwrap().unwrap().value == long);
    long.push(7);
    let mut edit = Edit { cells: &mut world.cells, stamp: 9, source: &NoSource };
    let (bytes, bytes_max) = (long.len(), ITEM_BYTES_MAX);
    assert_eq!(world.tree.insert_at(0, &long, &mut edit), Err(Error::TooLarge { bytes, bytes_max }));
    assert_eq!(world.tree.replace_at(0, &long, &mut edit), Err(Error::TooLarge { bytes, bytes_max }));
    assert_eq!(
        world.tree.insert(b"k", &long, &mut edit),
        Err(Error::TooLarge { bytes: bytes + 1, bytes_max })
    );
}
