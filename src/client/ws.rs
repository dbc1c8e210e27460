//! Messages over WebSocket: one text frame each.

use std::io;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::MESSAGE_BYTES_MAX;
use super::connection;

/// How long saying goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The reading half.
pub(super) struct Source(SplitStream<WebSocketStream<TcpStream>>);

/// The writing half.
pub(super) struct Sink(SplitSink<WebSocketStream<TcpStream>, Message>);

/// Upgrades a connected socket.
pub(super) async fn upgrade(socket: TcpStream, url: &str) -> io::Result<(Source, Sink)> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let (socket, _) = client_async_with_config(url, socket, Some(config)).await.map_err(as_io)?;
    let (writing, reading) = socket.split();
    Ok((Source(reading), Sink(writing)))
}

impl connection::Source for Source {
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        while let Some(message) = self.0.next().await {
            match message.map_err(as_io)? {
                Message::Text(text) => return Ok(Some(text.as_bytes().to_vec())),
                Message::Binary(bytes) => return Ok(Some(bytes.to_vec())),
                Message::Close(Some(frame)) => {
                    return Err(io::Error::other(format!(
                        "the node closed: {} {}",
                        frame.code, frame.reason
                    )));
                }
                Message::Close(None) => return Ok(None),
                // Pings are answered by the library.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Ok(None)
    }
}

impl connection::Sink for Sink {
    async fn feed(&mut self, payload: Vec<u8>) -> io::Result<()> {
        let text = Utf8Bytes::try_from(payload).expect("requests are written by serde_json, as UTF-8");
        self.0.feed(Message::Text(text)).await.map_err(as_io)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await.map_err(as_io)
    }

    async fn close(&mut self) {
        // Best effort: a node that is gone does not answer.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.0.close()).await;
    }
}

fn as_io(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
