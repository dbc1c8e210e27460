//! Publishers that remember every promise, and a reader that holds the server to it, for tests that kill the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use super::Client;

/// What one publisher was told of its topic: its messages are numbered without a gap.
#[derive(Debug, Default)]
pub struct Promised {
    /// Number of the last message sent.
    pub sent: u64,
    /// Acknowledged messages by number: their offset, whether they are strong, when the ack came.
    pub acked: HashMap<u64, (String, bool, Instant)>,
}

/// Messages of one life of the server are numbered from a multiple of this on: what was in flight when it died leaves a
/// hole only there.
pub const ROUND: u64 = 10_000_000;

pub fn topic(publisher: usize) -> String {
    format!("kill.{publisher}.t")
}

/// Publishes with up to `depth` in flight until the connection dies or `stop` is set. Every third message is strong.
pub fn publish(port: u16, publisher: usize, depth: u64, stop: &AtomicBool, promised: &mut Promised) {
    let Ok(mut client) = Client::try_connect(port) else { return };
    while !stop.load(Ordering::Relaxed) {
        let first = promised.sent + 1;
        for n in first..first + depth {
            promised.sent = n;
            let level = if n.is_multiple_of(3) { "strong" } else { "eventual" };
            let message = json!({"topic": topic(publisher), "payload": n, "message_id": n.to_string()});
            let request = json!({"role": "pubsub-publish", "u": n.to_string(), "message": message,
                                 "options": {"consistency_level": level}});
            if client.send(&request).is_err() {
                return;
            }
        }
        for n in first..first + depth {
            let Ok(ack) = client.receive() else { return };
            assert_eq!(
                (&ack["operation_id"], &ack["success"]),
                (&json!(n.to_string()), &json!(true)),
                "{ack}"
            );
            let offset = ack["offset"].as_str().unwrap().to_owned();
            promised.acked.insert(n, (offset, n.is_multiple_of(3), Instant::now()));
        }
    }
}

/// Subscribes, reads with stalls, goes and comes again until the server dies: whatever arrives on one connection is in
/// order, without a repeat and without a hole.
pub fn listen(port: u16, number: usize, publishers: usize, stop: &AtomicBool) {
    for visit in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok(mut client) = Client::try_connect(port) else { return };
        let id = format!("l{number}-{visit}");
        let start = if visit % 2 == 0 { json!("earliest") } else { json!("latest") };
        if client.call(&subscribe(&id, "kill.#", &start)).is_err() {
            return;
        }
        let mut next: HashMap<usize, u64> = HashMap::new();
        for count in 0..2_000 * (visit + 1) {
            let Ok(told) = client.receive() else { return };
            let (publisher, n) = numbered(&told);
            assert!(publisher < publishers);
            let expected = next.insert(publisher, n + 1);
            let fresh = n % ROUND == 1;
            assert!(
                fresh || expected.is_none_or(|expected| expected == n),
                "{expected:?} was expected: {told}"
            );
            if count % 500 == 499 {
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        }
    }
}

fn subscribe(id: &str, pattern: &str, start: &Value) -> Value {
    json!({"role": "pubsub-subscribe", "u": "s", "subscription": {"subscription_id": id, "patterns": [pattern],
           "subscriber": "", "created_at": 1, "start": start}})
}

fn numbered(told: &Value) -> (usize, u64) {
    assert_eq!(told["role"], "pubsub-notification", "{told}");
    let topic = told["message"]["topic"].as_str().unwrap_or_else(|| panic!("{told}"));
    let publisher = topic.split('.').nth(1).unwrap().parse().unwrap();
    (publisher, told["message"]["payload"].as_u64().unwrap())
}

/// Which message stood at which offset, over all the lives of a server.
#[derive(Debug, Default)]
pub struct Offsets {
    known: HashMap<String, (usize, u64)>,
    audits: u64,
}

/// Acknowledged messages that a restarted server does not have.
#[derive(Debug, Default)]
pub struct Lost {
    pub strong: u64,
    pub eventual: Vec<Instant>,
}

/// Replays everything and compares: order, no repeat, offsets that only grow and always mean the same message.
pub fn audit(client: &mut Client, promised: &[Promised], offsets: &mut Offsets) -> Lost {
    // A marker of its own ends the replay.
    offsets.audits += 1;
    let marker = format!("marker-{}", offsets.audits);
    let request =
        json!({"role": "pubsub-publish", "u": marker, "message": {"topic": "audit", "payload": marker}});
    assert_eq!(client.call(&request).unwrap()["success"], true);
    let ack = client.call(&subscribe(&marker, "#", &json!("earliest"))).unwrap();
    assert_eq!(ack["success"], true, "{ack}");
    let mut found: Vec<Vec<u64>> = promised.iter().map(|_| Vec::new()).collect();
    let mut last = (0, 0);
    loop {
        let told = client.receive().unwrap();
        let offset = told["offset"].as_str().unwrap_or_else(|| panic!("{told}"));
        let (epoch, lsn) = offset.split_once(':').unwrap();
        let position = (epoch.parse::<u64>().unwrap(), lsn.parse::<u64>().unwrap());
        assert!(position > last, "offsets grow: {last:?}, then {told}");
        last = position;
        if told["message"]["topic"] == "audit" {
            if told["message"]["payload"] == json!(marker) {
                break;
            }
            continue;
        }
        let (publisher, n) = numbered(&told);
        let known = offsets.known.insert(offset.to_owned(), (publisher, n));
        assert!(known.is_none_or(|known| known == (publisher, n)), "{offset} was {known:?}, is {told}");
        found[publisher].push(n);
    }
    let unsubscribe = json!({"role": "pubsub-unsubscribe", "u": "x", "subscription_id": marker});
    assert_eq!(client.call(&unsubscribe).unwrap()["success"], true);
    let mut lost = Lost::default();
    for (promised, found) in promised.iter().zip(&found) {
        assert!(found.is_sorted_by(|one, other| one < other), "in order and once: {found:?}");
        for (n, (offset, strong, at)) in &promised.acked {
            if found.binary_search(n).is_ok() {
                continue;
            }
            assert!(!offsets.known.contains_key(offset), "{offset} of lost message {n} was given again");
            if *strong { lost.strong += 1 } else { lost.eventual.push(*at) }
        }
        assert!(found.last().is_none_or(|last| *last <= promised.sent));
    }
    lost
}
