//! A subscription of one connection.

use std::collections::VecDeque;

use serde::Serialize;

use super::message::Ack;
use super::subscription::{Ask, Place, Start, Subscription};
use super::{Event, Message};
use crate::client::incoming::SUBSCRIPTION_PREFIX;
use crate::client::lanes::Exit;
use crate::client::{Client, Error};

/// Messages of a subscription, in order. Ends with its connection; dropping it ends the subscription.
#[derive(Debug)]
pub struct Messages {
    client: Client,
    number: u64,
    id: String,
    lane: Exit,
    /// Taken from the lane while an answer was waited for.
    taken: VecDeque<Vec<u8>>,
    /// Where it begins, as the node says: the newest message and event at that moment.
    begin: Place,
    /// The node knows that it is over, or will.
    ended: bool,
}

#[derive(Serialize)]
struct Subscribe<'a> {
    role: &'static str,
    subscription: Ask<'a>,
}

#[derive(Serialize)]
struct About<'a> {
    role: &'static str,
    subscription_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<&'a str>,
}

impl Messages {
    pub(super) async fn begin(client: &Client, subscription: &Subscription) -> Result<Messages, Error> {
        Messages::begin_at(client, subscription, &subscription.start).await
    }

    /// Subscribes, beginning elsewhere than the subscription says.
    pub(super) async fn begin_at(
        client: &Client,
        subscription: &Subscription,
        start: &Start,
    ) -> Result<Messages, Error> {
        // The lane is there before the node can send anything.
        let (number, lane) = client.shared.routes.lanes.subscribe();
        let id = format!("{}{SUBSCRIPTION_PREFIX}{number}", client.shared.name);
        let taken = VecDeque::new();
        // What is dropped on the way there is ended, too: the node may have begun it.
        let mut messages = Messages {
            client: client.clone(),
            number,
            id,
            lane,
            taken,
            begin: Place::default(),
            ended: false,
        };
        let ask = Ask {
            subscription_id: &messages.id,
            patterns: &subscription.patterns,
            start,
            durable: subscription.durable.as_deref(),
            shared: subscription.shared,
        };
        let reply = client.send(&Subscribe { role: "pubsub-subscribe", subscription: ask }).await?;
        let ack = Ack::read(&reply)?;
        messages.begin = Place { offset: ack.offset, event_offset: ack.event_offset };
        Ok(messages)
    }

    /// The next message or gap; waits for one. [`Error::Lost`] at the end of the connection. May be dropped and called
    /// again without losing anything.
    pub async fn next(&mut self) -> Result<Event, Error> {
        let text = match self.taken.pop_front() {
            Some(text) => text,
            None => self.lane.next().await.ok_or_else(|| self.client.shared.routes.pending.lost())?,
        };
        Event::read(&text)
    }

    /// The same as a stream, which ends behind its first error.
    pub fn into_stream(self) -> impl futures_util::Stream<Item = Result<Event, Error>> + Send {
        futures_util::stream::unfold(Some(self), |messages| async {
            let mut messages = messages?;
            let event = messages.next().await;
            let rest = event.is_ok().then_some(messages);
            Some((event, rest))
        })
    }

    /// The newest message and event when it began.
    #[must_use]
    pub fn begin_place(&self) -> &Place {
        &self.begin
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
        let (client, id) = (self.client.clone(), self.id.clone());
        let about = About { role: "pubsub-commit", subscription_id: &id, offset: Some(offset) };
        let asking = client.send(&about);
        let mut asking = std::pin::pin!(asking);
        // The answer may stand behind messages on the connection: they must be taken for it to come. How many they are
        // is bounded: the node answers behind what it had already queued.
        let reply = loop {
            tokio::select! {
                biased;
                reply = &mut asking => break reply?,
                Some(text) = self.lane.next() => self.taken.push_back(text),
            }
        };
        Ack::read(&reply).map(drop)
    }

    /// Ends the subscription; what was received and not taken is dropped.
    pub async fn unsubscribe(mut self) -> Result<(), Error> {
        // Nothing of it holds the connection up from here on.
        self.client.shared.routes.lanes.unsubscribe(self.number);
        self.lane.close();
        self.ended = true;
        let reply = self.client.send(&self.goodbye()).await?;
        Ack::read(&reply).map(drop)
    }

    fn goodbye(&self) -> About<'_> {
        About { role: "pubsub-unsubscribe", subscription_id: &self.id, offset: None }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.client.shared.routes.lanes.unsubscribe(self.number);
        if !self.ended && !self.client.is_lost() {
            // Nobody waits for the answer. Where there is no room to send it the node is only told late: with the end of the
            // connection.
            self.client.post_now(&self.goodbye());
        }
    }
}
