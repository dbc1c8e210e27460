//! The load generator: how many operations a second a server answers, and how soon.
//!
//! ```text
//! arguments -> Plan -> run: threads x drive(connections) -> Measured -> show
//!                                   |
//!                      keys -> message::Template -> socket -> reply::Codec -> counts, histogram
//! ```
//!
//! It must never be the bottleneck: each thread owns its connections and one epoll, requests are
//! copied from a template with a few bytes patched, replies are read just far enough to know hit,
//! miss or error. `yardstick` serves the bare echoes of decision 29 and `compare` runs them beside us.

mod arguments;
mod compare;
mod drive;
mod keys;
mod link;
mod measure;
mod message;
mod plan;
mod reply;
mod round;
mod show;
mod yardstick;

pub use arguments::Arguments;

use crate::failure::{Failure, Kind, Outcome};
use crate::progress::Progress;
use arguments::Subcommand;

/// Runs `bench` in whichever form the arguments ask for.
pub fn run(arguments: Arguments) -> Outcome {
    match arguments.subcommand {
        Some(Subcommand::Yardstick { serve: arguments::Serve::Serve(serve) }) => yardstick::serve(&serve),
        Some(Subcommand::Compare(compare)) => compare::run(&compare),
        None => measure_once(&arguments),
    }
}

/// `bench` without a subcommand: one measurement of one server.
fn measure_once(arguments: &Arguments) -> Outcome {
    let plan = arguments.load.plan(&arguments.url).map_err(Failure::usage)?;
    if let Some(cpu) = arguments.load.pin {
        crate::server::pin_this_thread(cpu)?;
    }
    if arguments.load.preload {
        round::preload(&plan)?;
    }
    let progress = Progress::start(&plan.title(), plan.steps());
    let measured = round::measure(&plan, &|done| progress.at(done))?;
    progress.end("done");
    let row = show::Row::new(&plan, &measured);
    show::print(arguments.format, &[row])?;
    refuse_errors(&measured)
}

/// A run with error replies is not a measurement: say so, with the first of them.
fn refuse_errors(measured: &measure::Measured) -> Outcome {
    if measured.counts.errors == 0 {
        return Ok(());
    }
    let sample = measured.error_sample.as_deref().unwrap_or("no sample");
    let reason = format!(
        "{} of {} replies are errors, the first: {sample}",
        measured.counts.errors,
        measured.counts.total()
    );
    Err(Failure::new(Kind::Error, reason))
}
