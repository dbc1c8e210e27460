//! Topics as the other rooms want them: the `[topics]` section for the store and pub/sub, a bus for the RPC.

use mpreg_storage::topics::{self, Limits};

use std::sync::Arc;

use mpreg_storage::json::write;

use crate::cache::Announcer;
use crate::config::Config;
use crate::pubsub::{Draft, Hub, Pattern, Rules};
use crate::rpc::catalog::{Announcement, Bus, Subscribed};

/// What holds for publishes.
pub(super) fn rules(config: &Config) -> Rules {
    let strong = config.level == mpreg_storage::store::Level::Strong;
    Rules::new(strong, patterns(&config.topics_volatile), patterns(&config.topics_strong))
}

/// How the backlog is kept.
pub(super) fn options(config: &Config) -> topics::Options {
    let us = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let general =
        Limits { age_us: us(config.topics_age_max), count: config.topics_messages_max, bytes: u64::MAX };
    topics::Options {
        limits: general,
        bytes_max: config.topics_bytes_max,
        segment_bytes: config.segment_bytes,
        sync_interval_us: us(config.sync_interval),
        unsynced_bytes_max: config.unsynced_bytes_max,
        unsynced_age_us_max: us(config.unsynced_age_max),
        policies: config.topics_keep.iter().map(|keep| policy(keep, general)).collect(),
        ..topics::Options::default()
    }
}

/// What a topic may have that is kept in its own way; what it leaves out is as everywhere.
fn policy(keep: &crate::config::Keep, general: Limits) -> topics::Policy {
    let pattern = topics::Pattern::new(&keep.pattern).expect("the configuration has been checked");
    let mut policy = topics::Policy::new(pattern);
    policy.limits = Limits {
        age_us: keep.age_us.unwrap_or(general.age_us),
        count: keep.messages.unwrap_or(general.count),
        bytes: keep.bytes.unwrap_or(general.bytes),
    };
    policy
}

fn patterns(texts: &[String]) -> Vec<Pattern> {
    let pattern = |text: &String| Pattern::new(text, false).expect("the configuration has been checked");
    texts.iter().map(pattern).collect()
}

/// The way of the cache to pub/sub.
#[derive(Debug)]
pub(super) struct HubAnnouncer(pub(super) Arc<Hub>);

impl Announcer for HubAnnouncer {
    fn expect(&self) {
        self.0.announces();
    }
}

/// The way of the RPC to pub/sub.
#[derive(Debug)]
pub(super) struct HubBus(pub(super) Arc<Hub>);

impl Bus for HubBus {
    fn publish(&self, announcement: &Announcement<'_>) {
        self.0.say(draft(announcement, self.0.backlog().now_us()));
    }

    fn subscriptions(&self, topic: Option<&str>, limit: usize) -> Vec<Subscribed> {
        let known = self.0.subscribed(topic, limit).into_iter();
        known.map(|(subscription_id, patterns)| Subscribed { subscription_id, patterns }).collect()
    }
}

fn draft(announcement: &Announcement<'_>, now_us: u64) -> Draft {
    let Announcement { topic, message_id, headers, payload, publisher } = announcement;
    let (mut message, mut id) = (Vec::with_capacity(payload.len() + 256), Vec::new());
    write::string(&mut id, message_id);
    message.extend_from_slice(br#"{"topic":"#);
    write::string(&mut message, topic);
    message.extend_from_slice(br#","payload":"#);
    message.extend_from_slice(payload.as_bytes());
    message.extend_from_slice(br#","timestamp":"#);
    write::seconds(&mut message, now_us);
    message.extend_from_slice(br#","message_id":"#);
    message.extend_from_slice(&id);
    message.extend_from_slice(br#","publisher":"#);
    write::string(&mut message, publisher);
    message.extend_from_slice(br#","headers":"#);
    message.extend_from_slice(headers.as_bytes());
    message.extend_from_slice(br#","routing_path":null,"current_hop":null}"#);
    let message_id = String::from_utf8(id).expect("a JSON string is text").into();
    Draft { topic: (*topic).into(), message: message.into(), message_id }
}
