//! Cache replies that say no: what the store's errors are called on the wire. Never a path or an inner text of
//! the server; those go to its log.

use mpreg_storage::store::Error as StoreError;
use mpreg_storage::write::Error as WriteError;

use crate::cache::{Clerk, Desk, head};
use crate::protocol::Error;
use crate::protocol::cache::{Code, Failure, Reply, Status};
use crate::session::{self, Step};

impl Desk<'_> {
    /// The request itself is at fault.
    pub(super) fn refuse(&mut self, error: &Error, reply: &mut session::Reply<'_>) -> Step {
        self.tell_failure(error.code(), &error.to_string(), reply)
    }

    /// The store refused or failed.
    pub(super) fn fail(&mut self, error: &StoreError, reply: &mut session::Reply<'_>) -> Step {
        let (code, message) = named(error);
        if matches!(code, Code::Internal | Code::Unavailable | Code::UnknownOutcome) {
            tracing::error!(operation = self.request.command.operation().quoted(), %error, "a cache operation failed");
        }
        if error.is_fatal() {
            reply.seen.failed = true;
        }
        self.tell_failure(code, &message, reply)
    }

    pub(super) fn tell_failure(&mut self, code: Code, message: &str, reply: &mut session::Reply<'_>) -> Step {
        self.tell_failure_as(Status::Error, code, message, reply)
    }

    pub(super) fn tell_failure_as(
        &mut self,
        status: Status,
        code: Code,
        message: &str,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let Clerk { ids, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        Reply::failure(head, status, Failure { message, code }).write_into(reply.out);
        Step::Done
    }
}

/// Code and text for a client.
pub(super) fn named(error: &StoreError) -> (Code, String) {
    let text = |code, text: &str| (code, text.to_owned());
    match error {
        StoreError::Key(_) | StoreError::Value(_) => (Code::BadRequest, error.to_string()),
        StoreError::TooLarge { .. } => (Code::TooLarge, error.to_string()),
        StoreError::Refused(refusal) => (Code::WrongType, refusal.to_string()),
        StoreError::Write(WriteError::NoSpace { .. }) => {
            text(Code::NoSpace, "the disk is full; reads and deletes go on")
        }
        StoreError::Write(WriteError::Poisoned { .. } | WriteError::Closed) => {
            text(Code::Unavailable, "the server takes no more writes; nothing was changed")
        }
        StoreError::Write(WriteError::UnknownOutcome { .. }) => {
            text(Code::UnknownOutcome, "the write may or may not have happened")
        }
        _ => text(Code::Internal, "the server could not do this; nothing was changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_server_shows() {
        let path = std::path::PathBuf::from("/secret");
        let error = StoreError::Io { what: "read", path, source: std::io::ErrorKind::Other.into() };
        let (code, message) = named(&error);
        assert_eq!(code, Code::Internal);
        assert!(!message.contains("secret"));
        let full = StoreError::Write(WriteError::NoSpace { what: "/secret".to_owned() });
        assert_eq!(named(&full).0, Code::NoSpace);
        assert!(!named(&full).1.contains("secret"));
    }
}
