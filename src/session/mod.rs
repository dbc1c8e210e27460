//! One connection: read what is there, answer all of it in order, keep the promises, write once.
//!
//! ```text
//! receive -> decode all -> handle each ─> replies in one buffer -> settle -> write -> receive ...
//!                            └ Cold: one hop to the blocking pool for the cold keys of the whole batch
//! ```
//!
//! *Settle* is decision 2: nothing leaves before what the replies saw is written, and durable where a `strong`
//! request saw it. A batch therefore pays for one hand-over and one sync, however many requests it holds.
//!
//! What others say to the connection, notifications and the replies of calls, waits in its [`Outbox`], which wakes
//! the session through its `Signal`; it is written between batches, so an answer given earlier leaves earlier.

mod batch;
mod deliver;
mod opening;
mod outbox;
mod service;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

pub(crate) use opening::{Door, serve};
#[cfg(test)]
pub(crate) use outbox::Call;
use outbox::Inlet;
pub(crate) use outbox::{Outbox, Push, Refused};
pub(crate) use service::{Failed, Reply, Seen, Service, Step};

use crate::limits::{BUFFER_KEEP_BYTES, HALF_CLOSED_MS, INBOX_BYTES, WRITE_STALL_MS_MAX};
use crate::protocol::Error;
use crate::transport::budget::Lease;
use crate::transport::codec::{Codec, Fault, Message};
use crate::transport::line::{Event, Line};
use crate::transport::watch::{Verdict, Watch};

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// The peer is gone, or the network failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer has read nothing for so long that we close, without a word it could not read either.
    #[error("closed with 4008: nothing read for {WRITE_STALL_MS_MAX} ms, {unread_bytes} bytes wait")]
    Stalled {
        /// What it has not read.
        unread_bytes: usize,
    },
    /// We close, with a reason the peer is told where its transport can.
    #[error("{0}")]
    Fault(Fault),
}

/// One connection that speaks the protocol.
pub(crate) struct Session<S, V> {
    line: Line<S>,
    codec: Codec,
    service: V,
    hops: Arc<Semaphore>,
    watch: Watch,
    batch: Vec<Message>,
    out: Vec<u8>,
    out_lease: Lease,
    /// Frame type of the last data frame, which replies mirror.
    text: bool,
    seen: Seen,
    outbox: Inlet,
    /// What has been taken from the outbox and is not written yet.
    taken: VecDeque<Push>,
}

impl<S: AsyncRead + AsyncWrite + Unpin, V: Service> Session<S, V> {
    /// Speaks until either side ends it; never fails, since the end of a connection is no error.
    async fn run(mut self) -> Ended {
        let mut first = true;
        let ended = loop {
            // What came along with the first bytes or the handshake is answered before anything is waited for.
            let turned = match self.line.inbox.unread().len() {
                unread if first => self.absorb(unread).await,
                _ => self.turn().await,
            };
            first = false;
            if let Err(ended) = turned {
                break ended;
            }
        };
        self.outbox.close();
        if let Ended::Fault(fault) = &ended {
            self.codec.farewell(fault, &mut self.out);
            if self.line.send(&self.out).await.is_ok() {
                self.line.linger().await;
            }
        }
        ended
    }

    /// One event of the line and all that follows from it.
    async fn turn(&mut self) -> Result<(), Ended> {
        let reading = !self.outbox.crowded();
        match self.line.next(reading).await? {
            Event::Received(count) => self.received(count).await?,
            Event::Overloaded => self.abandon().await?,
            Event::Pushed => {
                // Whoever woke us is often one of many: letting the others run makes one write of what all have said.
                tokio::task::yield_now().await;
                return self.deliver().await;
            }
            // While we do not read, the peer cannot give a sign of life.
            Event::Tick if !reading => {}
            Event::Tick => self.tick().await?,
            Event::Stop => self.finish().await?,
        }
        self.deliver_pushed().await
    }

    async fn received(&mut self, count: usize) -> Result<(), Ended> {
        if count == 0 {
            // A WebSocket peer says goodbye. A TCP peer may have ended only its sending side: it still gets what is
            // ready soon. What takes longer ends with the connection, since most who are silent are gone.
            if matches!(self.codec, Codec::Tcp(_)) {
                let soon = Duration::from_millis(HALF_CLOSED_MS);
                let _ = tokio::time::timeout(soon, self.finish_calls()).await;
            }
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.absorb(count).await
    }

    /// Answers what `count` new bytes completed, and tells the watch how the peer gets on.
    async fn absorb(&mut self, count: usize) -> Result<(), Ended> {
        let answered = self.answer_unread().await?;
        match self.line.inbox.unread().len() {
            0 if count == 0 => {}
            0 => self.watch.heard_whole(),
            // Of a message begun in this read, only what is left over counts.
            begun if answered > 0 => self.watch.heard_part(begun, true),
            _ => self.watch.heard_part(count, false),
        }
        Ok(())
    }

    /// Handles everything complete that has been received. Returns how many messages that were.
    async fn answer_unread(&mut self) -> Result<usize, Ended> {
        let mut answered = 0;
        loop {
            self.batch.clear();
            let decoded = self.codec.decode(self.line.inbox.unread_mut(), &mut self.batch);
            answered += self.batch.len();
            self.answer_batch().await?;
            self.line.inbox.consume(decoded.consumed);
            if let Some(fault) = decoded.fault {
                return Err(Ended::Fault(fault));
            }
            if !decoded.again {
                break;
            }
        }
        self.relax();
        Ok(answered)
    }

    /// Gives back what a burst has left of memory.
    fn relax(&mut self) {
        self.line.inbox.relax();
        if self.out.capacity() > BUFFER_KEEP_BYTES && self.out.is_empty() {
            self.out = Vec::with_capacity(INBOX_BYTES);
            self.out_lease.resize(0);
        }
    }

    /// There is no memory for the message that is coming: refuse it and skip its rest.
    async fn abandon(&mut self) -> Result<(), Ended> {
        let abandoned = self.codec.abandon(self.line.inbox.unread_mut());
        if !abandoned.salvage.is_empty() {
            let begun = self.codec.begin(&mut self.out);
            let beginning = self.line.inbox.span(abandoned.salvage);
            self.service.refuse(beginning, Error::Overloaded, &mut self.out);
            self.codec.end(begun, self.text, &mut self.out);
        }
        self.line.inbox.consume(abandoned.consumed);
        self.line.inbox.relax();
        self.send_out().await
    }

    async fn tick(&mut self) -> Result<(), Ended> {
        let pings = matches!(self.codec, Codec::WebSocket(_));
        match self.watch.tick(pings) {
            Verdict::Fine => Ok(()),
            Verdict::Close(fault) => Err(Ended::Fault(fault)),
            Verdict::Ping => {
                self.codec.ping(&mut self.out);
                self.send_out().await
            }
        }
    }

    /// The server stops: what has been sent to us already is answered, then the connection ends.
    async fn finish(&mut self) -> Result<(), Ended> {
        while let Some(Event::Received(count)) = self.line.receive_now().await? {
            if count == 0 {
                break;
            }
            self.answer_unread().await?;
        }
        self.finish_calls().await?;
        Err(Ended::Fault(Fault::Stopping))
    }

    /// Writes the out buffer. Only what is settled may stand in it.
    async fn send_out(&mut self) -> Result<(), Ended> {
        match self.line.send(&self.out).await {
            Ok(()) => self.out.clear(),
            // Part of a frame may be on its way: no farewell fits behind it.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                let unread_bytes = self.out.len() + self.outbox.queued_bytes();
                return Err(Ended::Stalled { unread_bytes });
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
