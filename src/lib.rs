//! MPREG node as a library.

pub mod client;
pub mod protocol;
