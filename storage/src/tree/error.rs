//! What can go wrong in a tree, split by what the caller can do about it.

/// Why an operation failed. It has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A cell that is not in memory is needed. Load it ([`Tree::touch`](super::Tree::touch)) and try again.
    #[error("tree: cell {cell} of stamp {stamp} is not in memory")]
    Cold {
        /// The cell.
        cell: u32,
        /// The version of it that is needed.
        stamp: u64,
    },
    /// The source has another version of the cell than this tree means. Ask a source of the tree's own
    /// time, or take the tree of today.
    #[error("tree: cell {cell}: expected stamp {wanted}, found {found}")]
    Stale {
        /// The cell.
        cell: u32,
        /// Stamp that the parent names.
        wanted: u64,
        /// Stamp in the cell.
        found: u64,
    },
    /// The bytes of a cell are none that this tree has written.
    #[error("tree: cell {cell} is damaged: {what} at offset {offset}")]
    Damaged {
        /// The cell.
        cell: u32,
        /// Byte of the cell where it was noticed.
        offset: usize,
        /// What was expected and what was found.
        what: String,
    },
    /// A newer program has written this cell.
    #[error("tree: cell {cell} has format version {found}, this program reads up to {known}")]
    NewerFormat {
        /// The cell.
        cell: u32,
        /// Version in the cell.
        found: u8,
        /// Newest version this program reads.
        known: u8,
    },
    /// Key and value together are longer than an item may be.
    #[error("tree: an item of {bytes} bytes, at most {bytes_max} are allowed")]
    TooLarge {
        /// Bytes of key and value.
        bytes: usize,
        /// Most that is allowed.
        bytes_max: usize,
    },
    /// An insertion beyond the end.
    #[error("tree: insertion at {index} of {len} items")]
    OutOfRange {
        /// Where to.
        index: u64,
        /// Items that are there.
        len: u64,
    },
    /// The items given to [`Tree::build`](super::Tree::build) do not ascend.
    #[error("tree: item {index} does not follow the one before it")]
    Unsorted {
        /// The first item out of order, counted from 0.
        index: u64,
    },
    /// The structure has used up its cell numbers. Written anew under another id it has all of them again.
    #[error("tree: no cell numbers left")]
    NoCells,
}
