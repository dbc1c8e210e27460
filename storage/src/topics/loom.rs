//! A model of the hand-over from backlog to live delivery, every interleaving explored by loom.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p mpreg-storage --release topics::loom`
//!
//! Publishers stage and show, the live side delivers what is released, a subscriber registers in between and reads the
//! shelf through its cut. Together it must have seen every message exactly once, in order.

use std::collections::VecDeque;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::gate::Gate;
use crate::record::Lsn;

/// The gate, and plain stand-ins for what surrounds it.
struct Node {
    gate: Gate<Vec<u64>>,
    /// The journal's order and the live queue that is filled in it.
    staged: Mutex<(u64, VecDeque<u64>)>,
    /// The writers' turn; what was written last.
    writer: Mutex<u64>,
    durable: AtomicU64,
    /// The cut of the subscriber, once there is one, and what it got live.
    subscriber: Mutex<Option<(u64, Vec<u64>)>>,
}

impl Node {
    fn new() -> Arc<Node> {
        Arc::new(Node {
            gate: Gate::new(Vec::new(), Lsn(0)),
            staged: Mutex::new((0, VecDeque::new())),
            writer: Mutex::new(0),
            durable: AtomicU64::new(0),
            subscriber: Mutex::new(None),
        })
    }

    fn publish(&self, strong: bool) -> u64 {
        let lsn = {
            let mut staged = self.staged.lock().unwrap();
            staged.0 += 1;
            let lsn = staged.0;
            if strong {
                self.gate.expect_durable(Lsn(lsn));
            }
            staged.1.push_back(lsn);
            lsn
        };
        self.hand_over();
        lsn
    }

    /// As the journal: everything staged, in order, then told to be visible.
    fn hand_over(&self) {
        let mut written = self.writer.lock().unwrap();
        let last = self.staged.lock().unwrap().0;
        if last > *written {
            let added = *written + 1..=last;
            self.gate.show(Lsn(last), |shelf| shelf.extend(added));
            *written = last;
        }
    }

    /// As the server: in order, only what is released, to whoever is registered by then and was cut before.
    fn deliver(&self) {
        let mut subscriber = self.subscriber.lock().unwrap();
        let released = self.gate.released(Lsn(self.durable.load(Ordering::Acquire)));
        let mut staged = self.staged.lock().unwrap();
        while let Some(lsn) = staged.1.pop_front_if(|lsn| Lsn(*lsn) <= released) {
            if let Some((_, live)) = subscriber.as_mut().filter(|(cut, _)| lsn > *cut) {
                live.push(lsn);
            }
        }
    }

    fn subscribe(&self) {
        self.gate.cut(|_, cut| *self.subscriber.lock().unwrap() = Some((cut.0, Vec::new())));
    }

    /// What the subscriber has seen when all is told.
    fn seen(&self) -> Vec<u64> {
        let subscriber = self.subscriber.lock().unwrap();
        let (cut, live) = subscriber.as_ref().expect("it registered");
        let backlog =
            self.gate.with(|shelf| shelf.iter().copied().filter(|lsn| lsn <= cut).collect::<Vec<_>>());
        [backlog, live.clone()].concat()
    }
}

#[test]
fn a_subscriber_sees_every_message_once_and_in_order() {
    loom::model(|| {
        let node = Node::new();
        let publishers: Vec<_> = (0..2)
            .map(|_| {
                let node = Arc::clone(&node);
                thread::spawn(move || {
                    node.publish(false);
                    node.deliver();
                })
            })
            .collect();
        node.subscribe();
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        node.deliver();
        assert_eq!(node.seen(), [1, 2]);
    });
}

#[test]
fn a_strong_message_is_told_when_it_is_durable_and_holds_back_what_follows() {
    loom::model(|| {
        let node = Node::new();
        node.subscribe();
        let strong = {
            let node = Arc::clone(&node);
            thread::spawn(move || {
                let lsn = node.publish(true);
                node.durable.store(lsn, Ordering::Release);
                node.deliver();
                lsn
            })
        };
        let after = node.publish(false);
        node.deliver();
        {
            let subscriber = node.subscriber.lock().unwrap();
            let live = &subscriber.as_ref().unwrap().1;
            let durable = node.durable.load(Ordering::Acquire);
            // Whichever came first: nothing at or behind the strong one before it is durable.
            assert!(live.is_empty() || durable > 0 || (live == &[1] && after == 1), "{live:?} {durable}");
        }
        let strong = strong.join().unwrap();
        node.deliver();
        assert_eq!(node.seen(), [1, 2]);
        assert_ne!(strong, after);
    });
}

/// The model can fail: a subscriber that registers after its cut misses what was delivered in between.
#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn registering_outside_of_the_cut_is_noticed() {
    loom::model(|| {
        let node = Node::new();
        let publisher = {
            let node = Arc::clone(&node);
            thread::spawn(move || {
                node.publish(false);
                node.deliver();
            })
        };
        let cut = node.gate.cut(|_, cut| cut.0);
        *node.subscriber.lock().unwrap() = Some((cut, Vec::new()));
        publisher.join().unwrap();
        node.deliver();
        assert_eq!(node.seen(), [1]);
    });
}
