//! The `[topics]` section of the configuration, as the store and pub/sub want it.

use mpreg_storage::topics::{self, Limits};

use crate::config::Config;
use crate::pubsub::{Pattern, Rules};

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
    let mut options = topics::Options::default();
    options.limits = general;
    options.bytes_max = config.topics_bytes_max;
    options.segment_bytes = config.segment_bytes;
    options.sync_interval_us = us(config.sync_interval);
    options.unsynced_bytes_max = config.unsynced_bytes_max;
    options.unsynced_age_us_max = us(config.unsynced_age_max);
    options.policies = config.topics_keep.iter().map(|keep| policy(keep, general)).collect();
    options
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
