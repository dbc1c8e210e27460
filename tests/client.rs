//! The client against a real node: what it says about values, levels, time to live and errors.

#![allow(clippy::unwrap_used)] // what tests call is a test, too

use std::time::{Duration, SystemTime};

use mpreg::client::{Client, Durability, Entry, Error, Outcome, ReadOptions, WriteOptions};
use mpreg::{Node, Running};
use serde_json::{Value, json};
use tempfile::TempDir;

async fn node() -> (TempDir, Running, [Client; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    let address = node.addr();
    let ws = Client::connect(&format!("ws://{address}")).await.unwrap();
    let tcp = Client::connect(&format!("tcp://{address}")).await.unwrap();
    (dir, node, [ws, tcp])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_come_back_with_what_was_said_about_them() {
    let (_dir, node, clients) = node().await;
    for client in &clients {
        let key = ("n", "a", "v2.0.0");
        let options = WriteOptions::strong().ttl(Duration::from_millis(90_500));
        let written = client.put_with(key, &json!({"x": [1, 2.5, null]}), options).await.unwrap();
        assert_eq!(written.durability, Some(Durability::Strong));
        let entry: Entry<Value> = client.get_with(key, ReadOptions::strong()).await.unwrap().unwrap();
        assert_eq!(entry.value, json!({"x": [1, 2.5, null]}));
        assert_eq!(entry.ttl, Some(Duration::from_millis(90_500)));
        assert_eq!(entry.durability, Some(Durability::Strong));
        assert!(entry.created <= SystemTime::now() && Some(entry.created) == written.created);
        assert_eq!(client.get::<Value>(("n", "a")).await.unwrap(), None, "another version is another key");
        assert!(client.delete(key).await.unwrap());
        assert!(!client.delete(key).await.unwrap());
    }
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_echo_raw_and_refusals() {
    let (_dir, node, clients) = node().await;
    for client in &clients {
        assert!(client.stats().await.unwrap().is_object());
        assert_eq!(client.echo::<_, Value>(&json!({"a": [1]})).await.unwrap(), json!({"a": [1]}));
        let reply =
            client.raw(json!({"role": "cache-request", "u": "x", "operation": "atomic"})).await.unwrap();
        assert_eq!((&reply["u"], &reply["status"]), (&json!("x"), &json!("error")));
        let error = client.put(("", "a"), &1).await.unwrap_err();
        assert!(matches!(&error, Error::Node { code, .. } if code == "CACHE_BAD_REQUEST"), "{error}");
        assert_eq!(error.outcome(), Outcome::Rejected);
    }
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_on_one_connection() {
    let (_dir, node, clients) = node().await;
    for client in &clients {
        let calls: Vec<_> = (0..3000u32)
            .map(|number| {
                let client = client.clone();
                tokio::spawn(async move {
                    let identifier = number.to_string();
                    client.put(("n", identifier.as_str()), &number).await?;
                    client.get::<u32>(("n", identifier.as_str())).await
                })
            })
            .collect();
        for (number, call) in (0..).zip(calls) {
            assert_eq!(call.await.unwrap().unwrap(), Some(number));
        }
    }
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_away_fails_the_calls() {
    let (_dir, node, clients) = node().await;
    node.shutdown().await.unwrap();
    for client in &clients {
        let error = client.get::<u32>(("n", "a")).await.unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error}");
    }
}
