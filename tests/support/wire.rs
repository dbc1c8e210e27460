//! A connection of either transport that sends and receives JSON messages, as any client in any language would.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mpreg::{Node, Running};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The transports every promise is tested on.
pub const TRANSPORTS: [&str; 2] = ["ws", "tcp"];

/// A node with `change` made to it, on a free port.
pub async fn start(change: impl FnOnce(Node) -> Node) -> (Running, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap());
    let node = node.configure(|config| config.free_bytes_min = Some(0));
    (change(node).start().await.unwrap(), dir)
}

pub enum Peer {
    Ws(Box<WebSocketStream<TcpStream>>),
    Tcp(TcpStream),
}

impl Peer {
    pub async fn connect(running: &Running, transport: &str) -> Peer {
        let stream = TcpStream::connect(running.addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        if transport == "tcp" {
            return Peer::Tcp(stream);
        }
        let (socket, _) = tokio_tungstenite::client_async(running.url(), stream).await.unwrap();
        Peer::Ws(Box::new(socket))
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        match self {
            Peer::Ws(socket) => socket.send(Message::text(text)).await.unwrap(),
            Peer::Tcp(stream) => {
                let mut frame = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
                frame.extend_from_slice(text.as_bytes());
                stream.write_all(&frame).await.unwrap();
            }
        }
    }

    /// The next message; `None` when the connection has ended.
    pub async fn try_receive(&mut self) -> Option<Value> {
        let text = match self {
            Peer::Ws(socket) => loop {
                match socket.next().await?.ok()? {
                    Message::Text(text) => break text.as_bytes().to_vec(),
                    Message::Binary(bytes) => break bytes.to_vec(),
                    Message::Close(_) => return None,
                    _ => {}
                }
            },
            Peer::Tcp(stream) => {
                let length = stream.read_u32().await.ok()?;
                let mut body = vec![0; length as usize];
                stream.read_exact(&mut body).await.ok()?;
                body
            }
        };
        Some(serde_json::from_slice(&text).unwrap())
    }

    pub async fn receive(&mut self) -> Value {
        tokio::time::timeout(PATIENCE, self.try_receive())
            .await
            .expect("a message in time")
            .expect("a message")
    }

    pub async fn call(&mut self, message: &Value) -> Value {
        self.send(message).await;
        self.receive().await
    }

    /// Whether nothing comes for a while.
    pub async fn silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(100), self.try_receive()).await.is_err()
    }

    /// Runs commands under the id `u`.
    pub async fn rpc(&mut self, u: &str, commands: Value) -> Value {
        let reply = self.call(&json!({"role": "rpc", "u": u, "cmds": commands})).await;
        assert_eq!((&reply["role"], &reply["u"]), (&json!("rpc-response"), &json!(u)), "{reply}");
        reply
    }

    /// Calls one function; its result, or the whole reply of a failure.
    pub async fn run(&mut self, fun: &str, args: Value) -> Result<Value, Value> {
        self.run_with(fun, args, json!({})).await
    }

    pub async fn run_with(&mut self, fun: &str, args: Value, kwargs: Value) -> Result<Value, Value> {
        let reply =
            self.rpc("1", json!([{"name": "\u{1}", "fun": fun, "args": args, "kwargs": kwargs}])).await;
        if reply["error"].is_null() { Ok(reply["r"]["\u{1}"].clone()) } else { Err(reply["error"].clone()) }
    }
}
