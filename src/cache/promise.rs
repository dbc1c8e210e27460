//! What a request asks for and this server would have to ignore: it says so instead of promising it.

use crate::cache::Desk;
use crate::protocol::Error;
use crate::protocol::cache::{Command, Put, Request};
use crate::session::{self, Step};

impl Desk<'_> {
    /// Answers what is understood but not done.
    #[cold]
    pub(super) fn not_supported(&mut self, what: &'static str, reply: &mut session::Reply<'_>) -> Step {
        self.refuse(&Error::NotSupported(what), reply)
    }
}

/// The first thing a get, put or delete asks for that is not done yet. Cost: a few loads for a get.
pub(super) fn unkept(request: &Request<'_>) -> Option<&'static str> {
    match &request.command {
        Command::Get(_) if request.options.lease.is_none() => None,
        Command::Get(_) => Some("options.lease is"),
        Command::Put(put) => unkept_of_write(request).or_else(|| unkept_of_put(put)),
        Command::Delete(_) => unkept_of_write(request),
        _ => None,
    }
}

fn unkept_of_write(request: &Request<'_>) -> Option<&'static str> {
    let options = &request.options;
    [
        (options.notify_on_change, "options.notify_on_change is"),
        (options.cascade_dependencies, "options.cascade_dependencies is"),
        (options.lease.is_some(), "options.lease is"),
        (request.client.is_some(), "client is"),
    ]
    .into_iter()
    .find_map(|(asked, what)| asked.then_some(what))
}

fn unkept_of_put(put: &Put<'_>) -> Option<&'static str> {
    let metadata = &put.metadata;
    [
        (put.constraints.is_some(), "constraints are"),
        (put.ttl_config.is_some(), "ttl_config is"),
        (metadata.stale_while_revalidate_us != 0, "metadata.stale_while_revalidate_seconds is"),
        (metadata.stale_if_error_us != 0, "metadata.stale_if_error_seconds is"),
        (metadata.negative, "metadata.negative is"),
    ]
    .into_iter()
    .find_map(|(asked, what)| asked.then_some(what))
}

/// An operation in words that `Error::NotSupported` goes on from.
pub(super) fn name(command: &Command<'_>) -> &'static str {
    match command {
        Command::Atomic(_) => "atomic operations are",
        Command::Structure(_) => "structure operations are",
        Command::Namespace(_) => "namespace operations are",
        Command::Invalidate(_) => "invalidate is",
        Command::Query(_) => "query is",
        Command::Batch(_) => "batch is",
        _ => "this is",
    }
}
