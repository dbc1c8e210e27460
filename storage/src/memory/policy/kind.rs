//! The policies by name, and how one is built.

use std::sync::Arc;

use super::adaptive::Advisor;
use super::dependents::Dependents;
use super::s4lru::SEGMENTS_MAX;
use super::tuning::Steering;
use super::{Policy, Scale, cost, dependency, lfu, lru, s3fifo, s4lru, ttl};

/// The policies an operator can choose from. All but the first two are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PolicyKind {
    /// [`PolicyKind::S3Fifo`], steered: six tunings of it run beside the memory on a sample of the keys, and the one
    /// that would have hit most is used.
    #[default]
    Adaptive,
    /// Three first-in-first-out queues: newcomers, proven entries, and ghosts of the recently evicted. Scans pass
    /// through without hurting. Source: "FIFO queues are all you need for cache eviction", SOSP 2023; ours differs
    /// as `s3fifo.rs` says.
    S3Fifo,
    /// Least recently used, exact to 16 ms.
    Lru,
    /// Least frequently read since it was written or loaded; of those the one whose last use is longest ago. No ageing.
    Lfu,
    /// Segmented LRU: what is read moves up by one segment, what overflows moves down by one.
    S4Lru {
        /// Number of segments, 1 to 15; others are taken for the nearest. The protocol's default is 4.
        segments: u8,
    },
    /// Least `(computation_cost_ms * access_count / age) / size` first; what cost nothing or was never read goes
    /// before everything else.
    CostBased,
    /// Least remaining life first; what never expires goes last.
    Ttl,
    /// Fewest dependents first: the entries in memory whose `dependencies` name the key. Estimated, never too low.
    DependencyAware,
}

/// Segments of [`PolicyKind::S4Lru`] when nobody says otherwise.
const SEGMENTS_DEFAULT: u8 = 4;

impl PolicyKind {
    /// Every name [`PolicyKind::parse`] knows: ours, then the protocol's.
    pub const NAMES: &[&str] =
        &["adaptive", "s3fifo", "lru", "lfu", "s4lru", "cost_based", "ttl", "dependency_aware"];

    /// One of each, for tests that hold for all.
    #[cfg(all(test, not(loom)))]
    pub(in crate::memory) const ALL: [PolicyKind; 8] = [
        PolicyKind::Adaptive,
        PolicyKind::S3Fifo,
        PolicyKind::Lru,
        PolicyKind::Lfu,
        PolicyKind::S4Lru { segments: SEGMENTS_DEFAULT },
        PolicyKind::CostBased,
        PolicyKind::Ttl,
        PolicyKind::DependencyAware,
    ];

    /// The policy of a name in [`PolicyKind::NAMES`]; `s4lru` with 4 segments.
    #[must_use]
    pub fn parse(name: &str) -> Option<PolicyKind> {
        Some(match name {
            "adaptive" => PolicyKind::Adaptive,
            "s3fifo" => PolicyKind::S3Fifo,
            "lru" => PolicyKind::Lru,
            "lfu" => PolicyKind::Lfu,
            "s4lru" => PolicyKind::S4Lru { segments: SEGMENTS_DEFAULT },
            "cost_based" => PolicyKind::CostBased,
            "ttl" => PolicyKind::Ttl,
            "dependency_aware" => PolicyKind::DependencyAware,
            _ => return None,
        })
    }

    /// The name [`PolicyKind::parse`] knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PolicyKind::Adaptive => "adaptive",
            PolicyKind::S3Fifo => "s3fifo",
            PolicyKind::Lru => "lru",
            PolicyKind::Lfu => "lfu",
            PolicyKind::S4Lru { .. } => "s4lru",
            PolicyKind::CostBased => "cost_based",
            PolicyKind::Ttl => "ttl",
            PolicyKind::DependencyAware => "dependency_aware",
        }
    }

    /// Reads beyond this heat tell the policy nothing more, so readers stop writing it.
    pub(in crate::memory) fn heat_max(self) -> u8 {
        match self {
            PolicyKind::Adaptive | PolicyKind::S3Fifo => s3fifo::HEAT_MAX,
            PolicyKind::S4Lru { .. } => SEGMENTS_MAX,
            PolicyKind::Lru
            | PolicyKind::Lfu
            | PolicyKind::CostBased
            | PolicyKind::Ttl
            | PolicyKind::DependencyAware => 0,
        }
    }
}

/// What the shards' instances of one memory share, and how each of them is built.
#[derive(Debug)]
pub(in crate::memory) struct Common {
    kind: PolicyKind,
    scale: Scale,
    steering: Arc<Steering>,
    dependents: Option<Arc<Dependents>>,
}

impl Common {
    /// `bytes_max` and `seed` as in [`crate::memory::Options`].
    pub(in crate::memory) fn new(kind: PolicyKind, scale: Scale, bytes_max: u64, seed: u64) -> Common {
        let counting = kind == PolicyKind::DependencyAware;
        let dependents = counting.then(|| Arc::new(Dependents::new(bytes_max, seed)));
        Common { kind, scale, steering: Arc::default(), dependents }
    }

    /// Who steers the instances, where somebody does and the memory is large enough to afford it.
    pub(in crate::memory) fn advisor(&self, bytes_max: u64, entries_max: u64) -> Option<Advisor> {
        let steered = self.kind == PolicyKind::Adaptive;
        steered.then(|| Advisor::new(self.steering.clone(), bytes_max, entries_max)).flatten()
    }

    /// Bytes that the shared parts take whatever is held; the advisor counts for itself.
    pub(in crate::memory) fn bytes(&self) -> u64 {
        self.dependents.as_ref().map_or(0, |dependents| dependents.bytes())
    }

    /// One shard's instance.
    pub(in crate::memory) fn build(&self) -> Box<dyn Policy> {
        match self.kind {
            PolicyKind::Adaptive => Box::new(s3fifo::S3Fifo::new(self.scale, Some(self.steering.clone()))),
            PolicyKind::S3Fifo => Box::new(s3fifo::S3Fifo::new(self.scale, None)),
            PolicyKind::Lru => Box::new(lru::policy()),
            PolicyKind::Lfu => Box::new(lfu::policy()),
            PolicyKind::S4Lru { segments } => Box::new(s4lru::S4Lru::new(self.scale, segments)),
            PolicyKind::CostBased => Box::new(cost::policy()),
            PolicyKind::Ttl => Box::new(ttl::policy()),
            PolicyKind::DependencyAware => {
                let dependents = self.dependents.as_ref().expect("made for this policy");
                Box::new(dependency::policy(dependents.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_both_ways() {
        for name in PolicyKind::NAMES {
            assert_eq!(PolicyKind::parse(name).map(PolicyKind::name), Some(*name));
        }
        assert_eq!(PolicyKind::parse("s4lru"), Some(PolicyKind::S4Lru { segments: 4 }));
        assert_eq!(PolicyKind::parse("LRU"), None);
        assert_eq!(PolicyKind::default(), PolicyKind::Adaptive);
    }
}
