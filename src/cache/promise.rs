//! What a request asks for and this server would have to ignore: it says so instead of promising it.

use crate::cache::Desk;
use crate::protocol::Error;
use crate::protocol::cache::{Command, Request};
use crate::session::{self, Step};

impl Desk<'_> {
    /// Answers what is understood but not done.
    #[cold]
    pub(super) fn not_supported(&mut self, what: &'static str, reply: &mut session::Reply<'_>) -> Step {
        self.refuse(&Error::NotSupported(what), reply)
    }
}

/// The first thing a write asks for that is not done yet. Cost: a load for a get.
pub(super) fn unkept(request: &Request<'_>) -> Option<&'static str> {
    if matches!(request.command, Command::Get(_)) {
        return None;
    }
    let options = &request.options;
    options.notify_on_change.then_some("options.notify_on_change is")
}
