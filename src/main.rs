//! `mpreg`: the node's binary.
fn main() {}
