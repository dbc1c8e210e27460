//! Events of the cache: told to those who listen, from the backlog and live, each once and in order.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const ALL: &str = r#","start":"earliest""#;
const NEW: &str = r#","get_backlog":false"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_told_once_they_are_durable_and_only_to_those_who_listen() {
    let node = Node::new();
    node.events.happens("cache.events.n.cache_put", 1);
    let mut client = node.client();
    client.subscribe("s", "cache.events.n.#", NEW);
    node.events.stage("cache.events.n.cache_put", 2, 2, None);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(client.got().is_empty(), "it is not durable");
    node.events.happens("cache.events.other.cache_put", 3);
    node.events.happens("cache.events.n.cache_delete", 4);
    let got = client.receive(2).await;
    assert_eq!((&got[0]["offset"], &got[0]["u"]), (&"1:2:0".into(), &"notification_e2_s".into()));
    assert_eq!(told(&got[1]), 4);
    client.publish("cache.events.n.x", 5);
    assert_eq!(client.receive_told(1).await, [5], "positions of one log say nothing about the other");
    client.yes(&unsubscribe("s"));
    node.events.happens("cache.events.n.cache_put", 6);
    client.subscribe("s", "cache.events.n.#", NEW);
    node.events.happens("cache.events.n.cache_put", 7);
    assert_eq!(client.receive_told(1).await, [7], "what happened while nobody listened is not told again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_events_comes_first_and_what_was_staged_before_is_part_of_it() {
    let node = Node::new();
    (1..=5).for_each(|number| node.events.happens("cache.events.n.cache_put", number));
    node.events.stage("cache.events.n.cache_put", 6, 6, None);
    let mut client = node.client();
    client.subscribe("s", "cache.events.#", ALL);
    let got = client.receive(5).await;
    assert_eq!(got[0]["u"], "backlog_e1_s");
    node.events.happens("cache.events.n.cache_put", 7);
    assert_eq!(client.receive_told(2).await, [6, 7]);
    let mut late = node.client();
    late.subscribe("l", "cache.events.#", r#","start":{"time":0.000004}"#);
    assert_eq!(late.receive_told(4).await, [4, 5, 6, 7]);
    let mut behind = node.client();
    behind.subscribe("b", "cache.events.#", r#","start":{"offset":"1:5:0"}"#);
    assert_eq!(behind.receive_told(2).await, [6, 7]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_events_are_merged_by_their_time() {
    let node = Node::new();
    let (mut publisher, mut client) = (node.client(), node.client());
    for number in [10, 20, 30] {
        node.memory.set_now_us(number);
        publisher.publish("a", number);
        node.events.happens("cache.events.n.cache_put", number + 1);
        node.events.happens("cache.events.n.cache_put", number + 10);
    }
    client.subscribe("s", "#", ALL);
    assert_eq!(client.receive_told(9).await, [10, 11, 20, 20, 21, 30, 30, 31, 40]);
    publisher.publish("a", 50);
    assert_eq!(client.receive_told(1).await, [50]);
    node.events.happens("cache.events.n.cache_put", 51);
    assert_eq!(client.receive_told(1).await, [51]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_no_longer_is_a_gap() {
    let node = Node::new();
    (1..=5).for_each(|number| node.events.happens("cache.events.n.cache_put", number));
    node.events.retired.send_replace(3);
    let mut client = node.client();
    client.subscribe("s", "cache.events.#", r#","start":{"offset":"1:1:0"}"#);
    let got = client.receive_told(3).await;
    assert_eq!((&got[0]["from"], &got[0]["to"]), (&"1:2:0".into(), &"1:3:0".into()));
    assert_eq!(got[1..], [4, 5]);
    // Who asks in the protocol's own words knows no gaps.
    let mut plain = node.client();
    plain.subscribe("p", "cache.events.#", "");
    assert_eq!(plain.receive_told(2).await, [4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_too_slow_reads_events_again_from_the_log_and_misses_nothing() {
    let node = Node::new();
    let mut client = node.client();
    client.subscribe("s", "cache.events.#", NEW);
    node.events.happens("cache.events.n.cache_put", 1);
    assert_eq!(client.receive_told(1).await, [1]);
    let big = "x".repeat(1_000_000);
    while client.outbox.push(Push::whole(publish("other", big.as_str(), "eventual"))).is_ok() {}
    (2..=50).for_each(|number| node.events.happens("cache.events.n.cache_put", number));
    while node.hub.stats().fell_behind == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(client.outbox.drain());
    assert_eq!(client.receive_told(49).await, (2..=50).collect::<Vec<u64>>());
    node.events.happens("cache.events.n.cache_put", 51);
    assert_eq!(client.receive_told(1).await, [51]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_fast_things_happen_each_subscription_sees_each_once_and_in_order() {
    const LAST: u64 = 20_000;
    const CLIENTS: u64 = 12;
    let node = Node::new();
    let (events, begun) = (Arc::clone(&node.events), Arc::new(AtomicU64::new(0)));
    let all_begun = Arc::clone(&begun);
    let writer = std::thread::spawn(move || {
        for number in 1..=LAST {
            events.stage("cache.events.n.cache_put", number, number, None);
            // Those who want only what is new must not come when nothing is.
            while number == LAST / 2 && all_begun.load(Ordering::SeqCst) < CLIENTS {
                events.sync();
                std::thread::yield_now();
            }
            if number % 7 == 0 || number == LAST {
                events.sync();
                std::thread::yield_now();
            }
        }
    });
    let mut tasks = Vec::new();
    for number in 0..CLIENTS {
        let (mut client, begun) = (node.client(), Arc::clone(&begun));
        tasks.push(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_micros(number * 700)).await;
            let more = if number % 3 == 0 { NEW } else { ALL };
            client.subscribe(&format!("s{number}"), "cache.events.#", more);
            begun.fetch_add(1, Ordering::SeqCst);
            let mut seen: Vec<u64> = Vec::new();
            while seen.last() != Some(&LAST) {
                seen.extend(client.payloads().iter().map(|payload| payload.as_u64().unwrap()));
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
            (more == ALL, seen)
        }));
    }
    for task in tasks {
        let (all, seen) = tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
        let first = seen[0];
        assert!(!all || first == 1, "{first}");
        assert!(seen.iter().copied().eq(first..=LAST), "{} of {first}..={LAST}", seen.len());
    }
    writer.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_subscription_goes_on_among_the_events_too() {
    let node = Node::new();
    let mut client = node.client();
    client.subscribe("s", "cache.events.#", &format!(r#","durable":"d"{NEW}"#));
    (1..=3).for_each(|number| node.events.happens("cache.events.n.cache_put", number));
    let got = client.receive(3).await;
    let ack = client.yes(&commit("s", got[1]["offset"].as_str().unwrap()));
    assert_eq!(ack["offset"], "1:2:0");
    assert_eq!(client.no(&commit("s", "1:9:0")), "no event has this offset yet");
    drop(client);
    node.events.happens("cache.events.n.cache_put", 4);
    let mut again = node.client();
    again.subscribe("s", "cache.events.#", &format!(r#","durable":"d"{NEW}"#));
    assert_eq!(again.receive_told(2).await, [3, 4]);
    // One that goes before it gets anything gets it later.
    again.subscribe("t", "cache.events.#", &format!(r#","durable":"e"{NEW}"#));
    drop(again);
    node.events.happens("cache.events.n.cache_put", 5);
    let mut later = node.client();
    later.subscribe("t", "cache.events.#", &format!(r#","durable":"e"{NEW}"#));
    assert_eq!(later.receive_told(1).await, [5]);
    let refused = later.no(&subscribe("u", "a", r#","durable":"\u0001d""#));
    assert!(refused.contains("U+0001"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_writers_want_published_is_published_also_after_a_restart() {
    let node = Node::new();
    let mut client = node.client();
    client.subscribe("s", "stock.#", NEW);
    node.hub.announces();
    node.events.stage("cache.events.n.cache_put", 1, 1, Some("stock.low"));
    node.events.sync();
    let got = client.receive(1).await;
    assert_eq!((&got[0]["message"]["topic"], &got[0]["offset"]), (&"stock.low".into(), &"1:2".into()));
    // The hub goes, the logs stay.
    let Node { memory, events, hub, follower } = node;
    follower.abort();
    drop((client, hub));
    events.stage("cache.events.n.cache_put", 2, 2, Some("stock.low"));
    events.sync();
    let node = Node::over(memory, events);
    let mut client = node.client();
    client.subscribe("s", "stock.#", ALL);
    let mut all = client.receive_told(2).await;
    all.dedup();
    assert_eq!(all, [1, 2]);
}
