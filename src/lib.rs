//! MPREG node as a library.

pub mod cache;
pub mod cli;
pub mod config;
pub mod limits;
pub mod node;
pub mod protocol;
mod rpc;
mod session;
mod transport;
