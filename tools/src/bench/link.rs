//! One connection of the load: its socket, what is under way on it, and what came back.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::message;
use super::plan::{Plan, Transport};
use super::reply::{Codec, Fault, Reply, Verdict};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// First size of the input buffer; it grows with the largest reply.
const INPUT_BYTES: usize = 64 << 10;

/// A connection in the closed or the open loop.
pub struct Link {
    socket: TcpStream,
    codec: Codec,
    input: Vec<u8>,
    filled: usize,
    /// Requests not yet taken by the kernel.
    pub output: Vec<u8>,
    sent: usize,
    /// When each request under way was meant to start, oldest first.
    started: VecDeque<Instant>,
    next_id: u32,
    oldest_id: u32,
    replies_in_order: bool,
}

/// An answer, with what it took.
pub struct Answer<'a> {
    pub verdict: Verdict,
    /// Since the request was meant to start.
    pub latency: Duration,
    /// The reply's text.
    pub payload: &'a [u8],
}

impl Link {
    /// Connects and, over WebSocket, upgrades. Blocking; afterwards the socket is not.
    pub fn open(plan: &Plan) -> io::Result<Link> {
        let mut socket = TcpStream::connect_timeout(&plan.target.address, CONNECT_TIMEOUT)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(CONNECT_TIMEOUT))?;
        if plan.target.transport == Transport::Ws {
            upgrade(&mut socket, &plan.target.address.to_string())?;
        }
        socket.set_nonblocking(true)?;
        Ok(Link {
            socket,
            codec: Codec::new(plan.target.transport),
            input: vec![0; INPUT_BYTES],
            filled: 0,
            output: Vec::with_capacity(INPUT_BYTES),
            sent: 0,
            started: VecDeque::with_capacity(plan.depth),
            next_id: 0,
            oldest_id: 0,
            replies_in_order: plan.replies_in_order,
        })
    }

    /// The socket, to wait on.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Requests without an answer so far.
    pub fn under_way(&self) -> usize {
        self.started.len()
    }

    /// The id for one more request, which counts from `start`.
    pub fn begin(&mut self, start: Instant) -> u32 {
        self.started.push_back(start);
        let id = self.next_id;
        self.next_id = following(id);
        id
    }

    /// Hands as much output to the kernel as it takes; true when nothing is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        while self.sent < self.output.len() {
            match self.socket.write(&self.output[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Reads once and passes every whole answer to `take`. False when there was nothing to read.
    pub fn receive(&mut self, mut take: impl FnMut(Answer<'_>)) -> io::Result<bool> {
        if self.filled == self.input.len() {
            self.input.resize(self.input.len() * 2, 0);
        }
        match self.socket.read(&mut self.input[self.filled..]) {
            Ok(0) => {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            Ok(bytes) => self.filled += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let now = Instant::now();
        let mut at = 0;
        while let Some((reply, took)) = self.codec.next(&self.input[at..self.filled]).map_err(broken)? {
            at += took;
            match reply {
                Reply::Answer { verdict, id, payload } => {
                    let Some(start) = self.started.pop_front() else {
                        return Err(io::Error::other("a reply without a request"));
                    };
                    let expected = self.oldest_id;
                    self.oldest_id = following(expected);
                    let in_order = !self.replies_in_order || id.is_none_or(|id| id == expected);
                    let verdict = if in_order { verdict } else { Verdict::Error };
                    take(Answer { verdict, latency: now.saturating_duration_since(start), payload });
                }
                Reply::Ping(payload) => message::pong(payload, &mut self.output),
                Reply::Other => {}
            }
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(true)
    }
}

/// Ids go round below `10^ID_DIGITS`.
fn following(id: u32) -> u32 {
    (id + 1) % 10u32.pow(message::ID_DIGITS as u32)
}

fn broken(Fault(text): Fault) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

/// The client's side of the WebSocket upgrade. The accept key is not checked: this is our own server.
fn upgrade(socket: &mut TcpStream, host: &str) -> io::Result<()> {
    write!(
        socket,
        "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: bXByZWctdG9vbHMtbG9hZA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )?;
    let mut head = Vec::new();
    let mut byte = [0; 1];
    // Byte by byte, so that no frame behind the head is swallowed.
    while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 {
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if head.starts_with(b"HTTP/1.1 101") {
        return Ok(());
    }
    let line = String::from_utf8_lossy(&head);
    Err(io::Error::other(format!("upgrade refused: {}", line.lines().next().unwrap_or_default())))
}
