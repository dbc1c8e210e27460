//! Bytes of the network to whole messages and back.
//!
//! ```text
//! listener -> socket options -> detect -> (ws::upgrade) -> Inbox -> Codec -> session
//! ```
//!
//! Everything but [`listener`] and [`socket`] is free of I/O and of clocks, and is tested so. The codecs decode
//! in the receive buffer; the memory they may use beyond an idle connection's comes from one shared [`budget`].

pub(crate) mod budget;
pub(crate) mod codec;
pub(crate) mod detect;
#[cfg(fuzzing)]
pub mod fuzzing;
pub(crate) mod inbox;
pub(crate) mod line;
pub(crate) mod listener;
pub(crate) mod origin;
pub(crate) mod slots;
pub(crate) mod socket;
pub(crate) mod tcp;
pub(crate) mod watch;
pub(crate) mod ws;
