//! Pub/sub over a backlog in memory: order, hand-over, slow receivers, levels, names, groups.

use std::sync::Arc;
use std::time::Duration;

use mpreg_storage::record::Position;
use serde_json::Value;

use super::memory::{Memory, MemoryEvents};
use super::{Backlog, Clerk, Draft, EventLog, Hub, Pattern, Rules};
use crate::limits::{GROUP_UNACKNOWLEDGED_MAX, HELD_MESSAGES_MAX, OUTBOX_BYTES_MAX, SUBSCRIPTIONS_MAX};
use crate::protocol::{OperationIds, Request, parse};
use crate::session::{Outbox, Push, Reply, Seen, Step};

mod events;
mod groups;

struct Node {
    memory: Arc<Memory>,
    events: Arc<MemoryEvents>,
    hub: Arc<Hub>,
    follower: tokio::task::AbortHandle,
}

impl Node {
    fn new() -> Node {
        Node::over(Memory::new(), MemoryEvents::new())
    }

    /// A hub, as a node has it after a start.
    fn over(memory: Arc<Memory>, events: Arc<MemoryEvents>) -> Node {
        let volatile = vec![Pattern::new("volatile.#", false).unwrap()];
        let rules = Rules::new(false, volatile, Vec::new());
        let (backlog, log) =
            (Arc::clone(&memory) as Arc<dyn Backlog>, Arc::clone(&events) as Arc<dyn EventLog>);
        let hub = Hub::new(backlog, Some(log), rules);
        let follower = tokio::spawn(Arc::clone(&hub).run_follower()).abort_handle();
        Node { memory, events, hub, follower }
    }

    fn client(&self) -> Client {
        Client {
            clerk: Clerk::new(&self.hub),
            outbox: Outbox::detached(),
            ids: OperationIds::new(1, 1),
            memory: Arc::clone(&self.memory),
        }
    }
}

struct Client {
    clerk: Clerk,
    outbox: Outbox,
    ids: OperationIds,
    memory: Arc<Memory>,
}

impl Client {
    /// One request in a batch of its own, settled as a session settles, but never waiting.
    fn ask(&mut self, text: &str) -> Value {
        let (reply, seen) = self.handle(text);
        self.settle(seen);
        reply
    }

    fn handle(&mut self, text: &str) -> (Value, Seen) {
        let Ok(Request::PubSub(request)) = parse(text.as_bytes()) else { panic!("{text}") };
        let (mut out, mut seen) = (Vec::new(), Seen::default());
        let mut reply = Reply { out: &mut out, seen: &mut seen, outbox: &self.outbox };
        match self.clerk.answer(&request, 5_000_000, &mut self.ids, &mut reply) {
            Step::Busy => (Value::Null, seen),
            step => {
                assert_eq!(step, Step::Done);
                (serde_json::from_slice(&out).unwrap(), seen)
            }
        }
    }

    fn settle(&mut self, seen: Seen) {
        self.memory.hand_over(seen.topics.observed).unwrap();
        self.clerk.settled();
    }

    fn yes(&mut self, text: &str) -> Value {
        let ack = self.ask(text);
        assert_eq!(ack["success"], true, "{text}: {ack}");
        ack
    }

    fn no(&mut self, text: &str) -> String {
        let ack = self.ask(text);
        assert_eq!(ack["success"], false, "{text}: {ack}");
        ack["error"].as_str().unwrap().to_owned()
    }

    fn publish(&mut self, topic: &str, payload: impl Into<Value>) -> Value {
        self.yes(&publish(topic, payload, "eventual"))
    }

    fn subscribe(&mut self, id: &str, pattern: &str, more: &str) {
        self.yes(&subscribe(id, pattern, more));
    }

    /// What has been pushed so far.
    fn got(&self) -> Vec<Value> {
        self.outbox.drain().iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    fn payloads(&self) -> Vec<Value> {
        self.got().iter().map(told).collect()
    }

    /// Waits until `count` notifications have been pushed.
    async fn receive(&self, count: usize) -> Vec<Value> {
        let mut all = Vec::new();
        for _ in 0..20_000 {
            all.extend(self.got());
            if all.len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        assert_eq!(all.len(), count, "{all:?}");
        all
    }

    async fn receive_told(&self, count: usize) -> Vec<Value> {
        self.receive(count).await.iter().map(told).collect()
    }
}

/// A notification in short: its payload, or the gap it tells of.
fn told(notification: &Value) -> Value {
    assert_eq!(notification["role"], "pubsub-notification");
    match notification.get("gap") {
        Some(gap) => gap.clone(),
        None => notification["message"]["payload"].clone(),
    }
}

fn publish(topic: &str, payload: impl Into<Value>, level: &str) -> String {
    let payload = payload.into();
    let id: String = payload.to_string().chars().filter(char::is_ascii_digit).take(9).collect();
    format!(
        r#"{{"role":"pubsub-publish","u":"p","message":{{"topic":"{topic}","payload":{payload},"message_id":"m{id}"}},"options":{{"consistency_level":"{level}"}}}}"#
    )
}

fn subscribe(id: &str, pattern: &str, more: &str) -> String {
    format!(
        r#"{{"role":"pubsub-subscribe","u":"s","subscription":{{"subscription_id":"{id}","patterns":["{pattern}"]{more}}}}}"#
    )
}

fn unsubscribe(id: &str) -> String {
    format!(r#"{{"role":"pubsub-unsubscribe","u":"x","subscription_id":"{id}"}}"#)
}

fn commit(id: &str, offset: &str) -> String {
    format!(r#"{{"role":"pubsub-commit","u":"c","subscription_id":"{id}","offset":"{offset}"}}"#)
}

const LATEST: &str = r#","start":"latest""#;
const EARLIEST: &str = r#","start":"earliest""#;

#[tokio::test]
async fn a_message_reaches_every_subscription_once_and_its_publisher_too() {
    let node = Node::new();
    let (mut one, mut two) = (node.client(), node.client());
    one.subscribe("s1", "a.*", LATEST);
    one.yes(
        r##"{"role":"pubsub-subscribe","u":"s","subscription":{"subscription_id":"s2","patterns":["a.b",{"pattern":"a.#"},"#"],"get_backlog":false}}"##,
    );
    two.subscribe("s3", "b", LATEST);
    let ack = one.publish("a.b", 7);
    assert_eq!((&ack["offset"], &ack["durability"]), (&"1:1".into(), &"eventual".into()));
    let mut got = one.got();
    got.sort_by_key(|notification| notification["subscription_id"].to_string());
    let short = |at: usize| (&got[at]["u"], &got[at]["offset"], &got[at]["message"]["payload"]);
    assert_eq!(short(0), (&"notification_m7_s1".into(), &"1:1".into(), &7.into()));
    assert_eq!(short(1), (&"notification_m7_s2".into(), &"1:1".into(), &7.into()));
    assert_eq!(got.len(), 2, "two patterns of one subscription are one notification");
    assert!(two.got().is_empty());
    assert_eq!(node.hub.stats().delivered_live, 2);
}

#[tokio::test]
async fn a_strong_message_is_told_when_it_is_durable_and_holds_back_what_follows() {
    let node = Node::new();
    let mut client = node.client();
    tokio::spawn(Arc::clone(&node.hub).run_courier());
    client.subscribe("s", "#", LATEST);
    client.publish("a", 1);
    let (ack, seen) = client.handle(&publish("a", 2, "strong"));
    assert_eq!(ack["durability"], "strong");
    let strong: Position = "1:2".parse().unwrap();
    assert_eq!((seen.topics.observed, seen.topics.strong), (strong, strong));
    client.settle(seen);
    client.publish("b", 3);
    assert_eq!(client.payloads(), [1]);
    node.memory.durable.send_replace(2);
    // Its publisher has given up on it: the courier looks after it.
    assert_eq!(client.receive_told(2).await, [2, 3]);
}

#[tokio::test]
async fn who_comes_while_a_strong_message_waits_gets_it_when_it_is_durable() {
    let node = Node::new();
    tokio::spawn(Arc::clone(&node.hub).run_courier());
    let (mut one, mut two) = (node.client(), node.client());
    one.publish("a", 1);
    let (_, seen) = one.handle(&publish("a", 2, "strong"));
    one.settle(seen);
    one.publish("a", 3);
    // The backlog ends before the strong message, which has its place already.
    two.subscribe("all", "a", "");
    two.subscribe("new", "a", LATEST);
    assert_eq!(two.receive_told(1).await, [1]);
    tokio::time::sleep(Duration::from_millis(20)).await;
    node.memory.durable.send_replace(2);
    let got = two.receive(2).await;
    assert!(got.iter().all(|notification| notification["subscription_id"] == "all"), "{got:?}");
    assert_eq!(got.iter().map(told).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn nothing_is_told_before_it_is_handed_over_and_a_lost_publisher_holds_up_nobody() {
    let node = Node::new();
    tokio::spawn(Arc::clone(&node.hub).run_courier());
    let (mut one, mut two) = (node.client(), node.client());
    two.subscribe("s", "#", LATEST);
    drop(one.handle(&publish("a", 1, "eventual")));
    node.hub.deliver();
    assert!(two.got().is_empty());
    drop(one);
    node.memory.durable.send_replace(1);
    assert_eq!(two.receive_told(1).await, [1]);
}

#[tokio::test]
async fn the_backlog_comes_first_oldest_first_and_says_so() {
    let node = Node::new();
    let mut client = node.client();
    for (now_us, payload) in [(1_000_000, 1), (100_000_000, 2), (200_000_000, 3)] {
        node.memory.set_now_us(now_us);
        client.publish("a", payload);
    }
    node.memory.set_now_us(300_000_000);
    client.subscribe("five", "a", "");
    client.subscribe("short", "a", r#","backlog_seconds":150"#);
    client.subscribe("none", "a", r#","get_backlog":false"#);
    let mut got = client.receive(4).await;
    client.publish("a", 4);
    got.extend(client.receive(3).await);
    let of = |id: &str| -> Vec<(String, Value)> {
        let mine = got.iter().filter(|notification| notification["subscription_id"] == id);
        mine.map(|notification| (notification["u"].as_str().unwrap().to_owned(), told(notification)))
            .collect()
    };
    let kinds: Vec<String> = of("five").into_iter().map(|(u, _)| u).collect();
    assert_eq!(kinds, ["backlog_m1_five", "backlog_m2_five", "backlog_m3_five", "notification_m4_five"]);
    assert_eq!(of("short").len(), 2);
    assert_eq!(of("none").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subscribers_that_come_while_others_publish_get_everything_once_and_in_order() {
    const MESSAGES: usize = 3_000;
    let node = Arc::new(Node::new());
    tokio::spawn(Arc::clone(&node.hub).run_courier());
    // Every fifth message is strong, and the disk is always a little behind.
    let memory = Arc::clone(&node.memory);
    let disk = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_micros(300)).await;
            memory.sync();
        }
    });
    let publishers = (0..3).map(|publisher| {
        let mut client = node.client();
        tokio::spawn(async move {
            for number in 0..MESSAGES {
                let topic = if number % 7 == 0 { "other" } else { "a.b" };
                let level = if number % 5 == 0 { "strong" } else { "eventual" };
                client.yes(&publish(topic, format!("{publisher} {number}"), level));
                if number % 20 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    let publishers: Vec<_> = publishers.collect();
    let mut subscribers = Vec::new();
    for number in 0..12 {
        let mut client = node.client();
        client.subscribe(&format!("s{number}"), "a.#", EARLIEST);
        subscribers.push(client);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let mut late = node.client();
    late.subscribe("late", "a.#", EARLIEST);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let count = 3 * (0..MESSAGES).filter(|number| number % 7 != 0).count();
    let offsets = |all: &[Value]| -> Vec<Position> {
        all.iter().map(|notification| notification["offset"].as_str().unwrap().parse().unwrap()).collect()
    };
    let expected = offsets(&late.receive(count).await);
    assert!(expected.is_sorted_by(|one, next| one < next));
    for subscriber in subscribers {
        assert_eq!(offsets(&subscriber.receive(count).await), expected);
    }
    disk.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscriber_goes_back_to_the_log_and_misses_nothing() {
    let node = Node::new();
    let (mut slow, mut publisher) = (node.client(), node.client());
    slow.subscribe("s", "a", LATEST);
    let text = "x".repeat(100_000);
    for number in 0..300 {
        publisher.publish("a", format!("{number} {text}"));
        assert!(slow.outbox.queued_bytes() < OUTBOX_BYTES_MAX + 200_000);
    }
    assert_eq!(node.hub.stats().fell_behind, 1);
    let got = slow.receive(300).await;
    for (number, notification) in got.iter().enumerate() {
        assert!(told(notification).as_str().unwrap().starts_with(&format!("{number} ")));
        assert!(notification["u"].as_str().unwrap().starts_with("notification_"), "it is no backlog");
    }
    for _ in 0..1000 {
        if node.hub.stats().caught_up == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    publisher.publish("a", 300);
    assert_eq!(slow.payloads(), [300], "live again, at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscriber_of_volatile_messages_is_told_how_many_it_missed() {
    let node = Node::new();
    let mut client = node.client();
    client.subscribe("s", "volatile.a", LATEST);
    let text = "x".repeat(1_000_000);
    for _ in 0..12 {
        let ack = client.publish("volatile.a", text.as_str());
        assert_eq!((ack.get("offset"), &ack["durability"]), (None, &"volatile".into()));
    }
    // The limit lets 8 MiB wait and one message above that.
    let got = client.receive_told(10).await;
    assert_eq!(got[9], serde_json::json!({"from": null, "to": null, "count": 3}));
    client.publish("volatile.a", 1);
    assert_eq!(client.payloads(), [1]);
    assert_eq!((node.hub.stats().dropped, node.hub.stats().gaps), (3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volatile_messages_keep_their_place_while_the_log_is_read() {
    let node = Node::new();
    let (mut slow, mut publisher) = (node.client(), node.client());
    slow.subscribe("s", "#", LATEST);
    let text = "x".repeat(1_000_000);
    for number in 0..12 {
        publisher.publish("a", format!("{number:02} stored {text}"));
        publisher.publish("volatile.a", format!("{number:02} volatile"));
    }
    let got = slow.receive_told(24).await;
    let short: Vec<&str> =
        got.iter().map(|payload| payload.as_str().unwrap().split(" x").next().unwrap()).collect();
    let expected: Vec<String> =
        (0..12).flat_map(|number| [format!("{number:02} stored"), format!("{number:02} volatile")]).collect();
    assert_eq!(short, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_volatile_messages_while_the_log_is_read_become_a_gap() {
    let node = Node::new();
    let (mut slow, mut publisher) = (node.client(), node.client());
    slow.subscribe("s", "#", LATEST);
    let text = "x".repeat(1_000_000);
    (0..10).for_each(|_| drop(publisher.publish("a", text.as_str())));
    (0..HELD_MESSAGES_MAX + 5).for_each(|number| drop(publisher.publish("volatile.a", number)));
    let got = slow.receive_told(10 + HELD_MESSAGES_MAX + 1).await;
    assert_eq!(got.last().unwrap()["count"], 5);
}

#[tokio::test]
async fn ids_belong_to_one_connection_and_end_with_it() {
    let node = Node::new();
    let (mut one, mut two) = (node.client(), node.client());
    one.subscribe("s", "a", LATEST);
    assert_eq!(two.no(&subscribe("s", "a", "")), "subscription_id in use");
    assert_eq!(two.no(&unsubscribe("s")), "subscription of another connection");
    assert_eq!(two.no(&unsubscribe("t")), "unknown subscription");
    one.subscribe("s", "b", LATEST);
    one.publish("a", 1);
    one.publish("b", 2);
    assert_eq!(one.payloads(), [2], "the same id again is a new subscription in place of the old one");
    one.yes(&unsubscribe("s"));
    one.publish("b", 3);
    assert!(one.got().is_empty());
    assert_eq!(one.no(&unsubscribe("s")), "unknown subscription");
    one.subscribe("s", "a", LATEST);
    drop(one);
    two.subscribe("s", "a", LATEST);
    assert_eq!(node.hub.subscriptions(), 1);
}

#[tokio::test]
async fn subscriptions_of_a_connection_are_bounded() {
    let node = Node::new();
    let mut client = node.client();
    (0..SUBSCRIPTIONS_MAX).for_each(|number| client.subscribe(&format!("s{number}"), "a", LATEST));
    assert!(client.no(&subscribe("one more", "a", "")).starts_with("1024 subscriptions"));
    client.subscribe("s0", "b", LATEST);
    assert!(client.no(&subscribe("x", "*.*.*.*.*.*.*.*.*", "")).contains("wildcards"));
}

#[tokio::test]
async fn a_publish_without_room_is_tried_again() {
    let node = Node::new();
    let mut client = node.client();
    node.memory.room.send_replace(false);
    assert_eq!(client.handle(&publish("a", 1, "eventual")).0, Value::Null);
    node.memory.room.send_replace(true);
    client.publish("a", 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_no_longer_and_what_cannot_be_read_is_told() {
    let node = Node::new();
    let mut client = node.client();
    (1..=9).for_each(|number| drop(client.publish("a", number)));
    node.memory.retire(4);
    node.memory.damage(7);
    client.subscribe("s", "a", r#","start":{"offset":"1:2"}"#);
    let got = client.receive_told(6).await;
    assert_eq!((&got[0]["from"], &got[0]["to"]), (&"1:3".into(), &"1:4".into()));
    assert_eq!(got[1..3], [5, 6]);
    assert_eq!((&got[3]["from"], &got[3]["to"]), (&"1:7".into(), &"1:7".into()));
    assert_eq!(got[4..], [8, 9]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_subscription_goes_on_behind_what_it_acknowledged() {
    let node = Node::new();
    let mut publisher = node.client();
    let mut first = node.client();
    publisher.publish("a", 0);
    first.subscribe("s1", "a", r#","durable":"d","start":"latest""#);
    (1..=3).for_each(|number| drop(publisher.publish("a", number)));
    let got = first.receive(3).await;
    assert_eq!(node.client().no(&subscribe("s2", "a", r#","durable":"d""#)), "durable name in use");
    first.yes(&commit("s1", got[1]["offset"].as_str().unwrap()));
    assert_eq!(first.no(&commit("s1", "1:99")), "no message has this offset yet");
    assert_eq!(first.no(&commit("s9", "1:1")), "unknown subscription");
    first.subscribe("plain", "zzz", LATEST);
    assert_eq!(first.no(&commit("plain", "1:1")), "the subscription is not durable");
    drop(first);
    publisher.publish("a", 4);
    let mut second = node.client();
    second.subscribe("s2", "a", r#","durable":"d","start":"latest""#);
    assert_eq!(second.receive_told(2).await, [3, 4]);
    publisher.publish("a", 5);
    assert_eq!(second.receive_told(1).await, [5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_subscription_that_never_acknowledged_begins_where_it_began() {
    let node = Node::new();
    let mut publisher = node.client();
    for (name, more) in [("l", LATEST), ("e", EARLIEST)] {
        let mut first = node.client();
        first.subscribe(name, "a", &format!(r#","durable":"{name}"{more}"#));
        publisher.publish("a", 1);
        assert_eq!(first.receive_told(1).await, [1]);
        drop(first);
        let mut again = node.client();
        again.subscribe(name, "a", &format!(r#","durable":"{name}","start":"latest""#));
        assert_eq!(again.receive_told(1).await, [1], "{name}");
        node.memory.retire(node.memory.released().lsn.0);
    }
}

/// Reading the log may be ahead of delivery. A subscription that falls behind just then once began again at the last
/// message delivered, and got what it had read a second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn falling_behind_while_ahead_of_delivery_repeats_nothing() {
    let node = Node::new();
    let (mut client, mut publisher) = (node.client(), node.client());
    let text = "x".repeat(1_000_000);
    while client.outbox.push(Push::whole(publish("other", text.as_str(), "eventual"))).is_ok() {}
    client.subscribe("s", "#", EARLIEST);
    // Nobody delivers yet: first what is not stored, then what is.
    (0..12).for_each(|_| node.hub.stage_volatile(volatile(&text)));
    let (_, seen) = publisher.handle(&publish("a", 1, "eventual"));
    node.memory.hand_over(seen.topics.observed).unwrap();
    drop(client.outbox.drain());
    assert_eq!(client.receive_told(1).await, [1], "read from the log");
    node.hub.deliver();
    let got = client.receive_told(10).await;
    assert_eq!(got[9]["count"], 3);
    assert!(got.iter().all(|payload| *payload != 1));
    publisher.publish("a", 2);
    assert_eq!(client.receive_told(1).await, [2]);
}

fn volatile(text: &str) -> Draft {
    let message = format!(r#"{{"topic":"volatile.a","payload":"{text}"}}"#);
    Draft { topic: "volatile.a".into(), message: message.into(), message_id: "\"m\"".into() }
}

#[tokio::test]
async fn the_server_itself_publishes_and_sees_who_listens() {
    let node = Node::new();
    let mut client = node.client();
    client.subscribe("s\\u0041", "mpreg.#", LATEST);
    client.subscribe("other", "x", LATEST);
    let draft = |topic: &str| Draft {
        topic: topic.into(),
        message: r#"{"topic":"mpreg.a","payload":1}"#.into(),
        message_id: "\"m\"".into(),
    };
    node.hub.say(draft("mpreg.a"));
    node.memory.room.send_replace(false);
    node.hub.say(draft("mpreg.b"));
    let got = client.got();
    assert_eq!(
        (&got[0]["offset"], got[1].get("offset")),
        (&"1:1".into(), None),
        "stored where there is room"
    );
    assert_eq!(node.hub.subscribed(Some("mpreg.a"), 9), [("sA".to_owned(), vec!["mpreg.#".to_owned()])]);
    assert_eq!((node.hub.subscribed(None, 9).len(), node.hub.subscribed(None, 1).len()), (2, 1));
}
