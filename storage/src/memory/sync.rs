//! The atomics the memory room is built on: the real ones, or loom's when a model is explored.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p mpreg-storage --release memory::loom` runs the models.

#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};
#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};
