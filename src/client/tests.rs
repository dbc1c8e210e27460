//! The client against a node of a few lines that speaks the real shapes over both transports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use super::*;

type Values = Arc<Mutex<HashMap<String, Value>>>;

/// What the node does with one request.
enum Action {
    Answer(Value),
    Silence,
    HangUp,
}

fn act(request: &Value, values: &Values) -> Action {
    let u = &request["u"];
    if request["role"] == "rpc" {
        let command = &request["cmds"][0];
        let name = command["name"].as_str().unwrap();
        return Action::Answer(
            json!({"role":"rpc-response","r":{name: command["args"][0]},"error":null,"u":u}),
        );
    }
    if request["role"] != "cache-request" {
        return Action::Answer(
            json!({"role":"rpc-response","r":null,"u":u,"error":{"code":1004,"message":"Invalid RPC request role"}}),
        );
    }
    let identifier = request["key"]["identifier"].as_str().unwrap_or_default().to_owned();
    let reply = |status: &str, value: Option<&Value>| {
        let mut reply = json!({"role":"cache-response","u":u,"status":status,"intermediate_results":null});
        if let Some(value) = value {
            let metadata = &request["metadata"]["ttl_seconds"];
            reply["durability"] =
                request["options"]["consistency_level"].as_str().unwrap_or("eventual").into();
            reply["entry"] = json!({"key":request["key"],"value":value,"creation_time":1.7e9,"access_count":3,
                "size_bytes":9,"ttl_seconds":metadata});
        }
        Action::Answer(reply)
    };
    let mut values = values.lock().unwrap();
    match (request["operation"].as_str().unwrap(), identifier.as_str()) {
        (_, "silence") => Action::Silence,
        (_, "hang-up") => Action::HangUp,
        ("get", _) => {
            reply(if values.contains_key(&identifier) { "hit" } else { "miss" }, values.get(&identifier))
        }
        ("put", _) if request["value"].is_null() => Action::Answer(json!({"role":"cache-response","u":u,
            "status":"error","error_code":"CACHE_BAD_REQUEST","error_message":"PUT operation requires value"})),
        ("put", _) => {
            values.insert(identifier, request["value"].clone());
            reply("hit", Some(&request["value"]))
        }
        ("delete", _) => reply(if values.remove(&identifier).is_some() { "hit" } else { "miss" }, None),
        _ => reply("hit", Some(&json!({"l1_statistics": {"entry_count": values.len()}}))),
    }
}

async fn serve_tcp(mut socket: TcpStream, values: Values) {
    while let Ok(length) = socket.read_u32().await {
        let mut request = vec![0; length as usize];
        socket.read_exact(&mut request).await.unwrap();
        match act(&serde_json::from_slice(&request).unwrap(), &values) {
            Action::Answer(reply) => {
                let text = reply.to_string();
                // An empty frame before each reply: legal, and to be ignored.
                socket.write_u32(0).await.unwrap();
                socket.write_u32(text.len() as u32).await.unwrap();
                socket.write_all(text.as_bytes()).await.unwrap();
            }
            Action::Silence => {}
            Action::HangUp => return,
        }
    }
}

async fn serve_ws(socket: TcpStream, values: Values) {
    let mut socket = tokio_tungstenite::accept_async(socket).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        let text = match message {
            Message::Text(text) => text,
            Message::Pong(_) => continue,
            _ => return,
        };
        match act(&serde_json::from_str(&text).unwrap(), &values) {
            Action::Answer(reply) => {
                socket.send(Message::Ping("are you there".into())).await.unwrap();
                socket.send(Message::binary(reply.to_string().into_bytes())).await.unwrap();
            }
            Action::Silence => {}
            Action::HangUp => return,
        }
    }
}

/// Starts a node over both transports and connects to each.
async fn clients() -> Vec<Client> {
    clients_with(ConnectOptions::default()).await
}

async fn clients_with(options: ConnectOptions) -> Vec<Client> {
    let mut clients = Vec::new();
    for scheme in ["ws", "tcp"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            if scheme == "ws" {
                serve_ws(socket, Values::default()).await
            } else {
                serve_tcp(socket, Values::default()).await
            }
        });
        clients.push(Client::connect_with(&url, options).await.unwrap());
    }
    clients
}

#[tokio::test]
async fn put_get_delete_stats_and_echo() {
    for client in clients().await {
        let key = ("users", "ada");
        assert_eq!(client.get::<String>(key).await.unwrap(), None);
        let options = WriteOptions::strong().ttl(Duration::from_millis(1500));
        let written = client.put_with(key, "hello", options).await.unwrap();
        assert_eq!(written.durability, Some(Durability::Strong));
        assert_eq!(client.get::<String>(key).await.unwrap().as_deref(), Some("hello"));
        let entry: Entry<String> = client.get_with(key, ReadOptions::strong()).await.unwrap().unwrap();
        assert_eq!((entry.access_count, entry.durability), (3, Some(Durability::Strong)));
        assert_eq!(client.stats().await.unwrap()["l1_statistics"]["entry_count"], 1);
        assert!(client.delete(key).await.unwrap());
        assert!(!client.delete(key).await.unwrap());
        let there_and_back: Vec<u8> = client.echo(&[1, 2, 3]).await.unwrap();
        assert_eq!(there_and_back, [1, 2, 3]);
        assert_eq!(client.echo::<_, String>("echo").await.unwrap(), "echo");
    }
}

#[tokio::test]
async fn pipelined_calls_get_their_own_replies() {
    for client in clients().await {
        let calls = (0..2000u32).map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let identifier = number.to_string();
                client.put(("n", identifier.as_str()), &number).await.unwrap();
                assert_eq!(client.get::<u32>(("n", identifier.as_str())).await.unwrap(), Some(number));
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
    }
}

#[tokio::test]
async fn errors_of_the_node_are_typed() {
    for client in clients().await {
        let error = client.put(("n", "a"), &()).await.unwrap_err();
        assert_eq!(error.to_string(), "error CACHE_BAD_REQUEST: PUT operation requires value");
        assert_eq!(error.outcome(), Outcome::Rejected);
        client.put(("n", "a"), &1).await.unwrap();
        let error = client.get::<String>(("n", "a")).await.unwrap_err();
        assert!(matches!(error, Error::Decode(_)), "{error}");
    }
}

#[tokio::test]
async fn raw_messages_keep_their_own_id() {
    for client in clients().await {
        let reply = client.raw(json!({"role":"cache-request","u":"mine","operation":"stats"})).await.unwrap();
        assert_eq!((&reply["u"], &reply["status"]), (&json!("mine"), &json!("hit")));
        assert_eq!(client.raw(json!({"role":"nobody"})).await.unwrap()["error"]["code"], 1004);
        assert!(matches!(client.raw(json!([])).await, Err(Error::Encode(_))));
    }
}

#[tokio::test]
async fn a_lost_connection_fails_everything_at_once() {
    for client in clients().await {
        let waiting = {
            let client = client.clone();
            tokio::spawn(async move { client.get::<u8>(("n", "silence")).await })
        };
        // In order on the connection: the one above is under way before this ends it.
        tokio::task::yield_now().await;
        let error = client.get::<u8>(("n", "hang-up")).await.unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error}");
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert!(matches!(waiting.await.unwrap(), Err(Error::Lost { .. })));
        assert!(matches!(client.stats().await, Err(Error::Lost { .. })), "later calls fail too");
    }
}

#[tokio::test]
async fn a_silent_node_is_a_time_out() {
    let call_timeout = Duration::from_millis(200);
    for client in clients_with(ConnectOptions { call_timeout, ..ConnectOptions::default() }).await {
        let error = client.get::<u8>(("n", "silence")).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { after } if after == call_timeout), "{error}");
        assert_eq!(client.get::<u8>(("n", "other")).await.unwrap(), None, "the connection lives on");
    }
}

#[tokio::test]
async fn what_cannot_connect_says_where() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = Client::connect(&format!("tcp://{address}")).await.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert_eq!(error.outcome(), Outcome::Rejected);
}

#[tokio::test]
async fn too_large_is_refused_before_it_is_sent() {
    for client in clients().await {
        let huge = "x".repeat(MESSAGE_BYTES_MAX);
        let error = client.put(("n", "a"), &huge).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        assert_eq!(client.get::<u8>(("n", "a")).await.unwrap(), None);
    }
}
