//! The cache inside a program, no socket: typed values, lives, tags, locks, and what happens as a stream.
//!
//!     cargo run --example global_cache

use mpreg::events::EventsFrom;
use mpreg::global_cache::{
    CacheLevel, CacheMetadata, CacheOptions, ConsistencyLevel, GlobalCacheConfiguration,
};
use mpreg::{GlobalCacheKey, GlobalCacheManager};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    user_id: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let configuration =
        || GlobalCacheConfiguration { local_cluster_id: "cluster-a".to_owned(), ..Default::default() };
    let cache = GlobalCacheManager::open(dir.path(), configuration()).await?;
    // As in the guide: memory, and other clusters, of which there are none.
    let key = GlobalCacheKey::from_data("user_sessions", &json!({"session_id": "session_123"}))?;
    let options = CacheOptions { cache_levels: vec![CacheLevel::L1, CacheLevel::L4], ..Default::default() };
    let life = CacheMetadata { ttl_seconds: Some(300.0), ..Default::default() };
    let session = Session { user_id: "user_456".to_owned() };
    cache.put(&key, &session, &life, &options).await?;
    let result = cache.get(&key, &options).await?;
    println!("Cache hit: {}, {:?}", result.success, result.durability);
    assert_eq!(result.value::<Session>()?, session);

    // On the disk before the call returns, and still there afterwards.
    let strong = CacheOptions { consistency_level: ConsistencyLevel::Strong, ..Default::default() };
    let mut events = cache.events(EventsFrom::Latest)?;
    let tagged = GlobalCacheKey::new("models", "bert-large").tags(["nlp"]);
    cache.put(&tagged, &json!({"accuracy": 0.93}), &CacheMetadata::default(), &strong).await?;
    let change = events.next().await?.expect("nothing is missing");
    println!("{:?} of {}:{}", change.kind, change.namespace, change.identifier);
    drop(events);
    cache.shutdown().await?;

    let cache = GlobalCacheManager::open(dir.path(), configuration()).await?;
    let again = cache.get(&tagged, &CacheOptions::default()).await?;
    println!("After a restart: {} from {:?}", again.success, again.cache_level);
    assert!(again.success);
    // A lock that exactly one may take.
    let lock = GlobalCacheKey::new("locks", "resource_abc");
    let take =
        json!({"atomic_operation": {"operation_type": "test_and_set", "new_value": "me", "ttl_seconds": 30}});
    let members = take.as_object().cloned().unwrap_or_default();
    let first = cache.request("atomic", Some(&lock), &strong, members.clone()).await?;
    let second = cache.request("atomic", Some(&lock), &strong, members).await?;
    println!("Lock: {}, then {}", first.status, second.status);
    assert!(first.success && !second.success);
    cache.shutdown().await?;
    Ok(())
}
