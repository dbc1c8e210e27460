//! MPREG node as a library.

pub mod limits;
pub mod protocol;
mod session;
mod transport;
