//! `stats`: the statistics object of the protocol, as the value of an entry. It may ask L2, so it is always
//! answered off the workers.

use mpreg_storage::record::Extras;
use mpreg_storage::record::key::DEFAULT_VERSION;
use mpreg_storage::store::Stats;
use mpreg_storage::topics;
use serde_json::json;

use crate::cache::tally::Tally;
use crate::cache::{Clerk, Desk, Patience, head, timed};
use crate::protocol::cache::{Durability, EntryReply, KeyText, Reply};
use crate::session::{self, Step};

impl Desk<'_> {
    pub(super) fn stats(&mut self, key: Option<&KeyText<'_>>, reply: &mut session::Reply<'_>) -> Step {
        if self.patience == Patience::None {
            return Step::Cold;
        }
        let stats = match self.cache.store.stats() {
            Ok(stats) => stats,
            Err(error) => return self.fail(&error, reply),
        };
        let mut value = statistics(&self.cache.totals.read(), &stats);
        if let Some(topics) = self.cache.store.topics() {
            value["topics_statistics"] = backlog_statistics(&topics.stats(), topics.now_us());
        }
        let value = value.to_string();
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let part = |part: fn(&KeyText<'_>) -> String| key.map(part).unwrap_or_default();
        let shown = EntryReply {
            namespace: &part(|key| key.namespace.to_string()),
            identifier: &part(|key| key.identifier.to_string()),
            version: key.map_or(DEFAULT_VERSION, |key| &key.version),
            value: value.as_bytes(),
            created_us: *now_us,
            access_count: 0,
            last_access_us: *now_us,
            ttl_us: None,
            extras: Extras::default(),
            include_metadata: self.request.options.include_metadata,
        };
        let head = head(self.request, ids, *now_us);
        // The figures are those of this process, and gone with it.
        let durability = Some(Durability::Volatile);
        Reply { durability, entry: Some(shown), ..timed(head, mark) }.write_into(reply.out);
        Step::Done
    }
}

fn statistics(totals: &Tally, stats: &Stats) -> serde_json::Value {
    let Tally { l1_hits, l2_hits, misses, puts, deletes, invalidations, atomics, structures } = totals;
    let lookups = l1_hits + l2_hits + misses;
    let hit_rate = if lookups == 0 { 0.0 } else { *l1_hits as f64 / lookups as f64 };
    let memory = &stats.memory;
    json!({
        "operation_stats": {
            "l1_hits": l1_hits, "l2_hits": l2_hits, "l3_hits": 0, "l4_hits": 0, "misses": misses,
            "puts": puts, "deletes": deletes, "invalidations": invalidations,
            "atomics": atomics, "structures": structures,
        },
        "l1_statistics": {
            "hits": l1_hits, "misses": lookups - l1_hits, "evictions": memory.evictions,
            "memory_bytes": memory.bytes, "entry_count": memory.entries, "hit_rate": hit_rate,
            "dirty_entries": memory.dirty_entries, "dirty_bytes": stats.dirty_bytes,
        },
        "l2_statistics": { "entry_count": stats.table_entries, "enabled": true },
        "log_statistics": {
            "unsynced_bytes": stats.unsynced_bytes, "syncs": stats.syncs, "sync_mean_us": stats.sync_mean_us,
            "disk_full": stats.full,
        },
        "replication_statistics": { "pending_operations": 0, "tracked_replications": 0 },
        "performance_metrics": {},
    })
}

/// The backlog of published messages and who lags behind it.
fn backlog_statistics(stats: &topics::Stats, now_us: u64) -> serde_json::Value {
    let oldest_age = stats.oldest_time_us.map(|oldest_us| now_us.saturating_sub(oldest_us) as f64 / 1e6);
    let durable = |subscription: &topics::Subscription| {
        json!({
            "durable": subscription.name, "offset": subscription.reached.to_string(),
            "lag_records": subscription.lag_records,
        })
    };
    json!({
        "backlog_bytes": stats.bytes, "segments": stats.segments, "messages": stats.messages,
        "topics": stats.topics, "oldest_age_seconds": oldest_age, "newest_offset": stats.written.to_string(),
        "unsynced_bytes": stats.unsynced_bytes, "syncs": stats.syncs, "sync_mean_us": stats.sync_mean_us,
        "durable_subscriptions": stats.subscriptions.iter().map(durable).collect::<Vec<_>>(),
    })
}
