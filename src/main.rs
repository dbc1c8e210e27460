//! `mpreg`: the node's binary.

use std::process::ExitCode;

/// Entries are one allocation each: an allocator that packs them by size class keeps the header and the key
/// of a small entry in two cache lines, and needs less room for them. Without huge pages: the kernel would fill up
/// what is given back between two entries (9 MiB more at rest), and gets came no faster with them.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mpreg::cli::run(std::env::args_os())
}
