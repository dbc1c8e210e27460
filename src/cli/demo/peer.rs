//! The simplest client there is: length-prefixed JSON over TCP.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node::Running;

/// Longer than anything takes on a machine that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// See the module.
pub(super) struct Peer {
    stream: TcpStream,
    /// Notifications that came while a reply was waited for.
    told: VecDeque<Value>,
}

impl Peer {
    pub(super) async fn connect(running: &Running) -> anyhow::Result<Peer> {
        let stream = TcpStream::connect(running.addr()).await.context("connecting to the node")?;
        stream.set_nodelay(true)?;
        Ok(Peer { stream, told: VecDeque::new() })
    }

    /// Sends a message and waits for its reply.
    pub(super) async fn call(&mut self, message: &Value) -> anyhow::Result<Value> {
        let text = message.to_string();
        let mut frame = u32::try_from(text.len())?.to_be_bytes().to_vec();
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame).await?;
        loop {
            let message = self.receive().await?;
            if message["role"] != "pubsub-notification" {
                return Ok(message);
            }
            self.told.push_back(message);
        }
    }

    /// A cache operation on one key.
    pub(super) async fn cache(
        &mut self,
        operation: &str,
        (namespace, identifier): (&str, &str),
        more: Value,
    ) -> anyhow::Result<Value> {
        let mut message = json!({"role": "cache-request", "u": "1", "operation": operation,
                                 "key": {"namespace": namespace, "identifier": identifier}});
        merge(&mut message, more);
        self.call(&message).await
    }

    pub(super) async fn publish(&mut self, topic: &str, payload: Value) -> anyhow::Result<Value> {
        self.call(
            &json!({"role": "pubsub-publish", "u": "2", "message": {"topic": topic, "payload": payload}}),
        )
        .await
    }

    pub(super) async fn subscribe(&mut self, pattern: &str, backlog: bool) -> anyhow::Result<Value> {
        let subscription = json!({"subscription_id": pattern, "patterns": [{"pattern": pattern, "exact_match": false}],
                                  "subscriber": "demo", "created_at": 0, "get_backlog": backlog});
        self.call(&json!({"role": "pubsub-subscribe", "u": "3", "subscription": subscription})).await
    }

    /// Calls a function; its result.
    pub(super) async fn run(&mut self, function: &str, args: Value) -> anyhow::Result<Value> {
        let message =
            json!({"role": "rpc", "u": "4", "cmds": [{"name": "result", "fun": function, "args": args}]});
        let reply = self.call(&message).await?;
        match reply["error"] {
            Value::Null => Ok(reply["r"]["result"].clone()),
            ref error => bail!("{function}: {error}"),
        }
    }

    /// The next message of a subscription.
    pub(super) async fn notification(&mut self) -> anyhow::Result<Value> {
        let told = match self.told.pop_front() {
            Some(told) => told,
            None => self.receive().await?,
        };
        Ok(told["message"].clone())
    }

    async fn receive(&mut self) -> anyhow::Result<Value> {
        let receive = async {
            let length = self.stream.read_u32().await?;
            let mut body = vec![0; length as usize];
            self.stream.read_exact(&mut body).await?;
            anyhow::Ok(serde_json::from_slice(&body)?)
        };
        tokio::time::timeout(PATIENCE, receive).await.context("nothing came in time")?
    }
}

fn merge(message: &mut Value, more: Value) {
    if let (Value::Object(message), Value::Object(more)) = (message, more) {
        message.extend(more);
    }
}
