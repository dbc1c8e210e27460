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

/// The first thing a request asks for that is not done. Cost: a load.
pub(super) fn unkept(request: &Request<'_>) -> Option<&'static str> {
    if !request.options.notify_on_change {
        return None;
    }
    // Operations on many keys have events, but nobody's own.
    let many = matches!(request.command, Command::Invalidate(_) | Command::Namespace(_));
    many.then_some("options.notify_on_change of this operation is")
}
