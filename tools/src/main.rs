//! `mpreg-tools`: inspect, verify, measure and torture an MPREG node.
fn main() {}
