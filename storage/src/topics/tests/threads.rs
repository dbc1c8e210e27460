//! Everybody at once, on real threads and a real disk: publishers, subscribers that change from backlog to live, readers
//! that follow, housekeeping.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::disk::{OsClock, OsDisk, OsRng};

const PUBLISHERS: u64 = 3;
const MESSAGES: u64 = 4000;

/// A live side as a server has one: a queue filled in the order of positions, drained as far as is released.
#[derive(Default)]
struct Live {
    queue: Mutex<std::collections::VecDeque<(Published, Vec<u8>)>>,
    /// Cut and what came live, by subscriber.
    #[expect(clippy::type_complexity, reason = "cut and messages of each subscriber")]
    subscribers: Mutex<BTreeMap<usize, (Position, Vec<Vec<u8>>)>>,
}

impl Live {
    fn deliver(&self, topics: &Topics) {
        let mut subscribers = self.subscribers.lock();
        let released = topics.released();
        let mut queue = self.queue.lock();
        while let Some((published, text)) =
            queue.pop_front_if(|(published, _)| published.position <= released)
        {
            for (cut, live) in subscribers.values_mut() {
                if published.position > *cut {
                    live.push(text.clone());
                }
            }
        }
    }
}

fn publish(topics: &Topics, live: &Live, publisher: u64) {
    for nth in 0..MESSAGES {
        let text = format!("{publisher}:{nth}").into_bytes();
        let level = if nth % 97 == 0 { Level::Strong } else { Level::Eventual };
        let staged = loop {
            let queue = |published| live.queue.lock().push_back((published, text.clone()));
            match topics.stage("t", &text, level, queue) {
                Ok((published, ())) => break published,
                Err(error) => {
                    assert!(error.is_busy(), "{error}");
                    topics.shared.wait_room().unwrap();
                }
            }
        };
        if level == Level::Strong {
            topics.durable(staged.position).wait().unwrap();
        } else if nth % 16 == 15 {
            topics.hand_over(staged.position).unwrap();
        }
        live.deliver(topics);
    }
}

#[test]
fn subscribers_see_every_message_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let machine =
        Machine { disk: Arc::new(OsDisk), clock: Arc::new(OsClock::new()), rng: Arc::new(OsRng::new()) };
    let options = Options { segment_bytes: 16 << 10, threads: true, ..unlimited() };
    let topics = Topics::open(&machine, dir.path(), options, None).unwrap();
    let live = Live::default();
    let running = AtomicU64::new(PUBLISHERS);
    let cursors = std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (topics, live, running) = (&topics, &live, &running);
            scope.spawn(move || {
                publish(topics, live, publisher);
                running.fetch_sub(1, Ordering::AcqRel);
            });
        }
        let mut cursors = Vec::new();
        while running.load(Ordering::Acquire) > 0 {
            let number = cursors.len();
            let (cut, ()) = topics.subscribe_point(|cut| {
                live.subscribers.lock().insert(number, (cut.position(), Vec::new()));
            });
            cursors.push(topics.cursor_through(&cut, Start::Earliest, all));
            std::thread::yield_now();
            if cursors.len() > 200 {
                break;
            }
        }
        cursors
    });
    topics.step().unwrap();
    live.deliver(&topics);
    let subscribers = live.subscribers.into_inner();
    assert!(subscribers.len() > 3, "{}", subscribers.len());
    let whole = texts(&read_from(&topics, Start::Earliest))
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect::<Vec<_>>();
    assert_eq!(whole.len() as u64, PUBLISHERS * MESSAGES);
    for (mut cursor, (_, (_, live))) in cursors.into_iter().zip(subscribers) {
        let backlog = read(&mut cursor).unwrap();
        let mut seen: Vec<Vec<u8>> = backlog.iter().map(|seen| seen.text().as_bytes().to_vec()).collect();
        seen.extend(live);
        assert!(seen == whole, "{} + live of {}", backlog.len(), whole.len());
    }
    topics.close().unwrap();
}
