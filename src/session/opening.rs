//! The beginning of a connection: which protocol it speaks, the WebSocket handshake, then its session.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::limits::{COLD_HOPS_MAX, INBOX_BYTES, UPGRADE_MS};
use crate::session::outbox::{Inlet, Outbox};
use crate::session::{Ended, Seen, Service, Session};
use crate::transport::budget::Budget;
use crate::transport::codec::{Codec, Fault};
use crate::transport::detect::Protocol;
use crate::transport::inbox::Inbox;
use crate::transport::line::{Event, Line};
use crate::transport::origin::Origins;
use crate::transport::slots::Slot;
use crate::transport::watch::Watch;
use crate::transport::ws::upgrade::{Upgrade, judge};
use crate::transport::{tcp, ws};

/// What every connection of a node shares.
#[derive(Debug)]
pub(crate) struct Door<V> {
    service: V,
    budget: Arc<Budget>,
    origins: Origins,
    message_bytes_max: usize,
    hops: Arc<Semaphore>,
}

impl<V: Service> Door<V> {
    pub(crate) fn new(
        service: V,
        budget: Arc<Budget>,
        origins: Origins,
        message_bytes_max: usize,
    ) -> Door<V> {
        let hops = Arc::new(Semaphore::new(COLD_HOPS_MAX));
        Door { service, budget, origins, message_bytes_max, hops }
    }

    fn session<S>(&self, line: Line<S>, codec: Codec) -> Session<S, V> {
        let outbox = Inlet(Outbox::new(Arc::clone(line.signal()), self.budget.lease()));
        Session {
            line,
            codec,
            service: self.service.fork(),
            hops: Arc::clone(&self.hops),
            watch: Watch::default(),
            batch: Vec::new(),
            out: Vec::with_capacity(INBOX_BYTES),
            out_lease: self.budget.lease(),
            text: false,
            seen: Seen::default(),
            outbox,
            taken: VecDeque::new(),
        }
    }
}

/// Serves one accepted connection to its end.
pub(crate) async fn serve<S, V>(door: Arc<Door<V>>, stream: S, slot: Slot)
where
    S: AsyncRead + AsyncWrite + Unpin,
    V: Service + Sync,
{
    let connection = slot.id();
    let line = Line::new(stream, Inbox::new(door.budget.lease()), slot);
    match open(&door, line).await {
        Err(error) => tracing::debug!(connection, %error, "closed before it began"),
        Ok(None) => {}
        Ok(Some(session)) => match session.run().await {
            Ended::Fault(Fault::PeerClosed(_) | Fault::Stopping) => tracing::debug!(connection, "closed"),
            Ended::Fault(fault) => tracing::info!(connection, reason = %fault, "closed by us"),
            ended @ Ended::Stalled { .. } => tracing::info!(connection, reason = %ended, "closed by us"),
            Ended::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                tracing::debug!(connection, "the peer went away");
            }
            Ended::Io(error) => tracing::debug!(connection, %error, "the connection failed"),
        },
    }
}

/// Finds out the protocol. `None`: refused, and told so.
async fn open<S, V>(door: &Door<V>, mut line: Line<S>) -> io::Result<Option<Session<S, V>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    V: Service,
{
    let Some(first) = first_byte(&mut line).await? else { return Ok(None) };
    let connection = line.id();
    let codec = match Protocol::of(first) {
        Protocol::Frames => Codec::Tcp(tcp::Decoder::new(door.message_bytes_max)),
        Protocol::Http => {
            let upgraded =
                timeout(Duration::from_millis(UPGRADE_MS), upgrade(&mut line, &door.origins)).await;
            match upgraded.map_err(|_| io::ErrorKind::TimedOut)?? {
                true => Codec::WebSocket(ws::Decoder::new(door.message_bytes_max)),
                false => {
                    line.linger().await;
                    return Ok(None);
                }
            }
        }
        Protocol::Tls => {
            tracing::warn!(connection, "a TLS hello: TLS is not served yet, use ws:// or tcp://");
            return Ok(None);
        }
        Protocol::Resp => {
            tracing::warn!(connection, "a Redis command: RESP is not served yet");
            line.send(b"-ERR this port speaks MPREG over WebSocket and TCP, RESP is not served yet\r\n")
                .await?;
            line.linger().await;
            return Ok(None);
        }
    };
    Ok(Some(door.session(line, codec)))
}

/// Waits for the first byte; a TCP peer may stay silent as long as it likes.
async fn first_byte<S: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<S>) -> io::Result<Option<u8>> {
    loop {
        match line.next(true).await? {
            Event::Received(0) | Event::Stop | Event::Overloaded => return Ok(None),
            Event::Received(_) => return Ok(line.inbox.unread().first().copied()),
            Event::Tick | Event::Pushed => {}
        }
    }
}

/// Answers the HTTP head; `true` when it is WebSocket from here on.
async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    line: &mut Line<S>,
    origins: &Origins,
) -> io::Result<bool> {
    loop {
        match judge(line.inbox.unread(), origins) {
            Upgrade::Accepted { head_bytes, answer } => {
                line.send(answer.as_bytes()).await?;
                line.inbox.consume(head_bytes);
                return Ok(true);
            }
            Upgrade::Refused { answer, reason } => {
                tracing::info!(connection = line.id(), reason, "an HTTP request was refused");
                line.send(answer.as_bytes()).await?;
                return Ok(false);
            }
            Upgrade::Partial => match line.next(true).await? {
                Event::Received(0) | Event::Stop | Event::Overloaded => return Ok(false),
                Event::Received(_) | Event::Tick | Event::Pushed => {}
            },
        }
    }
}
