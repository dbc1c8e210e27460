//! Events of the cache over both transports: `cache.events.#`, `notify_on_change`, `cache.invalidation.#`, and the stream
//! of an embedded node.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support {
    pub mod wire;
}

use std::time::Duration;

use mpreg::events::{EventKind, EventsFrom};
use mpreg::{Node, Running};
use serde_json::{Value, json};
use support::wire::{Peer, TRANSPORTS, start};

fn request(operation: &str, namespace: &str, identifier: &str, more: Value) -> Value {
    let mut request = json!({"role": "cache-request", "u": "c", "operation": operation,
                             "key": {"namespace": namespace, "identifier": identifier}});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

fn put(namespace: &str, identifier: &str, value: Value) -> Value {
    request("put", namespace, identifier, json!({"value": value}))
}

fn subscribe(id: &str, pattern: &str, more: Value) -> Value {
    let mut subscription = json!({"subscription_id": id, "patterns": [{"pattern": pattern, "exact_match": false}],
                                  "subscriber": "s", "created_at": 1.5});
    subscription.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"role": "pubsub-subscribe", "u": id, "subscription": subscription})
}

fn publish(topic: &str, payload: Value) -> Value {
    json!({"role": "pubsub-publish", "u": "p", "message": {"topic": topic, "payload": payload, "timestamp": 1.0,
           "message_id": "m", "publisher": "p", "headers": {}}})
}

async fn ok(peer: &mut Peer, message: &Value) -> Value {
    let reply = peer.call(message).await;
    assert_eq!(reply["success"], true, "{message}: {reply}");
    reply
}

async fn listen(running: &Running, transport: &str, pattern: &str, more: Value) -> Peer {
    listen_as("s", running, transport, pattern, more).await
}

async fn listen_as(id: &str, running: &Running, transport: &str, pattern: &str, more: Value) -> Peer {
    let mut listener = Peer::connect(running, transport).await;
    ok(&mut listener, &subscribe(id, pattern, more)).await;
    listener
}

fn new() -> Value {
    json!({"get_backlog": false})
}

async fn messages(peer: &mut Peer, count: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(peer.receive().await["message"].clone());
    }
    all
}

fn short(message: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&message["topic"]), text(&message["payload"]["cache_key"]["identifier"]))
}

#[tokio::test]
async fn an_event_has_the_shape_of_the_protocol() {
    let (running, _dir) =
        start(|node| node.configure(|config| config.cluster_id = "cluster-a".to_owned())).await;
    for transport in TRANSPORTS {
        let mut listener = listen(&running, transport, "cache.events.#", new()).await;
        let mut client = Peer::connect(&running, transport).await;
        let mut stored = put("user_sessions", "session_123", json!({"user": 7}));
        stored["key"]["tags"] = json!(["red"]);
        ok(&mut client, &stored).await;
        let told = listener.receive().await;
        let offset = told["offset"].as_str().unwrap();
        assert_eq!(offset.split(':').count(), 3, "{offset}");
        let time = &told["message"]["timestamp"];
        assert!(time.as_f64().unwrap() > 1.7e9);
        let expected = json!({"role": "pubsub-notification", "message": {
            "topic": "cache.events.user_sessions.cache_put",
            "payload": {"event_type": "cache_put",
                "cache_key": {"namespace": "user_sessions", "identifier": "session_123", "version": "v1.0.0", "tags": ["red"]},
                "timestamp": time, "event_id": offset, "cluster_id": "cluster-a", "cache_level": "L1",
                "operation_metadata": {"operation": "put"}},
            "timestamp": time, "message_id": format!("cache-event-{offset}"), "publisher": "cache-system-cluster-a",
            "headers": {"event_type": "cache_put"}, "routing_path": null, "current_hop": null},
            "offset": offset, "subscription_id": "s", "u": format!("notification_cache-event-{offset}_s")});
        assert_eq!(told, expected, "{transport}");
    }
}

#[tokio::test]
async fn who_is_told_of_both_goes_on_behind_both() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let mut client = Peer::connect(&running, transport).await;
        let pattern = json!({"start": "latest"});
        let mut listener = Peer::connect(&running, transport).await;
        let ack = ok(&mut listener, &subscribe("s", "#", pattern)).await;
        drop(listener);
        let place = json!({"offset": ack["offset"], "event_offset": ack["event_offset"]});
        ok(&mut client, &publish("a", json!(1))).await;
        ok(&mut client, &put("n", "k", json!(1))).await;
        let mut listener = listen(&running, transport, "#", json!({"start": place})).await;
        let mut topics: Vec<_> =
            messages(&mut listener, 2).await.iter().map(|message| short(message).0).collect();
        topics.sort();
        assert_eq!(topics, ["a", "cache.events.n.cache_put"], "{transport}");
        assert!(listener.silent().await);
    }
}

#[tokio::test]
async fn every_operation_has_its_event() {
    let (running, _dir) = start(|node| {
        node.configure(|config| {
            config.sweep_interval = Duration::from_millis(20);
            config.checkpoint_interval = Duration::from_millis(100);
        })
    })
    .await;
    for transport in TRANSPORTS {
        let mut listener = listen(&running, transport, "cache.events.#", new()).await;
        let mut client = Peer::connect(&running, transport).await;
        let client = &mut client;
        ok(client, &put("n", "a", json!(1))).await;
        let increment = json!({"atomic_operation": {"operation_type": "increment", "increment_by": 2}});
        ok(client, &request("atomic", "n", "a", increment)).await;
        let add =
            json!({"structure_operation": {"structure_type": "set", "operation": "add", "values": ["x"]}});
        ok(client, &request("structure", "n", "s", add.clone())).await;
        // Nothing changes: nothing is told.
        ok(client, &request("structure", "n", "s", add)).await;
        let count = json!({"structure_operation": {"structure_type": "counter", "operation": "increment"}});
        ok(client, &request("structure", "n", "c", count)).await;
        ok(client, &request("delete", "n", "a", json!({}))).await;
        let batch = json!({"role": "cache-request", "u": "c", "operation": "batch", "operations": [
            {"operation": "put", "key": {"namespace": "n", "identifier": "b1"}, "value": 1},
            {"operation": "put", "key": {"namespace": "n", "identifier": "b2"}, "value": 2}]});
        ok(client, &batch).await;
        let clear = json!({"role": "cache-request", "u": "c", "operation": "namespace", "namespace_operation":
            {"operation_type": "clear", "namespace": "n", "pattern": "b*"}});
        ok(client, &clear).await;
        let invalidate = json!({"role": "cache-request", "u": "c", "operation": "invalidate", "pattern": "n:s*",
                                "options": {"reason": "old"}});
        ok(client, &invalidate).await;
        let mut tagged = put("n", "t", json!(1));
        tagged["key"]["tags"] = json!(["red"]);
        ok(client, &tagged).await;
        let by_tag = json!({"role": "cache-request", "u": "c", "operation": "invalidate", "tags": ["red"]});
        ok(client, &by_tag).await;
        ok(client, &request("put", "n", "e", json!({"value": 1, "metadata": {"ttl_seconds": 0.05}}))).await;
        let all = messages(&mut listener, 16).await;
        let told: Vec<(String, String)> = all.iter().map(short).collect();
        let of = |event: &str, identifier: &str| (format!("cache.events.n.{event}"), identifier.to_owned());
        let many = |namespace: &str, event: &str| {
            (format!("cache.events.{namespace}.{event}"), "namespace_operation".to_owned())
        };
        let expected = [
            of("cache_put", "a"),
            of("atomic_operation", "a"),
            of("data_structure_operation", "s"),
            of("data_structure_operation", "c"),
            of("cache_delete", "a"),
            of("cache_put", "b1"),
            of("cache_put", "b2"),
            of("cache_invalidate", "b1"),
            of("cache_invalidate", "b2"),
            many("n", "namespace_operation"),
            of("cache_invalidate", "s"),
            many("", "cache_invalidate"),
            of("cache_put", "t"),
            many("", "cache_invalidate"),
            of("cache_put", "e"),
            of("cache_expired", "e"),
        ];
        assert_eq!(told, expected, "{transport}");
        let metadata = |at: usize| all[at]["payload"]["operation_metadata"].clone();
        assert_eq!(metadata(1), json!({"operation": "increment"}));
        assert_eq!(metadata(2), json!({"operation": "replace", "structure_type": "set"}));
        assert_eq!(metadata(3), json!({"operation": "counter", "structure_type": "counter"}));
        assert_eq!(metadata(9), json!({"operation": "clear", "pattern": "b*", "count": 2}));
        assert_eq!(
            metadata(11),
            json!({"operation": "invalidate", "pattern": "n:s*", "count": 1, "reason": "old"})
        );
        assert_eq!(metadata(13)["tag"], "red");
        ok(client, &request("delete", "n", "c", json!({}))).await;
    }
}

#[tokio::test]
async fn the_backlog_of_events_is_read_from_the_log_also_after_a_restart() {
    let (mut running, dir) = start(|node| node).await;
    let mut count = 0;
    for transport in TRANSPORTS {
        let mut client = Peer::connect(&running, transport).await;
        for number in 0..300 {
            ok(&mut client, &put("n", &format!("k{number}"), json!(number))).await;
        }
        ok(
            &mut client,
            &request("put", "n", "last", json!({"value": 1, "options": {"consistency_level": "strong"}})),
        )
        .await;
        count += 301;
        let mut listener = listen(&running, transport, "cache.events.#", json!({})).await;
        let first = listener.receive().await;
        assert!(first["u"].as_str().unwrap().starts_with("backlog_cache-event-"), "{first}");
        let mut identifiers = vec![short(&first["message"]).1];
        identifiers.extend(messages(&mut listener, count - 1).await.iter().map(|message| short(message).1));
        assert_eq!((&*identifiers[0], &**identifiers.last().unwrap()), ("k0", "last"));
        ok(&mut client, &put("n", "live", json!(1))).await;
        count += 1;
        assert_eq!(short(&listener.receive().await["message"]).1, "live");
        running.shutdown().await.unwrap();
        let node = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap());
        running = node.configure(|config| config.free_bytes_min = Some(0)).start().await.unwrap();
        let mut again =
            listen(&running, transport, "cache.events.n.cache_put", json!({"start": "earliest"})).await;
        assert_eq!(messages(&mut again, count).await.len(), count);
        assert!(again.silent().await);
    }
}

#[tokio::test]
async fn values_are_told_only_where_the_operator_says_so() {
    for values in [false, true] {
        let (running, _dir) = start(|node| node.configure(|config| config.events_values = values)).await;
        for transport in TRANSPORTS {
            let mut listener = listen(&running, transport, "cache.events.n.#", new()).await;
            let mut client = Peer::connect(&running, transport).await;
            ok(&mut client, &put("n", "a", json!({"deep": 1.50}))).await;
            ok(&mut client, &put("n", "a", json!(2))).await;
            let push = json!({"structure_operation": {"structure_type": "list", "operation": "append", "values": [1]}});
            ok(&mut client, &request("structure", "n", "l", push.clone())).await;
            ok(&mut client, &request("structure", "n", "l", push)).await;
            for identifier in ["a", "l"] {
                ok(&mut client, &request("delete", "n", identifier, json!({}))).await;
            }
            let all = messages(&mut listener, 6).await;
            let shown: Vec<(Option<&Value>, Option<&Value>)> = all
                .iter()
                .map(|message| (message["payload"].get("old_value"), message["payload"].get("new_value")))
                .collect();
            if !values {
                assert!(shown.iter().all(|pair| *pair == (None, None)), "{shown:?}");
                continue;
            }
            let (one, two) = (json!({"deep": 1.50}), json!(2));
            let (short, long, null) = (json!([1]), json!([1, 1]), Value::Null);
            let expected = [
                (&null, &one),
                (&one, &two),
                (&null, &short),
                (&short, &long),
                (&two, &null),
                (&long, &null),
            ];
            assert_eq!(shown, expected.map(|(old, new)| (Some(old), Some(new))));
        }
    }
}

#[tokio::test]
async fn a_change_is_told_as_its_writer_asks() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let mut listener = listen(&running, transport, "stock.#", new()).await;
        let mut client = Peer::connect(&running, transport).await;
        let client = &mut client;
        let low_topic = format!("stock.low.{transport}");
        let low = json!({"options": {"notify_on_change": true, "notification_topic": low_topic,
            "notification_payload": {"shop": "west", "event_type": "mine", "new_value": 0},
            "notification_condition": {"field_path": "stock_level", "threshold": {"$lt": 10}}}});
        let store = |level: u64| {
            let mut request = request("put", "stock", "sku", low.clone());
            request["value"] = json!({"stock_level": level});
            request
        };
        ok(client, &store(12)).await;
        ok(client, &store(9)).await;
        // The same value again is no change.
        ok(client, &store(9)).await;
        ok(client, &store(8)).await;
        let told = listener.receive().await;
        assert_eq!(
            told["offset"].as_str().unwrap().split(':').count(),
            2,
            "an ordinary message of the backlog"
        );
        let payload = &told["message"]["payload"];
        assert_eq!(
            (&told["message"]["topic"], &told["message"]["publisher"]),
            (&json!(low_topic), &json!("cache-system-mpreg"))
        );
        let key = json!({"namespace": "stock", "identifier": "sku", "version": "v1.0.0", "tags": []});
        assert_eq!(payload["cache_key"], key);
        assert_eq!((&payload["shop"], &payload["event_type"]), (&json!("west"), &json!("cache_put")));
        assert_eq!(payload["old_value"], json!({"stock_level": 12}));
        assert_eq!(payload["new_value"], json!({"stock_level": 9}));
        assert!(
            payload["event_id"].is_string()
                && payload["timestamp"].is_f64()
                && payload["cluster_id"] == "mpreg"
        );
        assert_eq!(listener.receive().await["message"]["payload"]["new_value"], json!({"stock_level": 8}));
        assert!(listener.silent().await);
        // It stays in the backlog of its topic.
        let mut late = listen_as("late", &running, transport, &low_topic, json!({"start": "earliest"})).await;
        let all = messages(&mut late, 2).await;
        assert_eq!(all[0], told["message"]);
        // Other operations.
        let always = json!({"notify_on_change": true, "notification_topic": "stock.any"});
        let step = json!({"options": always, "atomic_operation": {"operation_type": "increment"}});
        ok(client, &request("atomic", "stock", "n", step)).await;
        let add = json!({"structure_type": "set", "operation": "add", "values": ["x"]});
        let add = json!({"options": always, "structure_operation": add});
        ok(client, &request("structure", "stock", "set", add.clone())).await;
        ok(client, &request("structure", "stock", "set", add)).await;
        ok(client, &request("delete", "stock", "set", json!({"options": always}))).await;
        ok(client, &request("delete", "stock", "set", json!({"options": always}))).await;
        let mut numbered = request("put", "stock", "once", json!({"value": 1, "options": always}));
        numbered["client"] = json!({"id": format!("w{transport}"), "seq": 1});
        ok(client, &numbered).await;
        ok(client, &numbered).await;
        let batch = json!({"role": "cache-request", "u": "c", "operation": "batch", "options": always, "operations": [
            {"operation": "put", "key": {"namespace": "stock", "identifier": "b"}, "value": 5},
            {"operation": "delete", "key": {"namespace": "stock", "identifier": "b"}}]});
        ok(client, &batch).await;
        let memory_only = json!({"value": 1, "options": {"notify_on_change": true, "notification_topic": "stock.any",
            "cache_levels": ["L1"]}});
        let reply = ok(client, &request("put", "stock", "v", memory_only)).await;
        assert_eq!(reply["durability"], "eventual", "what is told is kept");
        let values: Vec<(Value, Value, Value)> = messages(&mut listener, 7)
            .await
            .iter()
            .map(|message| {
                let payload = &message["payload"];
                (payload["event_type"].clone(), payload["old_value"].clone(), payload["new_value"].clone())
            })
            .collect();
        let expected = [
            ("atomic_operation", json!(null), json!(1)),
            ("data_structure_operation", json!(null), json!(["x"])),
            ("cache_delete", json!(["x"]), json!(null)),
            ("cache_put", json!(null), json!(1)),
            ("cache_put", json!(null), json!(5)),
            ("cache_delete", json!(5), json!(null)),
            ("cache_put", json!(null), json!(1)),
        ];
        assert_eq!(values, expected.map(|(event, old, new)| (json!(event), old, new)));
        assert!(listener.silent().await);
        for identifier in ["sku", "n", "once", "v"] {
            ok(client, &request("delete", "stock", identifier, json!({}))).await;
        }
    }
}

#[tokio::test]
async fn without_a_topic_of_its_own_the_event_itself_carries_what_is_asked_for() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let mut listener = listen(&running, transport, "cache.events.n.#", new()).await;
        let mut client = Peer::connect(&running, transport).await;
        let told = |condition: Value| {
            json!({"value": {"a": 1}, "options": {"notify_on_change": true,
                "notification_payload": {"why": "tests", "event_id": "mine"}, "notification_condition": condition}})
        };
        ok(&mut client, &request("put", "n", "a", told(json!({"event_type": "cache_put"})))).await;
        ok(&mut client, &request("put", "n", "b", told(json!({"new_value.a": {"$gt": 1}})))).await;
        let all = messages(&mut listener, 2).await;
        assert_eq!(all[0]["payload"]["why"], "tests");
        assert_eq!(all[0]["payload"]["new_value"], json!({"a": 1}));
        assert_ne!(all[0]["payload"]["event_id"], "mine");
        assert_eq!(
            all[1]["payload"].get("why"),
            None,
            "the event is told all the same, without what was asked for"
        );
        assert!(listener.silent().await, "one message for each, not two");
        for identifier in ["a", "b"] {
            ok(&mut client, &request("delete", "n", identifier, json!({}))).await;
        }
    }
}

#[tokio::test]
async fn a_published_invalidation_acts_on_the_cache() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let mut listener = listen(&running, transport, "cache.invalidation.#", new()).await;
        let mut client = Peer::connect(&running, transport).await;
        let client = &mut client;
        let there = async |client: &mut Peer, namespace: &str, identifier: &str| {
            client.call(&request("get", namespace, identifier, json!({}))).await["status"] == "hit"
        };
        for namespace in ["ml", "ml.models", "mlops"] {
            ok(client, &put(namespace, "a", json!(1))).await;
        }
        let topic = "cache.invalidation.pattern.ml.*";
        let ack = ok(client, &publish(topic, json!({"pattern": "ml.*", "reason": "model_updated"}))).await;
        assert_eq!(ack["role"], "pubsub-ack");
        assert!(!there(client, "ml", "a").await && !there(client, "ml.models", "a").await);
        assert!(there(client, "mlops", "a").await);
        assert_eq!(listener.receive().await["message"]["topic"], topic);
        // One key; what is pipelined behind it sees it gone.
        client
            .send(&publish(
                "cache.invalidation.key",
                json!({"cache_key": {"namespace": "mlops", "identifier": "a"}}),
            ))
            .await;
        client.send(&request("get", "mlops", "a", json!({}))).await;
        assert_eq!(client.receive().await["success"], true);
        assert_eq!(client.receive().await["status"], "miss");
        assert_eq!(listener.receive().await["message"]["topic"], "cache.invalidation.key");
        // What is not allowed, or makes no sense, is published and does nothing.
        ok(client, &put("other", "a", json!(1))).await;
        for payload in [
            json!({"pattern": "*"}),
            json!({"pattern": 7}),
            json!({"cache_key": {"namespace": ""}}),
            json!("other"),
            json!(null),
        ] {
            ok(client, &publish("cache.invalidation.x", payload.clone())).await;
            assert_eq!(listener.receive().await["message"]["payload"], payload);
        }
        let mut strong = publish("cache.invalidation.x", json!({"pattern": "nothing"}));
        strong["options"] = json!({"consistency_level": "strong"});
        assert_eq!(ok(client, &strong).await["durability"], "strong");
        assert_eq!(listener.receive().await["message"]["payload"], json!({"pattern": "nothing"}));
        assert!(there(client, "other", "a").await);
        ok(client, &publish("cache.invalidations", json!({"pattern": "other*"}))).await;
        assert!(there(client, "other", "a").await, "another topic");
    }
}

#[tokio::test]
async fn what_the_server_keeps_for_itself_is_not_told() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let mut listener = listen(&running, transport, "cache.events.#", new()).await;
        let mut client = Peer::connect(&running, transport).await;
        let lease = json!({"options": {"lease": {"ttl_ms": 1000}}});
        client.call(&request("get", "n", "nothing", lease)).await;
        let mut numbered = put("n", "a", json!(1));
        numbered["client"] = json!({"id": transport, "seq": 1});
        ok(&mut client, &numbered).await;
        assert_eq!(short(&listener.receive().await["message"]).1, "a");
        assert!(listener.silent().await);
    }
}

#[tokio::test]
async fn an_embedded_node_tells_its_program_and_goes_on_where_that_stopped() {
    let (running, dir) = start(|node| node).await;
    let mut stream = running.events(EventsFrom::Latest).unwrap();
    let mut client = Peer::connect(&running, "tcp").await;
    for number in 0..5 {
        ok(&mut client, &put("n", &format!("k{number}"), json!(number))).await;
    }
    let mut ids = Vec::new();
    for number in 0..3 {
        let change = stream.next().await.unwrap().unwrap();
        assert_eq!((change.kind, &*change.identifier), (EventKind::Put, &*format!("k{number}")));
        assert_eq!(change.new_value, Some(Some(number.to_string())));
        ids.push(change.id);
    }
    let position = stream.position();
    assert_eq!(position, ids[2]);
    // It reads the log, so the directory is in use as long as it is there.
    drop((client, stream));
    running.shutdown().await.unwrap();
    let node = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap());
    let running = node.configure(|config| config.free_bytes_min = Some(0)).start().await.unwrap();
    let mut stream = running.events(EventsFrom::After(position)).unwrap();
    for number in 3..5 {
        assert_eq!(stream.next().await.unwrap().unwrap().identifier, format!("k{number}"));
    }
    running.shutdown().await.unwrap();
}
