//! Messages the node sends unasked, on their way to a subscription or a worker.
//!
//! A lane holds so many bytes. Where its reader is slower than the node, the connection is not read on until there
//! is room: the node then keeps the messages, and all else on this connection waits, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::incoming::Addressee;

/// Bytes of messages that wait in one lane.
const LANE_BYTES_MAX: u32 = 4 * 1024 * 1024;

/// All lanes of a connection.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    ended: bool,
    next_subscription: u64,
    subscriptions: HashMap<u64, Entrance>,
    worker: Option<Entrance>,
}

/// Where the connection puts messages in.
#[derive(Debug, Clone)]
struct Entrance {
    sender: UnboundedSender<(Vec<u8>, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// Where a reader takes them out. Dropping it closes the lane.
#[derive(Debug)]
pub(super) struct Exit {
    receiver: UnboundedReceiver<(Vec<u8>, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

fn lane() -> (Entrance, Exit) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(LANE_BYTES_MAX as usize));
    (Entrance { sender, room: Arc::clone(&room) }, Exit { receiver, room })
}

impl Lanes {
    /// A lane for one more subscription, and its number. On an ended connection it ends at once.
    pub(super) fn subscribe(&self) -> (u64, Exit) {
        let mut open = self.lock();
        let number = open.next_subscription;
        open.next_subscription += 1;
        let (entrance, exit) = lane();
        if !open.ended {
            open.subscriptions.insert(number, entrance);
        }
        (number, exit)
    }

    /// The subscription is over.
    pub(super) fn unsubscribe(&self, number: u64) {
        self.lock().subscriptions.remove(&number);
    }

    /// The lane of the worker, in place of the one before.
    pub(super) fn work(&self) -> Exit {
        let (entrance, exit) = lane();
        let mut open = self.lock();
        if !open.ended {
            open.worker = Some(entrance);
        }
        exit
    }

    /// Puts a message into its lane, once there is room. One nobody waits for is dropped.
    pub(super) async fn deliver(&self, addressee: Addressee, message: Vec<u8>) {
        let entrance = match addressee {
            Addressee::Subscription(number) => self.lock().subscriptions.get(&number).cloned(),
            Addressee::Worker => self.lock().worker.clone(),
            Addressee::Call(_) | Addressee::Nobody => None,
        };
        let Some(Entrance { sender, room }) = entrance else { return };
        let bytes = u32::try_from(message.len()).unwrap_or(u32::MAX).clamp(1, LANE_BYTES_MAX);
        // An error is a reader that went away.
        if let Ok(permit) = room.acquire_many_owned(bytes).await {
            let _ = sender.send((message, permit));
        }
    }

    /// The connection has ended: readers find what is there, then the end.
    pub(super) fn end(&self) {
        let mut open = self.lock();
        open.ended = true;
        open.subscriptions.clear();
        open.worker = None;
    }

    /// The state stays usable when a holder panicked: nothing here is left half done.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exit {
    /// The next message; `None` at the end of the connection.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        self.receiver.recv().await.map(|(message, _room)| message)
    }

    /// Nothing more is taken in; nobody waits for room.
    pub(super) fn close(&self) {
        self.room.close();
    }
}

impl Drop for Exit {
    fn drop(&mut self) {
        // Whoever waits for room must not wait for ever.
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_full_lane_holds_up_the_connection_until_it_is_read() {
        let lanes = Arc::new(Lanes::default());
        let (number, mut exit) = lanes.subscribe();
        lanes.deliver(Addressee::Subscription(number), vec![1; LANE_BYTES_MAX as usize]).await;
        let more = lanes.deliver(Addressee::Subscription(number), vec![2]);
        let mut more = std::pin::pin!(more);
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut more).await.is_err());
        assert_eq!(exit.next().await.unwrap().len(), LANE_BYTES_MAX as usize);
        more.await;
        assert_eq!(exit.next().await.unwrap(), [2]);
        lanes.end();
        assert_eq!(exit.next().await, None);
        assert_eq!(lanes.subscribe().1.next().await, None, "an ended connection has no lanes");
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_holds_nothing_up() {
        let lanes = Lanes::default();
        let exit = lanes.work();
        lanes.deliver(Addressee::Worker, vec![1; LANE_BYTES_MAX as usize]).await;
        drop(exit);
        lanes.deliver(Addressee::Worker, vec![1; 10]).await;
        lanes.deliver(Addressee::Subscription(9), vec![1]).await;
    }
}
