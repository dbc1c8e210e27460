//! A subscription that outlives its connections.

use std::time::SystemTime;

use super::messages::Messages;
use super::subscription::{Place, Start, Subscription};
use super::{Event, Message};
use crate::client::endpoints::Pauses;
use crate::client::{Endpoints, Error};

/// Messages of a subscription, in order, however often the connection is lost: it is made anew, and the subscription goes
/// on behind the last message that was yielded. What a node does not keep that long is told as a
/// [`Gap`](super::Gap).
///
/// Each stored message is yielded once, in order. A durable subscription begins behind what was committed when it is
/// opened, so what was handled and not committed before comes again. Subscriptions that share a name get again what was
/// under way when a connection was lost.
#[derive(Debug)]
pub struct Subscriber {
    endpoints: Endpoints,
    subscription: Subscription,
    live: Option<Messages>,
    /// The last message and event that were yielded.
    yielded: Place,
    /// The newest ones when it was opened.
    begin: Place,
    pauses: Pauses,
}

impl Subscriber {
    /// Connects and subscribes.
    ///
    /// Errors: no node answers, or it refuses the subscription: a pattern that is none, a durable name in use.
    pub async fn open(endpoints: Endpoints, mut subscription: Subscription) -> Result<Subscriber, Error> {
        // What "ago" means is settled now, not when the connection is lost.
        if let Start::Ago(ago) = subscription.start {
            let time = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
            subscription.start = Start::Time(time);
        }
        let client = endpoints.connect().await?;
        let live = Messages::begin(&client, &subscription).await?;
        let (begin, pauses) = (live.begin_place().clone(), endpoints.pauses());
        let live = Some(live);
        Ok(Subscriber { endpoints, subscription, live, yielded: Place::default(), begin, pauses })
    }

    /// The next message or gap; waits for one, and meanwhile for the connection. May be dropped and called again without
    /// losing anything.
    ///
    /// Errors: no node has answered for longer than [`Backoff::give_up_after`](crate::client::Backoff). The next call tries again.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let event = match self.live().await?.next().await {
                Ok(event) => event,
                Err(Error::Lost { .. }) => {
                    self.live = None;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.pauses.reset();
            match &event {
                Event::Message(Message { offset: Some(offset), .. }) => {
                    if self.is_repeat(offset) {
                        continue;
                    }
                    self.yielded.note(offset);
                }
                Event::Message(_) | Event::Gap(_) => {}
            }
            return Ok(event);
        }
    }

    /// The same as a stream, which ends behind its first error.
    pub fn into_stream(self) -> impl futures_util::Stream<Item = Result<Event, Error>> + Send {
        futures_util::stream::unfold(Some(self), |subscriber| async {
            let mut subscriber = subscriber?;
            let event = subscriber.next().await;
            let rest = event.is_ok().then_some(subscriber);
            Some((event, rest))
        })
    }

    /// Everything through this message was dealt with: the next subscription of the durable name goes on behind it.
    pub async fn commit(&mut self, message: &Message) -> Result<(), Error> {
        match &message.offset {
            Some(offset) => self.commit_offset(offset).await,
            None => Err(Error::encode("a message that is not stored has no place to go on from")),
        }
    }

    /// The same by offset.
    pub async fn commit_offset(&mut self, offset: &str) -> Result<(), Error> {
        loop {
            match self.live().await?.commit_offset(offset).await {
                // A commit says how far somebody is: saying it twice does no harm.
                Err(Error::Lost { .. }) => self.live = None,
                other => return other,
            }
        }
    }

    /// The last message and event that were yielded: where another subscriber would go on.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.yielded
    }

    /// Ends the subscription. A durable name keeps its place.
    pub async fn close(mut self) -> Result<(), Error> {
        match self.live.take() {
            Some(live) => match live.unsubscribe().await {
                // It ended by itself.
                Err(Error::Lost { .. }) => Ok(()),
                other => other,
            },
            None => Ok(()),
        }
    }

    /// The subscription on a connection that was not lost when last looked at.
    async fn live(&mut self) -> Result<&mut Messages, Error> {
        if self.live.is_none() {
            self.live = Some(self.resume().await?);
        }
        Ok(self.live.as_mut().expect("it was made two lines above"))
    }

    async fn resume(&mut self) -> Result<Messages, Error> {
        let start = self.resumption();
        loop {
            tokio::time::sleep(self.pauses.next()).await;
            let client = self.endpoints.connect().await?;
            match Messages::begin_at(&client, &self.subscription, &start).await {
                Ok(messages) => return Ok(messages),
                Err(Error::Lost { .. } | Error::TimedOut { .. }) => {}
                // The node has not noticed yet that the connection before is gone.
                Err(Error::Node { message, .. }) if message == "durable name in use" => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where to go on.
    fn resumption(&self) -> Start {
        let start = &self.subscription.start;
        if self.subscription.durable.is_some() {
            // What was committed counts; what was yielded since is dropped as it comes.
            return start.clone();
        }
        let known = match start {
            // What has not come yet came after the beginning.
            Start::Latest => self.yielded.clone().or(&self.begin),
            _ => self.yielded.clone(),
        };
        let reaches_events = self.begin.event_offset.is_some();
        let whole = known.offset.is_some() && (known.event_offset.is_some() || !reaches_events);
        // From a place that is only half known the other half would begin with what is new. Beginning again yields the
        // rest of both; repeats are dropped.
        if whole { Start::After(known) } else { start.clone() }
    }

    fn is_repeat(&self, offset: &str) -> bool {
        if self.subscription.shared {
            return false;
        }
        let position = position(offset);
        let last = if position.2.is_some() { &self.yielded.event_offset } else { &self.yielded.offset };
        last.as_deref().is_some_and(|last| position <= self::position(last))
    }
}

/// The numbers of an offset, in the order they are compared in.
fn position(offset: &str) -> (u64, u64, Option<u64>) {
    let mut numbers = offset.split(':').map(|number| number.parse::<u64>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_numbers() {
        assert!(position("1:9") < position("1:10"));
        assert!(position("1:10") < position("2:1"));
        assert!(position("1:9:3") < position("1:9:12"));
        assert_eq!(position("1:9").2, None);
    }
}
