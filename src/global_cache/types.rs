//! What callers choose, and what they get.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Which tiers a manager uses beside memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalCacheConfiguration {
    /// Entries survive the process. Without, they are in memory only, and may leave it at any time. Default true.
    pub enable_l2_persistent: bool,
    /// Other nodes of the cluster. Default false; a lone node has none.
    pub enable_l3_distributed: bool,
    /// Other clusters. Default false; a lone node knows none.
    pub enable_l4_federation: bool,
    /// The name of this cluster, as events tell it. Default `mpreg`.
    pub local_cluster_id: String,
}

impl Default for GlobalCacheConfiguration {
    fn default() -> GlobalCacheConfiguration {
        GlobalCacheConfiguration {
            enable_l2_persistent: true,
            enable_l3_distributed: false,
            enable_l4_federation: false,
            local_cluster_id: "mpreg".to_owned(),
        }
    }
}

/// A tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum CacheLevel {
    /// Memory.
    L1,
    /// The disk of this node.
    L2,
    /// Other nodes of the cluster.
    L3,
    /// Other clusters.
    L4,
}

impl CacheLevel {
    pub(super) const ALL: [CacheLevel; 4] = [CacheLevel::L1, CacheLevel::L2, CacheLevel::L3, CacheLevel::L4];

    pub(super) fn name(self) -> &'static str {
        match self {
            CacheLevel::L1 => "L1",
            CacheLevel::L2 => "L2",
            CacheLevel::L3 => "L3",
            CacheLevel::L4 => "L4",
        }
    }
}

/// When a write is acknowledged, and which values a read may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsistencyLevel {
    /// This node only; here the same as eventual.
    Weak,
    /// Handed to the operating system; the newest value.
    #[default]
    Eventual,
    /// Synced; what is synced.
    Strong,
}

impl ConsistencyLevel {
    pub(super) fn name(self) -> &'static str {
        match self {
            ConsistencyLevel::Weak => "weak",
            ConsistencyLevel::Eventual => "eventual",
            ConsistencyLevel::Strong => "strong",
        }
    }
}

/// How one operation is done. Defaults are those of the protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheOptions {
    /// Tiers to use; empty: all. A write without `L2` is in memory only.
    pub cache_levels: Vec<CacheLevel>,
    /// Default eventual.
    pub consistency_level: ConsistencyLevel,
    /// How long a strong write may take, in milliseconds. Default 5000.
    pub timeout_ms: u64,
    /// Whether results have the optional members of entries. Default true.
    pub include_metadata: bool,
    /// A removal takes along what depends on what it removes. Default false.
    pub cascade_dependencies: bool,
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        CacheOptions {
            cache_levels: Vec::new(),
            consistency_level: ConsistencyLevel::Eventual,
            timeout_ms: 5000,
            include_metadata: true,
            cascade_dependencies: false,
        }
    }
}

impl CacheOptions {
    /// As the protocol writes them, without tiers that are off.
    pub(super) fn to_json(&self, persistent: bool) -> Value {
        let asked = if self.cache_levels.is_empty() { &CacheLevel::ALL[..] } else { &self.cache_levels };
        let on = asked.iter().filter(|level| persistent || **level != CacheLevel::L2);
        let mut levels: Vec<&str> = on.map(|level| level.name()).collect();
        if levels.is_empty() {
            // Nothing is left but memory, which is always there.
            levels.push(CacheLevel::L1.name());
        }
        json!({"cache_levels": levels, "consistency_level": self.consistency_level.name(),
               "timeout_ms": self.timeout_ms, "include_metadata": self.include_metadata,
               "cascade_dependencies": self.cascade_dependencies})
    }
}

/// What is stored beside a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CacheMetadata {
    /// What computing the value cost, in milliseconds.
    pub computation_cost_ms: f64,
    /// Keys the value was made of, as `namespace:identifier:version`.
    pub dependencies: Vec<String>,
    /// Seconds until it expires; `None`: never.
    pub ttl_seconds: Option<f64>,
}

impl CacheMetadata {
    pub(super) fn to_json(&self) -> Value {
        json!({"computation_cost_ms": self.computation_cost_ms, "dependencies": self.dependencies,
               "ttl_seconds": self.ttl_seconds})
    }
}

/// An entry that was found or stored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct CacheEntry {
    /// Its value.
    pub value: Value,
    /// When it was written, Unix seconds.
    pub creation_time: f64,
    /// Reads so far.
    pub access_count: u64,
    /// The last one, Unix seconds.
    pub last_access_time: f64,
    /// Seconds of life it was given.
    #[serde(default)]
    pub ttl_seconds: Option<f64>,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CacheResult {
    /// Whether it found, stored, changed or removed something.
    pub success: bool,
    /// `hit`, `miss`, `partial`, `conflict`, `timeout` or `error`.
    pub status: String,
    /// The tier that answered.
    pub cache_level: Option<CacheLevel>,
    /// `volatile`, `eventual` or `strong`: what holds of the write, or of the value read.
    pub durability: Option<String>,
    /// The entry, where there is one.
    pub entry: Option<CacheEntry>,
    /// Why not, where it was refused.
    pub error_message: Option<String>,
    /// The whole answer of the protocol.
    pub response: Map<String, Value>,
}

impl CacheResult {
    pub(super) fn of(response: Map<String, Value>) -> CacheResult {
        let text = |name: &str| response.get(name).and_then(Value::as_str).map(str::to_owned);
        let status = text("status").unwrap_or_default();
        let level = response.get("cache_level").cloned();
        CacheResult {
            success: matches!(&*status, "hit" | "partial"),
            status,
            cache_level: level.and_then(|level| serde_json::from_value(level).ok()),
            durability: text("durability"),
            entry: response.get("entry").cloned().and_then(|entry| serde_json::from_value(entry).ok()),
            error_message: text("error_message"),
            response,
        }
    }

    /// The value as what it is.
    ///
    /// # Errors
    /// There is none, or it is something else.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let value = self.entry.as_ref().map_or(Value::Null, |entry| entry.value.clone());
        serde_json::from_value(value)
    }
}
