//! The cache inside a program answers as the server does.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support {
    pub mod wire;
}

use mpreg::events::EventKind;
use mpreg::events::EventsFrom;
use mpreg::global_cache::{
    CacheLevel, CacheMetadata, CacheOptions, CacheResult, ConsistencyLevel, Error, GlobalCacheConfiguration,
};
use mpreg::{GlobalCacheKey, GlobalCacheManager};
use mpreg_storage::store::{Options, Store};
use serde_json::{Value, json};
use support::wire::{Peer, start};
use tempfile::TempDir;

fn levels(levels: &[CacheLevel]) -> CacheOptions {
    CacheOptions { cache_levels: levels.to_vec(), ..CacheOptions::default() }
}

/// Tests run on full disks, too.
fn open(dir: &TempDir, configuration: GlobalCacheConfiguration) -> GlobalCacheManager {
    let options = Options { free_bytes_min: Some(0), topics: None, ..Options::new(dir.path()) };
    GlobalCacheManager::over_store(Store::open(options).unwrap(), configuration).unwrap()
}

async fn put(
    cache: &GlobalCacheManager,
    key: &GlobalCacheKey,
    value: Value,
    options: &CacheOptions,
) -> CacheResult {
    cache.put(key, &value, &CacheMetadata::default(), options).await.unwrap()
}

#[tokio::test]
async fn a_manager_reads_what_it_wrote_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(&dir, GlobalCacheConfiguration::default());
    let options = CacheOptions::default();
    let key = GlobalCacheKey::from_data("n", &json!({"id": 1})).unwrap();
    assert!(!cache.get(&key, &options).await.unwrap().success);
    let metadata = CacheMetadata {
        ttl_seconds: Some(60.0),
        dependencies: vec!["n:a:v1.0.0".to_owned()],
        ..Default::default()
    };
    let strong = CacheOptions { consistency_level: ConsistencyLevel::Strong, ..CacheOptions::default() };
    let stored = cache.put(&key, &json!({"user": 1}), &metadata, &strong).await.unwrap();
    assert_eq!((stored.success, stored.cache_level), (true, Some(CacheLevel::L1)));
    assert_eq!(stored.durability.as_deref(), Some("strong"));
    let refused = put(&cache, &key, Value::Null, &options).await;
    assert!(!refused.success && refused.error_message.unwrap().contains("value"));
    cache.shutdown().await.unwrap();
    let cache = open(&dir, GlobalCacheConfiguration::default());
    let found = cache.get(&key, &options).await.unwrap();
    assert_eq!((found.success, found.cache_level), (true, Some(CacheLevel::L2)));
    assert_eq!(found.value::<Value>().unwrap(), json!({"user": 1}));
    assert_eq!(found.entry.as_ref().unwrap().ttl_seconds, Some(60.0));
    // What depends on what is removed goes along.
    let a = GlobalCacheKey::new("n", "a");
    put(&cache, &a, json!(1), &options).await;
    let cascade = CacheOptions { cascade_dependencies: true, ..CacheOptions::default() };
    assert!(cache.delete(&a, &cascade).await.unwrap().success);
    assert!(!cache.get(&key, &options).await.unwrap().success);
    assert!(!cache.delete(&a, &options).await.unwrap().success);
    put(&cache, &a, json!(1), &options).await;
    assert!(cache.invalidate("n:*", &options).await.unwrap().success);
    assert!(!cache.invalidate("n:*", &options).await.unwrap().success);
    assert_eq!(cache.statistics().await.unwrap()["operation_stats"]["invalidations"], 2);
    cache.shutdown().await.unwrap();
}

#[tokio::test]
async fn tiers_that_are_off_are_not_used_and_those_of_others_not_configured() {
    let dir = tempfile::tempdir().unwrap();
    for (l3, l4, what) in [(true, false, "enable_l3_distributed"), (false, true, "enable_l4_federation")] {
        let configuration = GlobalCacheConfiguration {
            enable_l3_distributed: l3,
            enable_l4_federation: l4,
            ..Default::default()
        };
        let refused = GlobalCacheManager::open(dir.path(), configuration).await.unwrap_err();
        assert!(matches!(refused, Error::NotConfigured { what: named } if named == what), "{refused}");
    }
    let configuration = GlobalCacheConfiguration { enable_l2_persistent: false, ..Default::default() };
    let cache = open(&dir, configuration);
    let key = GlobalCacheKey::new("n", "a");
    for options in
        [CacheOptions::default(), levels(&[CacheLevel::L2]), levels(&[CacheLevel::L1, CacheLevel::L4])]
    {
        let stored = put(&cache, &key, json!(1), &options).await;
        assert_eq!((stored.success, stored.durability.as_deref()), (true, Some("volatile")));
        assert!(cache.get(&key, &options).await.unwrap().success);
    }
    cache.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_manager_of_a_running_node_shares_its_cache() {
    let (running, _dir) = start(|node| node).await;
    let cache = running.cache_manager(GlobalCacheConfiguration::default()).unwrap();
    let mut events = cache.events(EventsFrom::Latest).unwrap();
    let mut client = Peer::connect(&running, "tcp").await;
    let key = GlobalCacheKey::new("n", "a");
    put(&cache, &key, json!([1, 2]), &CacheOptions::default()).await;
    let get = json!({"role": "cache-request", "u": "1", "operation": "get", "key": {"namespace": "n", "identifier": "a"}});
    assert_eq!(client.call(&get).await["entry"]["value"], json!([1, 2]));
    let members =
        json!({"structure_operation": {"structure_type": "list", "operation": "append", "values": [3]}});
    let members = members.as_object().unwrap().clone();
    let pushed = cache.request("structure", Some(&key), &CacheOptions::default(), members).await.unwrap();
    assert_eq!(pushed.response["structure_result"]["size"], 3);
    let unknown =
        cache.request("nothing", Some(&key), &CacheOptions::default(), serde_json::Map::new()).await;
    let unknown = unknown.unwrap();
    assert_eq!((unknown.success, &*unknown.status), (false, "error"));
    assert_eq!(unknown.response["error_code"], "CACHE_BAD_REQUEST");
    assert_eq!(events.next().await.unwrap().unwrap().kind, EventKind::Put);
    cache.shutdown().await.unwrap();
    assert_eq!(client.call(&get).await["status"], "hit", "the node goes on");
}
