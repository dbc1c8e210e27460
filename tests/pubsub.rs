//! Chapter 6 of the wire protocol, over both transports, against a whole node.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support {
    pub mod wire;
}

use mpreg::Running;
use serde_json::{Value, json};
use support::wire::{Peer, TRANSPORTS, start};

fn publish(u: &str, topic: &str, payload: Value) -> Value {
    json!({"role": "pubsub-publish", "u": u, "message": {"topic": topic, "payload": payload, "timestamp": 1.5,
           "message_id": format!("m-{u}"), "publisher": "p", "headers": {}, "routing_path": null,
           "current_hop": null}})
}

fn subscribe(id: &str, patterns: &[&str], more: Value) -> Value {
    let patterns: Vec<Value> =
        patterns.iter().map(|pattern| json!({"pattern": pattern, "exact_match": false})).collect();
    let mut subscription = json!({"subscription_id": id, "patterns": patterns, "subscriber": "s",
                                  "created_at": 1_700_000_000.5});
    subscription.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"role": "pubsub-subscribe", "u": format!("u-{id}"), "subscription": subscription})
}

fn unsubscribe(id: &str) -> Value {
    json!({"role": "pubsub-unsubscribe", "u": format!("x-{id}"), "subscription_id": id})
}

/// Asks and expects a yes; notifications that come before the ack are handed back.
async fn yes(peer: &mut Peer, request: &Value) -> Vec<Value> {
    peer.send(request).await;
    let mut before = Vec::new();
    loop {
        let message = peer.receive().await;
        if message["role"] == "pubsub-notification" {
            before.push(message);
            continue;
        }
        assert_eq!(message["operation_id"], request["u"], "{message}");
        assert_eq!(message["success"], true, "{request}: {message}");
        return before;
    }
}

async fn no(peer: &mut Peer, request: &Value) -> String {
    let ack = peer.call(request).await;
    assert_eq!((&ack["role"], &ack["success"]), (&json!("pubsub-ack"), &json!(false)), "{request}: {ack}");
    ack["error"].as_str().unwrap().to_owned()
}

async fn notifications(peer: &mut Peer, count: usize) -> Vec<Value> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let message = peer.receive().await;
        assert_eq!(message["role"], "pubsub-notification", "{message}");
        all.push(message);
    }
    all
}

fn payloads(notifications: &[Value]) -> Vec<Value> {
    notifications.iter().map(|notification| notification["message"]["payload"].clone()).collect()
}

async fn pair(running: &Running, transport: &str) -> (Peer, Peer) {
    (Peer::connect(running, transport).await, Peer::connect(running, transport).await)
}

#[tokio::test]
async fn every_message_has_the_shape_of_the_protocol() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let (mut listener, mut publisher) = pair(&running, transport).await;
        let asked = json!({"role":"pubsub-subscribe","subscription":{"subscription_id":"01JS","patterns":
            [{"pattern":"shape.#","exact_match":false}],"subscriber":"pubsub_client_01JC",
            "created_at":1_700_000_000.5,"get_backlog":false,"backlog_seconds":300},"u":"01JQ"});
        let ack = listener.call(&asked).await;
        let plain =
            json!({"role":"pubsub-ack","operation_id":"01JQ","success":true,"error":null,"u":"ack_01JQ"});
        assert_eq!(ack, plain, "{transport}");

        let ack = publisher.call(&publish("7", "shape.a", json!({"deep": [1, 2.50, "ü"]}))).await;
        assert_eq!((&ack["role"], &ack["operation_id"]), (&json!("pubsub-ack"), &json!("7")));
        assert_eq!((&ack["success"], &ack["error"]), (&json!(true), &Value::Null));
        assert_eq!(ack["u"], "ack_7");
        // Additive: where it stands and how safe it is.
        assert_eq!(ack["durability"], "eventual");
        let offset = ack["offset"].clone();
        assert!(offset.as_str().unwrap().contains(':'));

        let told = listener.receive().await;
        let expected = json!({"role":"pubsub-notification","message":{"topic":"shape.a",
            "payload":{"deep":[1,2.50,"ü"]},"timestamp":1.5,"message_id":"m-7","publisher":"p","headers":{},
            "routing_path":null,"current_hop":null},"offset":offset,"subscription_id":"01JS",
            "u":"notification_m-7_01JS"});
        assert_eq!(told, expected, "{transport}");

        let ack = listener.call(&unsubscribe("01JS")).await;
        let plain = json!({"role":"pubsub-ack","operation_id":"x-01JS","success":true,"error":null,
                           "u":"ack_x-01JS"});
        assert_eq!(ack, plain);
        publisher.call(&publish("8", "shape.a", json!(1))).await;
        assert!(listener.silent().await, "nothing comes after an unsubscribe");
    }
}

#[tokio::test]
async fn gaps_of_a_publisher_are_filled() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let (mut listener, mut publisher) = pair(&running, transport).await;
        yes(&mut listener, &subscribe("gaps", &["gaps"], json!({"get_backlog": false}))).await;
        let bare = json!({"role": "pubsub-publish", "u": "1", "message": {"topic": "gaps"}});
        yes(&mut publisher, &bare).await;
        let message = listener.receive().await["message"].clone();
        assert_eq!(message["payload"], Value::Null);
        assert!(message.as_object().unwrap().contains_key("payload"));
        assert!(message["timestamp"].as_f64().unwrap() > 1.7e9);
        assert!(!message["message_id"].as_str().unwrap().is_empty());
        assert_eq!((&message["publisher"], &message["headers"]), (&json!(""), &json!({})));
        // Lenient: patterns as bare strings, fractional seconds, no subscriber.
        let lenient = json!({"role": "pubsub-subscribe", "u": "2", "subscription":
            {"subscription_id": "lenient", "patterns": ["gaps"], "backlog_seconds": 30.5}});
        yes(&mut publisher, &lenient).await;
        assert_eq!(notifications(&mut publisher, 1).await[0]["subscription_id"], "lenient");
    }
}

/// The table of record of 6.2, `a.#.#` as AMQP has it.
const MATCHES: [(&str, &str, bool); 19] = [
    ("#", "a.b", true),
    ("#", "", true),
    ("a.#", "a", true),
    ("a.#", "ab", false),
    ("a.#.b", "a.b", true),
    ("a.#.b", "a.x.y.b", true),
    ("#.b", "b", true),
    ("a.#.c.#.e", "a.c.e", true),
    ("a.#.#", "a", true),
    ("A.b", "a.b", false),
    ("a.*", "a", false),
    ("a.*", "a.", true),
    ("a.*.b", "a..b", true),
    ("*", "", false),
    ("a#b", "axb", false),
    ("a.b*", "a.bc", false),
    ("expired_*", "expired_1", false),
    ("cache.#", "cache.x.ml.*", true),
    ("", "", true),
];

#[tokio::test]
async fn the_matching_table_holds_live_and_in_the_backlog() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let (mut listener, mut publisher) = pair(&running, transport).await;
        for (at, (pattern, topic, wanted)) in MATCHES.into_iter().enumerate() {
            let marker = format!("{transport}{at}");
            yes(&mut listener, &subscribe("live", &[pattern, "end"], json!({"get_backlog": false}))).await;
            yes(&mut publisher, &publish(&marker, topic, json!(marker))).await;
            yes(&mut publisher, &publish("end", "end", json!("end"))).await;
            let mut got = Vec::new();
            while got.last() != Some(&json!("end")) {
                got.extend(payloads(&notifications(&mut listener, 1).await));
            }
            assert_eq!(got.contains(&json!(marker)), wanted, "live: {pattern:?} and {topic:?}: {got:?}");
            yes(&mut listener, &unsubscribe("live")).await;

            yes(&mut listener, &subscribe("old", &[pattern, "last"], json!({}))).await;
            let last = json!(format!("last {marker}"));
            yes(&mut publisher, &publish("last", "last", last.clone())).await;
            let mut got = Vec::new();
            while got.last() != Some(&last) {
                got.extend(payloads(&notifications(&mut listener, 1).await));
            }
            assert_eq!(got.contains(&json!(marker)), wanted, "backlog: {pattern:?} and {topic:?}: {got:?}");
            yes(&mut listener, &unsubscribe("old")).await;
        }
    }
}

#[tokio::test]
async fn an_exact_match_takes_wildcards_for_text() {
    let (running, _dir) = start(|node| node).await;
    let (mut listener, mut publisher) = pair(&running, "ws").await;
    let exact = json!({"role": "pubsub-subscribe", "u": "1", "subscription": {"subscription_id": "exact",
        "patterns": [{"pattern": "a.*", "exact_match": true}], "subscriber": "", "created_at": 1}});
    yes(&mut listener, &exact).await;
    yes(&mut publisher, &publish("1", "a.b", json!("no"))).await;
    yes(&mut publisher, &publish("2", "a.*", json!("yes"))).await;
    assert_eq!(payloads(&notifications(&mut listener, 1).await), [json!("yes")]);
}

#[tokio::test]
async fn one_notification_for_each_subscription_and_the_publisher_is_no_exception() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        let none = json!({"get_backlog": false});
        yes(&mut peer, &subscribe("one", &["t.#", "t.a", "*.a"], none.clone())).await;
        yes(&mut peer, &subscribe("two", &["t.*"], none.clone())).await;
        let mut got = yes(&mut peer, &publish("1", "t.a", json!(1))).await;
        while got.len() < 2 {
            got.push(peer.receive().await);
        }
        let mut ids: Vec<_> = got.iter().map(|told| told["subscription_id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["one", "two"]);
        assert!(peer.silent().await);

        // Used again, an id is replaced as a whole.
        yes(&mut peer, &subscribe("one", &["other"], none.clone())).await;
        let mut got = yes(&mut peer, &publish("2", "t.a", json!(2))).await;
        while got.is_empty() {
            got.push(peer.receive().await);
        }
        assert_eq!(got[0]["subscription_id"], "two");
        assert!(peer.silent().await);
    }
}

#[tokio::test]
async fn subscriptions_belong_to_their_connection() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let (mut mine, mut other) = pair(&running, transport).await;
        yes(&mut mine, &subscribe("own", &["own.#"], json!({}))).await;
        assert_eq!(no(&mut other, &subscribe("own", &["own.#"], json!({}))).await, "subscription_id in use");
        assert!(no(&mut other, &unsubscribe("own")).await.contains("another connection"));
        assert_eq!(no(&mut other, &unsubscribe("none")).await, "unknown subscription");
        drop(mine);
        // It vanishes with the connection, as soon as the server has seen that.
        for _ in 0..200 {
            let ack = other.call(&subscribe("own", &["own.#"], json!({"get_backlog": false}))).await;
            if ack["success"] == true {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        yes(&mut other, &unsubscribe("own")).await;
    }
}

#[tokio::test]
async fn the_backlog_comes_after_the_ack_and_before_what_is_live() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let (mut listener, mut publisher) = pair(&running, transport).await;
        let (a, b) = (format!("{transport}.a"), format!("{transport}.b"));
        for n in 0..100 {
            let topic = if n % 3 == 0 { &b } else { &a };
            yes(&mut publisher, &publish(&format!("{transport}{n}"), topic, json!(n))).await;
        }
        let both = [format!("{transport}.#"), a.clone()];
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        let ack = listener.call(&subscribe("all", &both, json!({}))).await;
        assert_eq!(ack["success"], true, "the ack comes first: {ack}");
        let got = notifications(&mut listener, 100).await;
        assert_eq!(payloads(&got), (0..100).map(|n| json!(n)).collect::<Vec<_>>());
        assert_eq!(got[5]["u"], format!("backlog_m-{transport}5_all"));
        yes(&mut publisher, &publish("live", &a, json!("live"))).await;
        let got = notifications(&mut listener, 1).await;
        assert_eq!(got[0]["u"], "notification_m-live_all");
        for more in
            [json!({"get_backlog": false}), json!({"backlog_seconds": 0}), json!({"backlog_seconds": -5})]
        {
            yes(&mut listener, &subscribe("none", &both, more.clone())).await;
            assert!(listener.silent().await, "{more}");
        }
    }
}

#[tokio::test]
async fn a_backlog_larger_than_any_queue_arrives_whole() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let (mut listener, mut publisher) = pair(&running, transport).await;
        let topic = format!("large.{transport}");
        let padding = "x".repeat(60_000);
        for n in 0..500 {
            yes(&mut publisher, &publish(&n.to_string(), &topic, json!([n, padding]))).await;
        }
        yes(&mut listener, &subscribe("large", &[&topic], json!({}))).await;
        // It reads nothing for a while: 30 MB must wait for it.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        for n in 0..500 {
            let told = listener.receive().await;
            assert_eq!(told["message"]["payload"][0], n);
        }
    }
}

#[tokio::test]
async fn hand_over_has_no_gap_and_no_repeat_while_others_publish() {
    let (running, _dir) = start(|node| node).await;
    const TOTAL: u64 = 20_000;
    let url = running.url();
    let publisher = async {
        let mut peer = Peer::connect(&running, "tcp").await;
        let mut acked = 0;
        for chunk in 0..TOTAL / 100 {
            let mut text = Vec::new();
            for n in chunk * 100..(chunk + 1) * 100 {
                text.push(publish(&n.to_string(), &format!("race.{}", n % 7), json!(n)));
            }
            for message in &text {
                peer.send(message).await;
            }
            for _ in &text {
                assert_eq!(peer.receive().await["success"], true);
                acked += 1;
            }
        }
        assert_eq!(acked, TOTAL, "{url}");
    };
    let listener = |number: u64| {
        let running = &running;
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(number * 37)).await;
            let mut peer = Peer::connect(running, TRANSPORTS[number as usize % 2]).await;
            yes(&mut peer, &subscribe(&format!("l{number}"), &["race.#"], json!({"start": "earliest"})))
                .await;
            let mut next = None;
            loop {
                let told = peer.receive().await;
                let n = told["message"]["payload"].as_u64().unwrap_or_else(|| panic!("{told}"));
                // Retention may have taken the first ones of each topic, never one in between.
                assert!(next.is_none_or(|next| next == n), "{next:?} was expected, {n} came");
                next = Some(n + 1);
                if n + 1 == TOTAL {
                    return;
                }
            }
        }
    };
    let listeners = futures_util::future::join_all((0..8).map(listener));
    tokio::join!(publisher, listeners);
}

#[tokio::test]
async fn a_requester_and_a_responder_find_each_other() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let (mut requester, mut responder) = pair(&running, transport).await;
        yes(&mut responder, &subscribe("work", &["work.add"], json!({"get_backlog": false}))).await;
        yes(&mut requester, &subscribe("reply", &["reply.01J"], json!({"get_backlog": false}))).await;
        let mut request = publish("1", "work.add", json!([2, 3]));
        request["message"]["headers"] = json!({"reply_to": "reply.01J", "correlation_id": "c1"});
        yes(&mut requester, &request).await;
        let asked = notifications(&mut responder, 1).await.remove(0)["message"].clone();
        let sum: i64 = asked["payload"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).sum();
        let mut answer = publish("2", asked["headers"]["reply_to"].as_str().unwrap(), json!(sum));
        answer["message"]["headers"] = json!({"correlation_id": asked["headers"]["correlation_id"]});
        yes(&mut responder, &answer).await;
        let told = notifications(&mut requester, 1).await.remove(0);
        assert_eq!(
            (&told["message"]["payload"], &told["message"]["headers"]),
            (&json!(5), &json!({"correlation_id": "c1"}))
        );
    }
}

#[tokio::test]
async fn a_durable_subscription_resumes_from_any_connection() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let topic = format!("durable.{transport}");
        let durable = json!({"durable": topic, "start": "earliest"});
        let (mut first, mut publisher) = pair(&running, transport).await;
        for n in 0..10 {
            yes(&mut publisher, &publish(&n.to_string(), &topic, json!(n))).await;
        }
        let id = format!("d-{transport}");
        yes(&mut first, &subscribe(&id, &[&topic], durable.clone())).await;
        let got = notifications(&mut first, 10).await;
        let other = subscribe(&format!("e-{transport}"), &[&topic], durable.clone());
        assert_eq!(no(&mut publisher, &other).await, "durable name in use");
        let commit =
            json!({"role": "pubsub-commit", "u": "c", "subscription_id": id, "offset": got[3]["offset"]});
        assert_eq!(first.call(&commit).await["success"], true);
        yes(&mut first, &unsubscribe(&id)).await;
        yes(&mut publisher, &publish("10", &topic, json!(10))).await;
        yes(&mut publisher, &subscribe(&id, &[&topic], durable)).await;
        let got = notifications(&mut publisher, 7).await;
        assert_eq!(payloads(&got), (4..=10).map(|n| json!(n)).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_offset_of_another_node_is_a_gap_and_all_that_is_kept() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let topic = format!("ahead.{transport}");
        let mut peer = Peer::connect(&running, transport).await;
        yes(&mut peer, &publish("1", &topic, json!(1))).await;
        for offset in ["9:1", "1:99999"] {
            let start = json!({"start": {"offset": offset}});
            let ack = peer.call(&subscribe("ahead", &[&topic], start)).await;
            let newest: u64 = ack["offset"].as_str().unwrap().split_once(':').unwrap().1.parse().unwrap();
            assert!((1..100).contains(&newest), "{ack}");
            let got = notifications(&mut peer, 2).await;
            let gap = json!({"role": "pubsub-notification", "gap": {"from": null, "to": null}, "u": "gap_ahead",
                             "subscription_id": "ahead"});
            assert_eq!((&got[0], &got[1]["message"]["payload"]), (&gap, &json!(1)), "{offset}");
        }
        let mut got = yes(&mut peer, &publish("2", &topic, json!(2))).await;
        while got.is_empty() {
            got.push(peer.receive().await);
        }
        assert_eq!(payloads(&got), [json!(2)]);
    }
}

#[tokio::test]
async fn statistics_tell_of_the_backlog_and_of_who_lags() {
    let (running, _dir) = start(|node| node).await;
    let mut peer = Peer::connect(&running, "tcp").await;
    let durable = json!({"durable": "slow", "start": "latest"});
    yes(&mut peer, &subscribe("d", &["lag.#"], durable)).await;
    yes(&mut peer, &unsubscribe("d")).await;
    for n in 0..25 {
        yes(&mut peer, &publish(&n.to_string(), &format!("lag.{}", n % 5), json!(n))).await;
    }
    let reply = peer.call(&json!({"role": "cache-request", "u": "1", "operation": "stats"})).await;
    let told = &reply["entry"]["value"]["topics_statistics"];
    assert_eq!((&told["messages"], &told["topics"], &told["segments"]), (&json!(25), &json!(5), &json!(1)));
    assert!(
        told["backlog_bytes"].as_u64().unwrap() > 0 && told["oldest_age_seconds"].as_f64().unwrap() < 60.0
    );
    let durable = &told["durable_subscriptions"][0];
    // The commit that noted where it began is a record, too.
    assert_eq!((&durable["durable"], &durable["lag_records"]), (&json!("slow"), &json!(26)));
}

#[tokio::test]
async fn members_of_a_group_share_the_messages() {
    let (running, _dir) = start(|node| node).await;
    let (mut one, mut two) = pair(&running, "ws").await;
    let mut publisher = Peer::connect(&running, "tcp").await;
    let shared = json!({"durable": "workers", "shared": true, "start": "latest"});
    yes(&mut one, &subscribe("g1", &["jobs.#"], shared.clone())).await;
    yes(&mut two, &subscribe("g2", &["jobs.#"], shared)).await;
    for n in 0..40 {
        yes(&mut publisher, &publish(&n.to_string(), "jobs.x", json!(n))).await;
    }
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    while mine.len() + theirs.len() < 40 {
        tokio::select! {
            told = one.receive() => mine.push(told["message"]["payload"].as_u64().unwrap()),
            told = two.receive() => theirs.push(told["message"]["payload"].as_u64().unwrap()),
        }
    }
    assert!(!mine.is_empty() && !theirs.is_empty());
    // What a member had not acknowledged when it left goes to the other.
    drop(one);
    let again = payloads(&notifications(&mut two, mine.len()).await);
    assert_eq!(again, mine.iter().map(|n| json!(n)).collect::<Vec<_>>());
}

#[tokio::test]
async fn volatile_topics_are_delivered_and_never_stored() {
    let (running, _dir) =
        start(|node| node.configure(|config| config.topics_volatile = vec!["fast.#".to_owned()])).await;
    let (mut listener, mut publisher) = pair(&running, "ws").await;
    yes(&mut listener, &subscribe("fast", &["fast.#"], json!({}))).await;
    let ack = publisher.call(&publish("1", "fast.a", json!(1))).await;
    assert_eq!((&ack["durability"], ack.get("offset")), (&json!("volatile"), None));
    let told = notifications(&mut listener, 1).await.remove(0);
    assert_eq!((&told["message"]["payload"], told.get("offset")), (&json!(1), None));
    yes(&mut publisher, &subscribe("late", &["fast.#"], json!({}))).await;
    assert!(publisher.silent().await, "a volatile message has no backlog");
    let mut strong = publish("2", "slow.a", json!(2));
    strong["options"] = json!({"consistency_level": "strong"});
    assert_eq!(publisher.call(&strong).await["durability"], "strong");
}

#[tokio::test]
async fn bad_input_is_refused_by_name_and_the_connection_goes_on() {
    let (running, _dir) = start(|node| node).await;
    let long = "x".repeat(5_000);
    let table = [
        (json!({"role": "pubsub-publish", "u": "1"}), "message"),
        (json!({"role": "pubsub-publish", "u": "1", "message": {"payload": 1}}), "message.topic"),
        (json!({"role": "pubsub-publish", "u": "1", "message": {"topic": 5}}), "message.topic"),
        (json!({"role": "pubsub-publish", "u": "1", "message": {"topic": long}}), "message.topic"),
        (
            json!({"role": "pubsub-publish", "u": "1", "message": {"topic": "t", "headers": 5}}),
            "message.headers",
        ),
        (
            json!({"role": "pubsub-publish", "u": "1", "message": {"topic": "t"}, "options": {"consistency_level": "x"}}),
            "options.consistency_level",
        ),
        (json!({"role": "pubsub-subscribe", "u": "1"}), "subscription"),
        (
            json!({"role": "pubsub-subscribe", "u": "1", "subscription": {"patterns": ["a"]}}),
            "subscription_id",
        ),
        (
            json!({"role": "pubsub-subscribe", "u": "1", "subscription": {"subscription_id": "s", "patterns": []}}),
            "subscription.patterns",
        ),
        (
            json!({"role": "pubsub-subscribe", "u": "1", "subscription": {"subscription_id": "s", "patterns": [5]}}),
            "subscription.patterns.pattern",
        ),
        (
            json!({"role": "pubsub-subscribe", "u": "1", "subscription": {"subscription_id": "s", "patterns": ["a"], "start": "soon"}}),
            "subscription.start",
        ),
        (json!({"role": "pubsub-unsubscribe", "u": "1"}), "subscription_id"),
        (json!({"role": "pubsub-commit", "u": "1", "subscription_id": "s", "offset": "x"}), "offset"),
    ];
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        for (request, named) in &table {
            let error = no(&mut peer, request).await;
            assert!(error.contains(named), "{request}: {error:?} does not name {named}");
        }
        yes(&mut peer, &publish("2", "still.there", json!(1))).await;
    }
}
