//! Writing what others have said to the connection: taken whole, framed, settled, written in pieces.

use tokio::io::{AsyncRead, AsyncWrite};

use super::batch::Unsettled;
use super::{Ended, Seen, Service, Session};
use crate::limits::{FLUSH_BYTES, INBOX_BYTES};
use crate::transport::codec::Fault;

impl<S: AsyncRead + AsyncWrite + Unpin, V: Service> Session<S, V> {
    /// Writes what waits in the outbox if something was said since it was looked into.
    pub(super) async fn deliver_pushed(&mut self) -> Result<(), Ended> {
        if self.line.signal().take_pushed() { self.deliver().await } else { Ok(()) }
    }

    /// Writes what waits in the outbox now. What comes meanwhile is left for the next time, so that pushes
    /// cannot keep the session from reading.
    pub(super) async fn deliver(&mut self) -> Result<(), Ended> {
        self.outbox.take(&mut self.taken);
        while !self.taken.is_empty() {
            self.deliver_piece().await?;
        }
        self.relax();
        Ok(())
    }

    /// Frames, settles and writes about `FLUSH_BYTES` of what has been taken.
    async fn deliver_piece(&mut self) -> Result<(), Ended> {
        let (mut count, mut seen) = (0, Seen::default());
        while let Some(push) = self.taken.get(count)
            && self.out.len() < FLUSH_BYTES
        {
            seen.join(push.seen());
            self.frame_push(count, true);
            count += 1;
        }
        let mut ended = Ok(());
        if let Err(unsettled) = self.settle(seen).await {
            self.out.clear();
            (0..count).for_each(|at| self.frame_push(at, false));
            if let Unsettled::Failed(failure) = unsettled {
                self.service.failed(&failure);
                ended = Err(Ended::Fault(Fault::StoreFailed));
            }
        }
        self.send_out().await?;
        self.outbox.written(self.taken.drain(..count));
        ended
    }

    /// Frames one of the messages taken: as it is, or as what is said when it cannot leave.
    fn frame_push(&mut self, at: usize, holds: bool) {
        let push = &self.taken[at];
        let begun = self.codec.begin(&mut self.out);
        if holds {
            push.write_into(&mut self.out)
        } else {
            push.write_otherwise(&mut self.out)
        }
        self.codec.end(begun, self.text, &mut self.out);
        self.out_lease.force(self.out.capacity().saturating_sub(INBOX_BYTES));
    }

    /// Waits until calls in flight leave room for more, writing what comes meanwhile.
    pub(super) async fn wait_for_calls(&mut self) -> Result<(), Ended> {
        while self.outbox.crowded() {
            self.line.pushed().await;
            self.deliver().await?;
        }
        Ok(())
    }

    /// Waits until no call is in flight and nothing waits to be written. How long that takes is bounded by the
    /// calls' own time-outs.
    pub(super) async fn finish_calls(&mut self) -> Result<(), Ended> {
        while self.outbox.calls() > 0 {
            self.line.pushed().await;
            self.deliver().await?;
        }
        self.deliver().await
    }
}
