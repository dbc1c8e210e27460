//! `mpreg`: the node's binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    mpreg::cli::run(std::env::args_os())
}
