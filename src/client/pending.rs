//! Calls that wait for their reply, found by the `u` both carry.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Error;
use super::incoming::CALL_PREFIX;

/// The waiting calls of one connection.
#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Vec<u8>>>,
    /// Why the connection ended, once it has.
    lost: Option<Arc<str>>,
}

/// A place among the waiting; left when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    pending: Arc<Pending>,
    number: u64,
    u: String,
    reply: oneshot::Receiver<Vec<u8>>,
}

impl Pending {
    /// A place for one more call; [`Error::Lost`] when the connection is gone already.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Ticket, Error> {
        let mut state = self.lock();
        if let Some(reason) = &state.lost {
            return Err(Error::Lost { reason: Arc::clone(reason) });
        }
        let number = state.next;
        state.next += 1;
        let (sender, reply) = oneshot::channel();
        state.waiting.insert(number, sender);
        Ok(Ticket { pending: Arc::clone(self), number, u: format!("{CALL_PREFIX}{number}"), reply })
    }

    /// Hands a reply to its call. A reply nobody waits for any more is dropped.
    pub(super) fn deliver(&self, number: u64, reply: Vec<u8>) {
        // The guard is gone before the caller is woken.
        let sender = self.lock().waiting.remove(&number);
        if let Some(sender) = sender {
            let _ = sender.send(reply);
        }
    }

    /// Fails every waiting call and all later ones. The first reason stays.
    pub(super) fn fail_all(&self, reason: &str) {
        let mut state = self.lock();
        state.lost.get_or_insert_with(|| reason.into());
        // Dropping a sender wakes its call, which then asks `lost`.
        state.waiting.clear();
    }

    /// Whether the connection has ended.
    pub(super) fn is_lost(&self) -> bool {
        self.lock().lost.is_some()
    }

    /// The error of a call whose connection ended.
    pub(super) fn lost(&self) -> Error {
        let reason = self.lock().lost.clone().unwrap_or_else(|| "the connection task ended".into());
        Error::Lost { reason }
    }

    /// The state stays usable when a holder panicked: nothing here is left half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The request's id.
    pub(super) fn u(&self) -> &str {
        &self.u
    }

    /// Waits for the reply.
    pub(super) async fn reply(mut self) -> Result<Vec<u8>, Error> {
        (&mut self.reply).await.map_err(|_| self.pending.lost())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pending.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lost_connection_fails_the_waiting_and_the_late() {
        let pending = Arc::new(Pending::default());
        let ticket = pending.enter().unwrap();
        pending.fail_all("cut");
        pending.fail_all("later");
        assert!(matches!(ticket.reply().await, Err(Error::Lost { reason }) if &*reason == "cut"));
        assert!(pending.enter().is_err());
    }

    #[test]
    fn a_dropped_call_leaves_nothing_behind() {
        let pending = Arc::new(Pending::default());
        drop(pending.enter().unwrap());
        assert!(pending.lock().waiting.is_empty());
        pending.deliver(0, b"{}".to_vec());
    }
}
