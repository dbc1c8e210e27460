//! Structures as cells.
//!
//! ```text
//! cell 0   1  version = 1
//!          1  family
//!          8  lsn            all numbers little endian
//!          8  next sequence
//!          4  next cell
//!          per tree, main then side:
//!          1  0 = empty, 1 = there
//!          4  cell of the root     8  stamp    8  items    8  bytes     when there
//! cell n   a node of a tree, as `tree` encodes it
//! ```

use super::{Family, Structure};
use crate::record::Lsn;
use crate::tree::{Cells, RootRef, Tree};

/// Number of the root cell; nodes have the numbers from 1 on.
pub const ROOT_CELL: u32 = 0;
const VERSION: u8 = 1;

/// Bytes that no root cell encodes to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("structure {id}: malformed root cell of {bytes} bytes")]
pub struct MalformedRoot {
    /// Which.
    pub id: u64,
    /// Length of the cell.
    pub bytes: usize,
}

/// The numbers of a structure without nodes: the first is the root cell's.
pub(super) fn fresh_cells() -> Cells {
    Cells { next: ROOT_CELL + 1, removed: Vec::new() }
}

impl Structure {
    /// Calls `each` with every cell that differs from what was stored through `saved`: nodes, removed ones as
    /// `None`, the root cell last.
    pub fn changed_cells<E>(
        &self,
        saved: Lsn,
        mut each: impl FnMut(u32, Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        for &(stamp, cell) in &self.cells.removed {
            if stamp > saved.0 {
                each(cell, None)?;
            }
        }
        let mut told = Ok(());
        for tree in [&self.main, &self.side] {
            tree.changed_since(saved.0, |cell, bytes| {
                if told.is_ok() {
                    told = each(cell, Some(bytes));
                }
            });
        }
        told?;
        each(ROOT_CELL, Some(&self.encode_root()))
    }

    /// What was removed through `lsn` is stored: it need not be remembered.
    pub(super) fn forget_removed(&mut self, lsn: Lsn) {
        self.cells.removed.retain(|(stamp, _)| *stamp > lsn.0);
    }

    fn encode_root(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.family as u8];
        out.extend_from_slice(&self.lsn.0.to_le_bytes());
        out.extend_from_slice(&self.next_sequence.to_le_bytes());
        out.extend_from_slice(&self.cells.next.to_le_bytes());
        for tree in [&self.main, &self.side] {
            match tree.root() {
                None => out.push(0),
                Some(root) => {
                    out.push(1);
                    out.extend_from_slice(&root.cell.to_le_bytes());
                    for number in [root.stamp, root.len, root.bytes] {
                        out.extend_from_slice(&number.to_le_bytes());
                    }
                }
            }
        }
        out
    }

    /// A structure from its root cell; its members stay where they are until they are asked for.
    pub fn from_root(id: u64, bytes: &[u8]) -> Result<Structure, MalformedRoot> {
        decode_root(id, bytes).ok_or(MalformedRoot { id, bytes: bytes.len() })
    }
}

fn decode_root(id: u64, mut rest: &[u8]) -> Option<Structure> {
    let [VERSION, family] = take(&mut rest)? else { return None };
    let family = Family::from_u8(family)?;
    let lsn = Lsn(u64::from_le_bytes(take(&mut rest)?));
    let next_sequence = u64::from_le_bytes(take(&mut rest)?);
    let cells = Cells { next: u32::from_le_bytes(take(&mut rest)?), removed: Vec::new() };
    let main = decode_tree(&mut rest)?;
    let side = decode_tree(&mut rest)?;
    let whole = rest.is_empty();
    whole.then_some(Structure { family, id, lsn, next_sequence, cells, main, side })
}

fn decode_tree(rest: &mut &[u8]) -> Option<Tree> {
    match take(rest)? {
        [0] => Some(Tree::new()),
        [1] => {
            let cell = u32::from_le_bytes(take(rest)?);
            let mut number = || Some(u64::from_le_bytes(take(rest)?));
            let (stamp, len, bytes) = (number()?, number()?, number()?);
            Some(Tree::from_root(RootRef { cell, stamp, len, bytes }))
        }
        _ => None,
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (found, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*found)
}

impl Structure {
    /// Bytes its loaded nodes take.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.main.memory_bytes() + self.side.memory_bytes()
    }

    /// Lets go of nodes that their cells hold as of `saved`.
    pub(super) fn prune(&mut self, saved: Lsn) {
        self.main.prune(saved.0);
        self.side.prune(saved.0);
    }
}
