//! What others say to one connection: notifications, and replies of calls that leave when they are ready.
//!
//! ```text
//! fan-out ─ push ──┐
//! fan-out ─ push ──┼─> queue ── taken whole, between batches ──> session: frame, settle, write
//! a call  ─ reply ─┘            bytes count until they are written
//! ```
//!
//! Anyone may push, the session alone takes. It is woken once for everything that waits, so many pushes cost one
//! wake and few writes. The text of a message is shared by all its receivers and is copied when it is written.
//!
//! # Limits
//! A connection that does not read keeps its session in a write and its messages in the queue. At
//! [`OUTBOX_BYTES_MAX`] a push is [`Refused::Full`], which the pusher must answer: by reading again from a log,
//! by dropping and telling, or by waiting ([`Outbox::room`]). One message may stand above that, whatever its size,
//! so a queue never holds more than `OUTBOX_BYTES_MAX + MESSAGE_BYTES_MAX`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::limits::{
    CALL_BYTES_MAX, CALLS_MAX, MESSAGE_BYTES_MAX, OUTBOX_BYTES_HARD, OUTBOX_BYTES_MAX, OUTBOX_KEEP_BYTES,
    OUTBOX_KEEP_MESSAGES,
};
use crate::session::Seen;
use crate::transport::budget::Lease;
use crate::transport::slots::Signal;

const _: () = assert!(OUTBOX_BYTES_MAX + MESSAGE_BYTES_MAX <= OUTBOX_BYTES_HARD);

/// One message for one connection.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    /// Its text, or the beginning of it that many receivers share.
    body: Bytes,
    /// The end of the text that belongs to this receiver.
    tail: Option<Arc<[u8]>>,
    claim: Option<Box<Claim>>,
}

/// What must hold before a message leaves.
#[derive(Debug, Clone)]
struct Claim {
    seen: Seen,
    /// What is said when that takes too long or fails; empty: nothing.
    otherwise: Bytes,
}

impl Push {
    /// A whole message.
    pub(crate) fn whole(body: impl Into<Bytes>) -> Push {
        Push { body: body.into(), tail: None, claim: None }
    }

    /// A message of a shared beginning and the receiver's own end.
    #[allow(dead_code, reason = "the fan-out of pub/sub is its user")]
    pub(crate) fn shared(body: Bytes, tail: Arc<[u8]>) -> Push {
        Push { body, tail: Some(tail), claim: None }
    }

    /// It leaves only after `seen` is settled; should that fail, `otherwise` leaves instead, nothing when it is
    /// empty.
    pub(crate) fn claiming(mut self, seen: Seen, otherwise: Bytes) -> Push {
        self.claim = (seen != Seen::default()).then(|| Box::new(Claim { seen, otherwise }));
        self
    }

    /// Memory it stands for, as far as it is known: the text counts for every receiver.
    fn cost(&self) -> usize {
        size_of::<Push>() + self.bytes()
    }

    /// Bytes of its text.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + self.tail.as_ref().map_or(0, |tail| tail.len())
    }

    pub(super) fn seen(&self) -> Seen {
        self.claim.as_ref().map_or_else(Seen::default, |claim| claim.seen)
    }

    pub(super) fn write_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.body);
        if let Some(tail) = &self.tail {
            out.extend_from_slice(tail);
        }
    }

    /// What is said when the claims of these messages do not hold: a message that claims nothing stays as it is.
    pub(super) fn write_otherwise(&self, out: &mut Vec<u8>) {
        match &self.claim {
            None => self.write_into(out),
            Some(claim) => out.extend_from_slice(&claim.otherwise),
        }
    }
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The peer reads too slowly, or the memory of all connections is used up.
    #[error("the connection has too much to read already")]
    Full,
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
    /// No client takes a message of more than `MESSAGE_BYTES_MAX`.
    #[error("a message above {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
}

/// A handle on the messages that wait for one connection. Clones are the same outbox.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    signal: Arc<Signal>,
    /// Told whenever bytes have been written.
    room: Notify,
    /// Told once, when the connection has ended.
    ended: Notify,
    calls: AtomicUsize,
    call_bytes: AtomicUsize,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Push>,
    /// Cost of all messages not yet written, those the session has taken included.
    bytes: usize,
    lease: Lease,
    closed: bool,
}

impl Queue {
    fn append(&mut self, push: Push) {
        self.bytes += push.cost();
        self.waiting.push_back(push);
    }
}

impl Outbox {
    pub(super) fn new(signal: Arc<Signal>, lease: Lease) -> Outbox {
        let queue = Queue { waiting: VecDeque::new(), bytes: 0, lease, closed: false };
        let (calls, call_bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let queue = Mutex::new(queue);
        Outbox {
            shared: Arc::new(Shared {
                queue,
                signal,
                room: Notify::new(),
                ended: Notify::new(),
                calls,
                call_bytes,
            }),
        }
    }

    /// An outbox nobody takes from.
    pub(crate) fn detached() -> Outbox {
        Outbox::new(Arc::default(), crate::transport::budget::Budget::new(usize::MAX).lease())
    }

    /// What waits, as text, taken out as if it had been written.
    #[cfg(test)]
    pub(crate) fn drain(&self) -> Vec<String> {
        let mut taken = VecDeque::new();
        self.take(&mut taken);
        let text = |push: &Push| {
            let mut out = Vec::new();
            push.write_into(&mut out);
            String::from_utf8(out).unwrap()
        };
        let texts = taken.iter().map(text).collect();
        self.written(taken.into_iter());
        texts
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().expect("nothing panics while holding the queue")
    }

    /// The queue, if this message may stand in it at all.
    fn admit(&self, push: &Push) -> Result<MutexGuard<'_, Queue>, Refused> {
        if push.bytes() > MESSAGE_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        let queue = self.queue();
        if queue.closed { Err(Refused::Closed) } else { Ok(queue) }
    }

    /// Appends a message and wakes the session if that is due. Cost: one lock nobody holds long.
    ///
    /// # Errors
    /// See [`Refused`]; the message is not taken then.
    pub(crate) fn push(&self, push: Push) -> Result<(), Refused> {
        self.push_quietly(push)?;
        self.wake();
        Ok(())
    }

    /// Appends a message without waking the session. Whether none waited before: [`Outbox::wake`] must follow then,
    /// once for many messages.
    ///
    /// # Errors
    /// See [`Refused`]; the message is not taken then.
    pub(crate) fn push_quietly(&self, push: Push) -> Result<bool, Refused> {
        let mut queue = self.admit(&push)?;
        let leased = leased(queue.bytes + push.cost());
        if queue.bytes >= OUTBOX_BYTES_MAX || !queue.lease.resize(leased) {
            return Err(Refused::Full);
        }
        let first = queue.waiting.is_empty();
        queue.append(push);
        Ok(first)
    }

    /// Appends a reply that is in memory already, beyond the shared budget if need be, and beyond the limit of
    /// this queue if `always`.
    fn push_reply(&self, push: &Push, always: bool) -> Result<(), Refused> {
        let mut queue = self.admit(push)?;
        if queue.bytes >= OUTBOX_BYTES_MAX && !always {
            return Err(Refused::Full);
        }
        queue.append(push.clone());
        let leased = leased(queue.bytes);
        queue.lease.force(leased);
        Ok(())
    }

    /// Wakes the session unless it has been told already. Cheap when it has.
    pub(crate) fn wake(&self) {
        self.shared.signal.tell_pushed();
    }

    /// Bytes not yet written to the peer.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue().bytes
    }

    /// Whether the connection has ended.
    pub(crate) fn closed(&self) -> bool {
        self.queue().closed
    }

    /// Resolves when at most `bytes` bytes wait, or the connection has ended.
    pub(crate) async fn room(&self, bytes: usize) {
        loop {
            let mut told = std::pin::pin!(self.shared.room.notified());
            // Enabled before looking, so that what is written in between is not missed.
            told.as_mut().enable();
            {
                let queue = self.queue();
                if queue.closed || queue.bytes <= bytes {
                    return;
                }
            }
            told.await;
        }
    }

    /// Resolves when the connection has ended.
    pub(crate) async fn ended(&self) {
        let mut told = std::pin::pin!(self.shared.ended.notified());
        // Enabled before looking, so that an end in between is not missed.
        told.as_mut().enable();
        if !self.closed() {
            told.await;
        }
    }

    /// Registers a call whose reply will come through this outbox. `request_bytes` is what its request keeps in
    /// memory, `otherwise` the reply should the call end without one.
    pub(crate) fn call(&self, request_bytes: usize, otherwise: impl Into<Bytes>) -> Call {
        // Relaxed here and below: the counters guard no other memory.
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
        self.shared.call_bytes.fetch_add(request_bytes, Ordering::Relaxed);
        Call { outbox: self.clone(), request_bytes, otherwise: otherwise.into() }
    }

    /// Calls without a reply yet.
    pub(super) fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// So many calls are in flight that no more may be read.
    pub(super) fn crowded(&self) -> bool {
        self.calls() >= CALLS_MAX || self.shared.call_bytes.load(Ordering::Relaxed) >= CALL_BYTES_MAX
    }

    /// Takes everything that waits. `taken` must be empty; its memory serves the next pushes.
    pub(super) fn take(&self, taken: &mut VecDeque<Push>) {
        debug_assert!(taken.is_empty(), "what was taken before is not written yet");
        std::mem::swap(&mut self.queue().waiting, taken);
    }

    /// Tells that these have been written, and whoever waits for room with it.
    pub(super) fn written(&self, pushes: impl Iterator<Item = Push>) {
        let bytes: usize = pushes.map(|push| push.cost()).sum();
        let mut queue = self.queue();
        queue.bytes -= bytes;
        let leased = leased(queue.bytes);
        queue.lease.resize(leased);
        if queue.bytes == 0 && queue.waiting.capacity() > OUTBOX_KEEP_MESSAGES {
            queue.waiting = VecDeque::new();
        }
        drop(queue);
        self.shared.room.notify_waiters();
    }

    /// The connection has ended: nothing is taken any more, and nobody waits in vain.
    /// No reply leaves after that, not even of a call that ends later.
    pub(super) fn close(&self) {
        let waiting = {
            let mut queue = self.queue();
            queue.closed = true;
            queue.bytes = 0;
            queue.lease.resize(0);
            std::mem::take(&mut queue.waiting)
        };
        drop(waiting);
        self.shared.room.notify_waiters();
        self.shared.ended.notify_waiters();
    }
}

/// The session's end of an outbox: however the session ends, nobody pushes into the void.
#[derive(Debug)]
pub(super) struct Inlet(pub(super) Outbox);

impl std::ops::Deref for Inlet {
    type Target = Outbox;

    fn deref(&self) -> &Outbox {
        &self.0
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.close();
    }
}

/// The part of the shared budget that so many queued bytes take. In large steps: the budget is one counter for
/// all connections.
fn leased(bytes: usize) -> usize {
    bytes.saturating_sub(OUTBOX_KEEP_BYTES).next_multiple_of(OUTBOX_KEEP_BYTES)
}

/// A call in flight: it holds its place among the calls of the connection until it is replied to or dropped.
#[derive(Debug)]
pub(crate) struct Call {
    outbox: Outbox,
    request_bytes: usize,
    otherwise: Bytes,
}

impl Call {
    /// Sends the reply, which has seen `seen`; waits while the peer has too much to read already. A reply that is
    /// too large for any client, or whose claim does not come true, becomes the `otherwise` of the call.
    pub(crate) async fn reply(mut self, body: impl Into<Bytes>, seen: Seen) {
        let push = Push::whole(body).claiming(seen, self.otherwise.clone());
        let taken = loop {
            match self.outbox.push_reply(&push, false) {
                Err(Refused::Full) => self.outbox.room(OUTBOX_BYTES_MAX - 1).await,
                taken => break taken,
            }
        };
        if taken.is_ok() {
            self.otherwise = Bytes::new();
        }
        // The session is woken when the call gives up its place.
    }

    /// The outbox of the caller, for what is to be sent before the reply.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.otherwise.is_empty() {
            // Nobody may wait for a reply for ever: the caller is told that there is none. It is small, and there
            // are at most `CALLS_MAX` of them, so it is taken whatever waits already. Refused only by a closed one.
            let _ = self.outbox.push_reply(&Push::whole(std::mem::take(&mut self.otherwise)), true);
        }
        let shared = &self.outbox.shared;
        shared.calls.fetch_sub(1, Ordering::Relaxed);
        shared.call_bytes.fetch_sub(self.request_bytes, Ordering::Relaxed);
        // The session may wait for room among its calls, or for the last of them.
        shared.signal.tell_pushed();
    }
}
