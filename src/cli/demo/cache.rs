//! The cache demonstration: what a single node does with data.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{check, start, tell};
use crate::global_cache::{CacheLevel, CacheMetadata, CacheOptions, GlobalCacheConfiguration};
use crate::{GlobalCacheKey, Running};

pub(super) async fn run(dir: &Path) -> anyhow::Result<()> {
    let (running, mut peer) = start(dir).await?;
    let peer = &mut peer;
    let session = ("user_sessions", "session_123");
    let strong = json!({"value": {"user_id": "user_456"}, "options": {"consistency_level": "strong"}});
    let put = peer.cache("put", session, strong).await?;
    check(
        "put, strong",
        put["durability"] == "strong",
        &format!("{} is synced to disk", put["entry"]["value"]),
    )?;
    let get = peer.cache("get", session, json!({})).await?;
    check("get", get["status"] == "hit", &format!("{} from {}", get["entry"]["value"], get["cache_level"]))?;

    let take = json!({"options": {"consistency_level": "strong"}, "atomic_operation":
        {"operation_type": "test_and_set", "new_value": {"owner": "worker_001"}, "ttl_seconds": 300}});
    let first = peer.cache("atomic", ("locks", "resource_abc"), take.clone()).await?;
    let second = peer.cache("atomic", ("locks", "resource_abc"), take).await?;
    let one_won = first["status"] == "hit" && second["status"] == "conflict";
    check("lock, taken twice", one_won, &format!("{}, then {}", first["status"], second["status"]))?;
    let step = json!({"atomic_operation": {"operation_type": "increment"}});
    for _ in 0..3 {
        peer.cache("atomic", ("counters", "visits"), step.clone()).await?;
    }
    let visits = peer.cache("get", ("counters", "visits"), json!({})).await?;
    check("increment, three times", visits["entry"]["value"] == 3, &visits["entry"]["value"].to_string())?;
    structures(peer).await?;
    removals(peer).await?;

    let expiring = json!({"value": 1, "metadata": {"ttl_seconds": 0.05}});
    peer.cache("put", ("temp", "soon"), expiring).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let gone = peer.cache("get", ("temp", "soon"), json!({})).await?;
    check("ttl of 50 ms", gone["status"] == "miss", "gone after 100 ms")?;
    embedded(&running).await?;

    running.shutdown().await?;
    tell("restart", "the node is stopped and started again")?;
    let (running, mut peer) = start(dir).await?;
    let again = peer.cache("get", session, json!({})).await?;
    check("get after the restart", again["status"] == "hit", &again["entry"]["value"].to_string())?;
    let members = peer.cache("get", ("user_permissions", "user_456"), json!({})).await?;
    check("set after the restart", members["status"] == "hit", &members["entry"]["value"].to_string())?;
    drop(peer);
    Ok(running.shutdown().await?)
}

async fn structures(peer: &mut super::Peer) -> anyhow::Result<()> {
    let structure = |operation: Value| json!({"structure_operation": operation});
    let add =
        structure(json!({"structure_type": "set", "operation": "add", "values": ["admin", "moderator"]}));
    let added = peer.cache("structure", ("user_permissions", "user_456"), add.clone()).await?;
    let again = peer.cache("structure", ("user_permissions", "user_456"), add).await?;
    let (first, second) = (&added["structure_result"]["added"], &again["structure_result"]["added"]);
    check("set add, twice", *first == 2 && *second == 0, &format!("{first} new members, then {second}"))?;
    let score =
        json!([{"value": "ada", "score": 12.5}, {"value": "bob", "score": 7}, {"value": "eve", "score": 9}]);
    let score = json!({"structure_type": "sorted_set", "operation": "add_scored", "scored_values": score});
    peer.cache("structure", ("games", "ranking"), structure(score)).await?;
    let top = structure(json!({"structure_type": "sorted_set", "operation": "get_top", "limit": 2}));
    let top = peer.cache("structure", ("games", "ranking"), top).await?;
    let best = &top["structure_result"]["value"];
    check("sorted set, top 2", best[0]["value"] == "ada", &best.to_string())?;
    let fields = json!({"structure_type": "map", "operation": "set_field",
        "field_updates": {"profile.name": "Ada", "logins": {"operation": "increment", "value": 1}}});
    peer.cache("structure", ("users", "ada"), structure(fields)).await?;
    let map = peer.cache("get", ("users", "ada"), json!({})).await?;
    let value = &map["entry"]["value"];
    check("map, nested field", value["profile"]["name"] == "Ada", &value.to_string())?;
    let push = json!({"structure_type": "queue", "operation": "enqueue", "values": ["job-1", "job-2"]});
    peer.cache("structure", ("jobs", "open"), structure(push)).await?;
    let pop = structure(json!({"structure_type": "queue", "operation": "dequeue"}));
    let job = peer.cache("structure", ("jobs", "open"), pop).await?;
    let job = &job["structure_result"]["value"];
    check("queue", job == "job-1", &format!("{job} comes first"))
}

async fn removals(peer: &mut super::Peer) -> anyhow::Result<()> {
    for number in 0..3 {
        peer.cache("put", ("temp_data", &format!("expired_{number}")), json!({"value": number})).await?;
    }
    let clear = json!({"role": "cache-request", "u": "1", "operation": "namespace", "namespace_operation":
        {"operation_type": "clear", "namespace": "temp_data", "pattern": "expired_*", "max_entries": 1000}});
    let cleared = peer.call(&clear).await?;
    let count = &cleared["namespace_result"]["cleared_count"];
    check("namespace clear", *count == 3, &format!("{count} entries"))?;
    let tagged =
        |id: &str| json!({"value": 1, "key": {"namespace": "ml", "identifier": id, "tags": ["model:bert"]}});
    peer.cache("put", ("ml", "a"), tagged("a")).await?;
    peer.cache("put", ("ml", "b"), tagged("b")).await?;
    let by_tag =
        json!({"role": "cache-request", "u": "1", "operation": "invalidate", "tags": ["model:bert"]});
    let invalidated = peer.call(&by_tag).await?;
    let count = &invalidated["namespace_result"]["count"];
    check("invalidate by tag", *count == 2, &format!("{count} entries"))
}

/// The guide's third client: the cache inside the program.
async fn embedded(running: &Running) -> anyhow::Result<()> {
    let cache = running.cache_manager(GlobalCacheConfiguration::default())?;
    let key = GlobalCacheKey::from_data("user_sessions", &json!({"session_id": "session_123"}))?;
    let options =
        CacheOptions { cache_levels: vec![CacheLevel::L1, CacheLevel::L4], ..CacheOptions::default() };
    let metadata = CacheMetadata { ttl_seconds: Some(300.0), ..CacheMetadata::default() };
    cache.put(&key, &json!({"user_id": "user_456"}), &metadata, &options).await?;
    let result = cache.get(&key, &options).await?;
    check("GlobalCacheManager", result.success, &format!("Cache hit: {}", result.success))
}
