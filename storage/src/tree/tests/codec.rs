//! The bytes of cells: golden ones, and what happens to any others.

use proptest::prelude::*;

use super::*;
use crate::tree::codec::{decode, encode, put_varint, varint, varint_bytes};

fn root_row(world: &mut World) -> (RootRef, Vec<u8>) {
    world.fold();
    let root = world.tree.root().unwrap();
    (root, world.shelf.rows[&root.cell].clone())
}

#[test]
fn golden_bytes_of_a_leaf() {
    let mut world = World::default();
    world.change(|tree, edit| tree.insert(b"b", b"", edit));
    world.change(|tree, edit| tree.insert(b"a", &[7; 130], edit));
    let (root, row) = root_row(&mut world);
    let mut golden =
        b"\x01\x00\x02\x00\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x84\0\0\0\0\0\0\0\x01a\x82\x01".to_vec();
    golden.extend([7; 130]);
    golden.extend(b"\x01b\x00");
    assert_eq!(row, golden);
    assert_eq!(root, RootRef { cell: 0, stamp: 2, len: 2, bytes: 132 });
}

#[test]
fn golden_bytes_of_an_inner_node() {
    let mut world = World { stamp: 0x0100, ..World::default() };
    world.change(|tree, edit| tree.insert(b"abc", &[1; 4000], edit));
    world.change(|tree, edit| tree.insert(b"abde", &[2; 4000], edit));
    let (root, row) = root_row(&mut world);
    let golden = b"\x01\x01\x02\x00\x02\x01\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x47\x1f\0\0\0\0\0\0\
        \x00\0\0\0\x02\x01\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\xa3\x0f\0\0\0\0\0\0\0\0\0\0\
        \x01\0\0\0\x02\x01\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\xa4\x0f\0\0\0\0\0\0\x03\0\0\0\
        abd";
    assert_eq!(row, golden);
    assert_eq!(root, RootRef { cell: 2, stamp: 0x0102, len: 2, bytes: 8007 });
    // And they are read: the leaves are the rows 0 and 1.
    let tree = Tree::from_root(root);
    assert_eq!(tree.get(b"abde", &world.shelf).unwrap(), Some(&[2; 4000][..]));
}

#[test]
fn varints_are_short_and_come_back() {
    let mut out = [0; 10];
    for len in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 20_000_000] {
        let written = put_varint(len, &mut out);
        assert_eq!(written, varint_bytes(len));
        assert_eq!(varint(&out), (len, written));
    }
    assert_eq!([0, 127, 128, 16_383, 16_384].map(varint_bytes), [1, 1, 2, 2, 3]);
}

/// A leaf of two items and its reference.
fn leaf(items: &[u8], len: u64, bytes: u64) -> (RootRef, Vec<u8>) {
    let mut row = vec![1, 0, len as u8, 0];
    [5, len, bytes].into_iter().for_each(|number: u64| row.extend(number.to_le_bytes()));
    row.extend(items);
    (RootRef { cell: 9, stamp: 5, len, bytes }, row)
}

fn refused(items: &[u8], len: u64, bytes: u64) -> String {
    let (to, row) = leaf(items, len, bytes);
    decode(row, &to, Some(0)).unwrap_err().to_string()
}

#[test]
fn says_what_is_wrong_and_where() {
    let (to, row) = leaf(b"\x01a\x00\x01b\x00", 2, 2);
    assert!(decode(row.clone(), &to, Some(0)).is_ok());
    assert_eq!(
        refused(b"\x01b\x00\x01a\x00", 2, 2),
        "tree: cell 9 is damaged: a key does not follow the one before it at offset 33"
    );
    assert_eq!(
        refused(b"\x01a\x00\x01b\x01", 2, 2),
        "tree: cell 9 is damaged: expected 1 bytes, found 0 at offset 34"
    );
    assert_eq!(
        refused(b"\x01a\x00\x01b\x00\x00", 2, 2),
        "tree: cell 9 is damaged: end of the cell: expected 34, found 35 at offset 34"
    );
    assert!(refused(b"\x01a\x80\x00\x01b\x00", 2, 2).contains("a padded length at offset 32"));
    assert!(refused(b"\xff\xff\xff\xff\xff\x01", 2, 2).contains("a length of more than five bytes"));
    assert!(refused(b"\x01a\x00\x01b\x00", 2, 3).contains("bytes of the items: expected 3, found 2"));
    assert!(refused(b"", 0, 0).contains("count: expected 1, found 0"));
    let error = decode(row.clone(), &to, Some(1)).unwrap_err().to_string();
    assert_eq!(error, "tree: cell 9 is damaged: level: expected 1, found 0 at offset 28");
    let mut newer = row;
    newer[0] = 2;
    assert_eq!(decode(newer, &to, None).unwrap_err(), Error::NewerFormat { cell: 9, found: 2, known: 1 });
}

#[test]
fn sums_that_overflow_are_refused() {
    let mut row = vec![1, 1, 2, 0];
    [5, 6, 7].into_iter().for_each(|number: u64| row.extend(number.to_le_bytes()));
    for len in [u64::MAX, 7] {
        row.extend(0_u32.to_le_bytes());
        [5, len, 1].into_iter().for_each(|number: u64| row.extend(number.to_le_bytes()));
        row.extend(0_u32.to_le_bytes());
    }
    let to = RootRef { cell: 9, stamp: 5, len: 6, bytes: 7 };
    let error = decode(row.clone(), &to, None).unwrap_err().to_string();
    assert!(error.contains("items of the children: expected 6, found 18446744073709551615"), "{error}");
    row[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    let to = RootRef { len: u64::MAX, ..to };
    let error = decode(row, &to, None).unwrap_err().to_string();
    assert!(error.contains("items: expected 1152921504606846976"), "{error}");
}

/// Rows of both kinds, with what their parents say.
fn rows() -> Vec<(RootRef, Vec<u8>)> {
    let mut world = World::default();
    let mut chance = Chance(8);
    for number in 0..300_u64 {
        let value = vec![0; 50 + chance.below(100)];
        world.change(|tree, edit| tree.insert(&(number * 7919 % 300).to_be_bytes(), &value, edit));
    }
    let (root, row) = root_row(&mut world);
    let mut rows = vec![(root, row)];
    let Node::Inner(inner) = &**world.tree.root.as_ref().unwrap().slot.get().unwrap() else {
        panic!("300 items of 100 bytes are more than a leaf");
    };
    rows.extend(
        inner.links.iter().take(2).map(|link| (link.reference(), world.shelf.rows[&link.cell].clone())),
    );
    rows
}

#[test]
fn every_cut_is_refused_and_every_bit_is_survived() {
    for (to, row) in rows() {
        for len in 0..row.len() {
            let refused = decode(row[..len].to_vec(), &to, None);
            assert!(matches!(refused, Err(Error::Damaged { .. })), "cut at {len}");
        }
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // What still decodes is a tree node like any other, and encodes to the flipped bytes.
            if let Ok(node) = decode(flipped.clone(), &to, None) {
                let mut again = Vec::new();
                encode(&node, &to, &mut again);
                assert_eq!(again, flipped, "bit {bit}");
                assert!(bit / 8 >= 28 || bit / 8 == 1, "a flipped head is noticed: bit {bit}");
            }
        }
    }
}

/// Uses whatever a source gives; must end and must not panic.
fn use_all(tree: &Tree, source: &Shelf) {
    let _ = tree.get(&7_u64.to_be_bytes(), source);
    let _ = tree.rank(&299_u64.to_be_bytes(), source);
    let _ = tree.at(tree.len() / 2, source);
    tree.ascend(0, source).take(1000).for_each(|item| _ = item);
    let mut cells = Cells { next: 1000, removed: Vec::new() };
    let mut edit = Edit { cells: &mut cells, stamp: u64::MAX, source };
    let mut tree = tree.clone();
    for number in 0..300_u64 {
        let _ = tree.remove(&number.to_be_bytes(), &mut edit);
        let _ = tree.insert(&(number / 2).to_be_bytes(), &[1; 100], &mut edit);
        let _ = tree.remove_at(number, &mut edit);
    }
}

proptest! {
    #[test]
    fn noise_is_refused(noise in proptest::collection::vec(any::<u8>(), 0..300), level in any::<Option<u8>>()) {
        let to = RootRef { cell: 1, stamp: 2, len: 3, bytes: 4 };
        prop_assert!(decode(noise, &to, level).is_err());
    }

    /// Behind a head that is right, everything is noise.
    #[test]
    fn noise_behind_a_good_head_is_survived(
        count in 0..5_u8,
        level in 0..3_u8,
        noise in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), any::<u8>()], 0..200),
    ) {
        let (to, mut row) = leaf(&noise, u64::from(count), 4);
        row[1] = level;
        if let Ok(node) = decode(row.clone(), &to, None) {
            let mut again = Vec::new();
            encode(&node, &to, &mut again);
            prop_assert_eq!(again, row);
        }
    }

    #[test]
    fn a_tree_over_damaged_rows_is_survived(hits in proptest::collection::vec(any::<(u8, u16, u8)>(), 1..6)) {
        let mut world = World::default();
        for number in 0..300_u64 {
            world.change(|tree, edit| tree.insert(&number.to_be_bytes(), &[0; 100], edit));
        }
        world.fold();
        world.restart();
        for (cell, at, to) in hits {
            let count = world.shelf.rows.len() as u32;
            let row = world.shelf.rows.get_mut(&(u32::from(cell) % count)).unwrap();
            let at = usize::from(at) % row.len();
            row[at] = to;
        }
        use_all(&world.tree, &world.shelf);
    }
}
