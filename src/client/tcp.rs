//! Messages over plain TCP: a big-endian `u32` length, then that many bytes of JSON.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::MESSAGE_BYTES_MAX;
use super::connection;

/// Bytes read at once, and gathered before a write without a flush.
const BUFFER_BYTES: usize = 64 * 1024;

/// The reading half.
pub(super) struct Source(BufReader<OwnedReadHalf>);

/// The writing half.
pub(super) struct Sink {
    socket: OwnedWriteHalf,
    gathered: Vec<u8>,
}

/// Both halves of a connected socket.
pub(super) fn split(socket: TcpStream) -> (Source, Sink) {
    let (reading, writing) = socket.into_split();
    (Source(BufReader::with_capacity(BUFFER_BYTES, reading)), Sink { socket: writing, gathered: Vec::new() })
}

impl connection::Source for Source {
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let length = match self.0.read_u32().await {
                Ok(length) => length as usize,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            };
            if length > MESSAGE_BYTES_MAX {
                let text = format!(
                    "the node announces a message of {length} bytes, the limit is {MESSAGE_BYTES_MAX}"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            // An empty frame is a sign of life.
            if length > 0 {
                let mut message = vec![0; length];
                self.0.read_exact(&mut message).await?;
                return Ok(Some(message));
            }
        }
    }
}

impl connection::Sink for Sink {
    async fn feed(&mut self, payload: Vec<u8>) -> io::Result<()> {
        let length = u32::try_from(payload.len()).expect("calls check MESSAGE_BYTES_MAX");
        self.gathered.extend_from_slice(&length.to_be_bytes());
        self.gathered.extend_from_slice(&payload);
        if self.gathered.len() < BUFFER_BYTES { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.gathered).await?;
        self.gathered.clear();
        // One huge message must not hold its memory for ever.
        self.gathered.shrink_to(BUFFER_BYTES * 2);
        Ok(())
    }

    async fn close(&mut self) {
        // The connection ends either way; the peer sees it by the socket.
        let _ = self.socket.shutdown().await;
    }
}
