//! MPREG node as a library.
pub mod limits;
mod session;
mod transport;
