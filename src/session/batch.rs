//! Answering one decoded batch: handle in order, ask L2 for what is cold, settle, write.

use std::sync::Arc;
use std::time::Duration;

use mpreg_storage::mutants::{Bug, planted};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::limits::{
    COLD_KEYS_MAX, FLUSH_BYTES, INBOX_BYTES, MESSAGE_BYTES_MAX, REPLY_MS_MAX, RUN_MESSAGES_MAX,
};
use crate::protocol::Error as Refusal;
use crate::session::{Ended, Failed, Outbox, Reply, Seen, Service, Session, Step};
use crate::transport::codec::{Fault, Kind};

/// How settling failed.
pub(super) enum Unsettled {
    /// The sync takes too long; the store may still be well.
    Late,
    Failed(Failed),
}

impl<S: AsyncRead + AsyncWrite + Unpin, V: Service> Session<S, V> {
    /// Answers `self.batch` and writes the replies, in pieces of about `FLUSH_BYTES`.
    pub(super) async fn answer_batch(&mut self) -> Result<(), Ended> {
        let (mut sent, mut at) = (0, 0);
        // A message that keeps being refused room is answered all the same: there is one deadline for each.
        let mut waiting: Option<(usize, Instant)> = None;
        self.service.begin();
        while at < self.batch.len() {
            let (handled, step) = self.answer_run(at);
            at += handled;
            match step {
                Step::Done => {}
                Step::Later => {
                    if self.outbox.crowded() {
                        self.release(sent, at).await?;
                        sent = at;
                        self.wait_for_calls().await?;
                    }
                }
                Step::Cold => {
                    self.answer_cold(at).await;
                    at += 1;
                }
                Step::Busy => {
                    // The replies so far need not wait with this one.
                    self.release(sent, at).await?;
                    sent = at;
                    let begun = match waiting {
                        Some((message, begun)) if message == at => begun,
                        _ => Instant::now(),
                    };
                    waiting = Some((at, begun));
                    if !self.has_room(begun).await {
                        self.refuse(at, Refusal::Overloaded);
                        at += 1;
                    }
                }
            }
            if self.out.len() >= FLUSH_BYTES {
                self.release(sent, at).await?;
                sent = at;
            }
        }
        self.service.end();
        self.release(sent, at).await
    }

    /// Answers a run of messages from `at` on into the out buffer, and tells how many. It ends early at the first
    /// that is not done, which leaves no trace there, and where the out buffer is full enough.
    fn answer_run(&mut self, at: usize) -> (usize, Step) {
        let unread = self.line.inbox.unread();
        let run = &self.batch[at..self.batch.len().min(at + RUN_MESSAGES_MAX)];
        let mut parsed: [Option<V::Parsed<'_>>; RUN_MESSAGES_MAX] = [const { None }; RUN_MESSAGES_MAX];
        self.service.begin_run();
        for (message, place) in run.iter().zip(&mut parsed) {
            if message.kind != Kind::Ping {
                *place = Some(self.service.read(&unread[message.span.clone()]));
            }
        }
        if run.len() > 1 {
            self.service.prefetch();
        }
        for (handled, (message, parsed)) in run.iter().zip(&parsed).enumerate() {
            let (Kind::Message { text }, Some(parsed)) = (message.kind, parsed) else {
                self.codec.pong(&unread[message.span.clone()], &mut self.out);
                continue;
            };
            self.text = text;
            let begun = self.codec.begin(&mut self.out);
            let step = if self.out_lease.budget().exhausted() {
                self.service.refuse(&unread[message.span.clone()], Refusal::Overloaded, &mut self.out);
                Step::Done
            } else {
                let (out, seen) = (&mut self.out, &mut self.seen);
                self.service.handle(parsed, &mut Reply { out, seen, outbox: &self.outbox })
            };
            // No client takes a message above the limit: it would lose the stream, or its connection.
            let size = self.out.len() - begun.body();
            if step == Step::Done && size > MESSAGE_BYTES_MAX {
                self.out.truncate(begun.body());
                let refusal = Refusal::TooLarge { what: "the reply", size, size_max: MESSAGE_BYTES_MAX };
                self.service.refuse(&unread[message.span.clone()], refusal, &mut self.out);
            }
            self.codec.end(begun, text, &mut self.out);
            self.out_lease.force(self.out.capacity().saturating_sub(INBOX_BYTES));
            match step {
                Step::Done => {}
                Step::Later if !self.outbox.crowded() => {}
                Step::Later => return (handled + 1, step),
                Step::Cold | Step::Busy => return (handled, step),
            }
            if self.out.len() >= FLUSH_BYTES {
                return (handled + 1, Step::Done);
            }
        }
        (run.len(), Step::Done)
    }

    fn refuse(&mut self, at: usize, refusal: Refusal) {
        let message = &self.batch[at];
        let Kind::Message { text } = message.kind else { return };
        let bytes = &self.line.inbox.unread()[message.span.clone()];
        let begun = self.codec.begin(&mut self.out);
        self.service.refuse(bytes, refusal, &mut self.out);
        self.codec.end(begun, text, &mut self.out);
    }

    /// Answers a cold message, and warms the cold keys behind it in the batch, in one hop to a blocking thread.
    async fn answer_cold(&mut self, at: usize) {
        let unread = self.line.inbox.unread();
        let later = self.batch.iter().skip(at + 1).filter(|message| message.kind != Kind::Ping);
        let keys = later.filter_map(|message| self.service.cold_key(&unread[message.span.clone()]));
        let keys: Vec<Box<[u8]>> = keys.take(COLD_KEYS_MAX).collect();
        let message = unread[self.batch[at].span.clone()].to_vec();
        let (mut service, hops, outbox) =
            (self.service.fork(), Arc::clone(&self.hops), Outbox::clone(&self.outbox));
        let hop = async {
            let permit = hops.acquire_owned().await.expect("the semaphore is never closed");
            let hop = tokio::task::spawn_blocking(move || {
                let (mut out, mut seen) = (Vec::new(), Seen::default());
                service.begin();
                service.handle_cold(&message, &mut Reply { out: &mut out, seen: &mut seen, outbox: &outbox });
                service.end();
                service.warm(&keys);
                drop(permit);
                (out, seen)
            });
            hop.await.ok()
        };
        match tokio::time::timeout(Duration::from_millis(REPLY_MS_MAX), hop).await {
            Ok(Some((reply, seen))) => {
                self.seen.join(seen);
                let begun = self.codec.begin(&mut self.out);
                self.out.extend_from_slice(&reply);
                self.codec.end(begun, self.text, &mut self.out);
            }
            Ok(None) | Err(_) => {
                tracing::warn!(connection = self.line.id(), "L2 did not answer within {REPLY_MS_MAX} ms");
                self.refuse(at, Refusal::UnknownOutcome);
            }
        }
    }

    /// Waits until writes may go on; `false` when that takes too long, counted from `begun`.
    async fn has_room(&self, begun: Instant) -> bool {
        let deadline = begun + Duration::from_millis(REPLY_MS_MAX);
        Instant::now() < deadline && tokio::time::timeout_at(deadline, self.service.room()).await.is_ok()
    }

    /// Settles and sends the replies of the messages `sent..at`.
    async fn release(&mut self, sent: usize, at: usize) -> Result<(), Ended> {
        if self.out.is_empty() {
            return Ok(());
        }
        let seen = std::mem::take(&mut self.seen);
        let Err(unsettled) = self.settle(seen).await else {
            if seen.failed {
                self.service.failed(&Failed("a write was refused for good".to_owned()));
            }
            return self.send_out().await;
        };
        // What the replies claim does not hold, or is not known to: each says that instead.
        self.out.clear();
        let connection = self.line.id();
        match unsettled {
            Unsettled::Late => {
                tracing::warn!(connection, lsn = seen.strong.0, "a sync is late");
                (sent..at).for_each(|message| self.refuse(message, Refusal::Late));
                self.send_out().await
            }
            Unsettled::Failed(failure) => {
                tracing::error!(connection, error = %failure, "the store has failed");
                (sent..at).for_each(|message| self.refuse(message, Refusal::UnknownOutcome));
                self.service.failed(&failure);
                Err(Ended::Fault(Fault::StoreFailed))
            }
        }
    }

    /// Waits until everything the replies saw is written, and durable as far as `strong` asks.
    pub(super) async fn settle(&self, seen: Seen) -> Result<(), Unsettled> {
        // What becomes durable is written on the way: whoever leads the sync hands everybody's records over at once.
        if seen.observed > seen.strong && !planted(Bug::ReplyBeforeHandOver) {
            self.service.hand_over(seen.observed).map_err(Unsettled::Failed)?;
        }
        if seen.strong <= self.service.durable_lsn() {
            return Ok(());
        }
        // Whoever polls first runs the sync. Letting the other ready sessions hand over before that makes one
        // sync serve them all.
        tokio::task::yield_now().await;
        let durable = self.service.durable(seen.strong);
        let timeout_ms = if seen.timeout_ms == 0 { REPLY_MS_MAX } else { seen.timeout_ms.min(REPLY_MS_MAX) };
        match tokio::time::timeout(Duration::from_millis(timeout_ms), durable).await {
            Ok(result) => result.map_err(Unsettled::Failed),
            Err(_) => Err(Unsettled::Late),
        }
    }
}
