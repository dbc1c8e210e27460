//! The cache inside the program: no socket, the same operations, the same answers.
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mpreg::global_cache::{CacheLevel, CacheMetadata, CacheOptions, GlobalCacheConfiguration};
//! use mpreg::{GlobalCacheKey, GlobalCacheManager};
//! use serde_json::json;
//!
//! let dir = tempfile::tempdir()?;
//! let configuration =
//!     GlobalCacheConfiguration { local_cluster_id: "cluster-a".to_owned(), ..Default::default() };
//! let cache = GlobalCacheManager::open(dir.path(), configuration).await?;
//!
//! let key = GlobalCacheKey::from_data("user_sessions", &json!({"session_id": "session_123"}))?;
//! let options = CacheOptions { cache_levels: vec![CacheLevel::L1, CacheLevel::L4], ..Default::default() };
//! let metadata = CacheMetadata { ttl_seconds: Some(300.0), ..Default::default() };
//! cache.put(&key, &json!({"user_id": "user_456"}), &metadata, &options).await?;
//!
//! let result = cache.get(&key, &options).await?;
//! assert!(result.success);
//! assert_eq!(result.value::<serde_json::Value>()?, json!({"user_id": "user_456"}));
//! cache.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! An operation goes the way a request of a client goes, without the connection: it is answered by the same code, so it
//! means the same. What has no method here is an operation of the protocol too: [`GlobalCacheManager::request`].
//!
//! A lone node has two tiers, memory (`L1`) and disk (`L2`). Operations may name `L3` and `L4`, which then find
//! nothing; a configuration that switches them on without anybody to reach is refused.

mod key;
mod manager;
mod types;

pub use key::GlobalCacheKey;
pub use manager::{Error, GlobalCacheManager};
pub use types::{
    CacheEntry, CacheLevel, CacheMetadata, CacheOptions, CacheResult, ConsistencyLevel,
    GlobalCacheConfiguration,
};
