//! One connection's stream with its receive buffer: what the session waits for and how its bytes leave.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::limits::{LINGER_BYTES_MAX, LINGER_MS, TICK_MS, WRITE_STALL_MS_MAX};
use crate::transport::inbox::Inbox;
use crate::transport::slots::{Signal, Slot};

/// What happened on a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// This many bytes came into the inbox; 0 is the peer's end.
    Received(usize),
    /// The inbox cannot grow for a message that has begun.
    Overloaded,
    /// Others have said something to this connection.
    Pushed,
    /// `TICK_MS` passed.
    Tick,
    /// The server stops.
    Stop,
}

/// A stream, its inbox, its place among the connections.
#[derive(Debug)]
pub(crate) struct Line<S> {
    stream: S,
    pub(crate) inbox: Inbox,
    slot: Slot,
    tick: Interval,
}

impl<S> Line<S> {
    /// What wakes this line from outside.
    pub(crate) fn signal(&self) -> &Arc<Signal> {
        self.slot.signal()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    pub(crate) fn new(stream: S, inbox: Inbox, slot: Slot) -> Line<S> {
        let period = Duration::from_millis(TICK_MS);
        let mut tick = interval_at(Instant::now() + period, period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Line { stream, inbox, slot, tick }
    }

    /// Number of the connection, for the log.
    pub(crate) fn id(&self) -> u64 {
        self.slot.id()
    }

    /// Waits for the next event; bytes are none while not `reading`. Bytes win over a tick, so a busy peer is never
    /// found silent, and over pushes, so that it can always say that it wants no more of them; a stop wins over
    /// bytes, so a busy peer cannot hold it up.
    pub(crate) async fn next(&mut self, reading: bool) -> io::Result<Event> {
        poll_fn(|cx| {
            self.slot.signal().register(cx.waker());
            if self.slot.signal().stopping() {
                return Poll::Ready(Ok(Event::Stop));
            }
            if reading && let Poll::Ready(event) = self.poll_receive(cx) {
                return Poll::Ready(event);
            }
            if self.slot.signal().take_pushed() {
                return Poll::Ready(Ok(Event::Pushed));
            }
            self.tick.poll_tick(cx).map(|_| Ok(Event::Tick))
        })
        .await
    }

    /// Waits for a push alone.
    pub(crate) async fn pushed(&self) {
        let signal = self.slot.signal();
        poll_fn(|cx| {
            signal.register(cx.waker());
            if signal.take_pushed() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Takes what has come already, without waiting: `None` when there is nothing.
    pub(crate) async fn receive_now(&mut self) -> io::Result<Option<Event>> {
        poll_fn(|cx| match self.poll_receive(cx) {
            Poll::Ready(event) => Poll::Ready(event.map(Some)),
            Poll::Pending => Poll::Ready(Ok(None)),
        })
        .await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Event>> {
        let Ok(room) = self.inbox.room() else { return Poll::Ready(Ok(Event::Overloaded)) };
        let mut buffer = ReadBuf::new(room);
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        self.inbox.received(count);
        Poll::Ready(Ok(Event::Received(count)))
    }

    /// Sends all of `bytes`. Fails with `TimedOut` when the peer takes nothing for `WRITE_STALL_MS_MAX`.
    pub(crate) async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = match self.send_now(bytes).await? {
                Some(count) => count,
                None => {
                    let stall = Duration::from_millis(WRITE_STALL_MS_MAX);
                    timeout(stall, self.stream.write(bytes)).await.map_err(|_| io::ErrorKind::TimedOut)??
                }
            };
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// One attempt without a timer, which nearly always suffices.
    async fn send_now(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        poll_fn(|cx| match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(result) => Poll::Ready(result.map(Some)),
            Poll::Pending => Poll::Ready(Ok(None)),
        })
        .await
    }

    /// Ends the sending side and reads on for a while without keeping anything: closing at once with bytes unread
    /// would make the kernel reset the connection, and our last words would be lost.
    pub(crate) async fn linger(mut self) {
        let farewell = async {
            self.stream.shutdown().await?;
            let mut thrown_away = 0;
            while thrown_away < LINGER_BYTES_MAX {
                self.inbox.consume(self.inbox.unread().len());
                match poll_fn(|cx| self.poll_receive(cx)).await? {
                    Event::Received(0) => break,
                    Event::Received(count) => thrown_away += count,
                    _ => break,
                }
            }
            io::Result::Ok(())
        };
        // Whatever happens here, the connection is over.
        let _ = timeout(Duration::from_millis(LINGER_MS), farewell).await;
    }
}
