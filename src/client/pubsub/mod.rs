//! Topics: publishing, and two kinds of subscriptions.
//!
//! A [`Messages`] lives as long as its connection. A [`Subscriber`] has a connection of its own and outlives it: it connects
//! again, to another node if need be, and goes on behind the last message it yielded.
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mpreg::client::{Client, Endpoints, Event, Start, Subscriber, Subscription};
//!
//! # let dir = tempfile::tempdir()?;
//! # let node = mpreg::Node::new(dir.path()).listen("127.0.0.1:0".parse()?).start().await?;
//! let client = Client::connect(&node.url()).await?;
//! client.publish("orders.new", &7).await?;
//!
//! // What was published before comes first, in order, then what is live.
//! let wanted = Subscription::new(["orders.#"]).start(Start::Earliest).durable("billing");
//! let mut orders = Subscriber::open(Endpoints::new([node.url()])?, wanted).await?;
//! client.publish("orders.paid", &7).await?;
//! for topic in ["orders.new", "orders.paid"] {
//!     let Event::Message(message) = orders.next().await? else { panic!("nothing is missing") };
//!     assert_eq!(message.topic, topic);
//!     // The next subscription of this name begins behind it.
//!     orders.commit(&message).await?;
//! }
//! # drop((client, orders));
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod message;
mod messages;
mod subscriber;
mod subscription;

use serde::Serialize;

pub use message::{Event, Gap, Message, Publish, Published};
pub use messages::Messages;
pub use subscriber::Subscriber;
pub use subscription::{Place, Start, Subscription};

use super::{Client, Error};

impl Client {
    /// Publishes a message. Acknowledged at the level the topic has on this node.
    pub async fn publish<T: Serialize + ?Sized>(&self, topic: &str, payload: &T) -> Result<Published, Error> {
        self.publish_with(&Publish::new(topic, payload)?).await
    }

    /// Publishes a message with everything it has.
    pub async fn publish_with(&self, message: &Publish) -> Result<Published, Error> {
        Published::read(&self.send(message).await?)
    }

    /// Subscribes on this connection. While its messages are not taken, all else on the connection waits: a slow reader
    /// should have one of its own, as a [`Subscriber`] has.
    pub async fn subscribe(&self, subscription: &Subscription) -> Result<Messages, Error> {
        Messages::begin(self, subscription).await
    }
}
