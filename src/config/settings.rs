//! The table of settings. Files, environment, flags, `config print` and the manual all follow from it.

use mpreg_storage::memory::PolicyKind;

use crate::config::Kind;
use crate::limits;

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// `section.key`.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Text of its default.
    pub default: &'static str,
    /// One line for people.
    pub about: &'static str,
}

const fn setting(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Setting {
    Setting { name, kind, default, about }
}

const fn time(min_ms: u64, max_ms: u64) -> Kind {
    Kind::Time { min_ms, max_ms }
}

const fn size(min: u64, max: u64) -> Kind {
    Kind::Size { min, max, auto: false }
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// Every setting, by section.
pub static SETTINGS: &[Setting] = &[
    setting("server.listen", Kind::Addresses, "127.0.0.1:9001", "addresses to listen on; port 0 chooses one"),
    setting(
        "server.insecure",
        Kind::Flag,
        "false",
        "listen beyond loopback although nobody has to authenticate",
    ),
    setting(
        "server.origins",
        Kind::Texts,
        "",
        "browser origins that may connect besides those of this machine",
    ),
    setting(
        "server.level",
        Kind::Choice(&["eventual", "strong"]),
        "eventual",
        "consistency level of requests that name none",
    ),
    setting("server.drain_timeout", time(0, DAY_MS), "30s", "how long a stop waits for connections"),
    setting(
        "cache.allow_invalidate_all",
        Kind::Flag,
        "false",
        "let one invalidate pattern such as * remove everything",
    ),
    setting("storage.dir", Kind::Text, "mpreg-data", "the data directory"),
    setting("storage.segment_bytes", size(MIB, GIB), "64MiB", "size of a log segment"),
    setting("storage.sync_interval", time(1, 1000), "10ms", "how long an eventual write may stay unsynced"),
    setting(
        "storage.checkpoint_bytes",
        Kind::Size { min: 64 * KIB, max: 64 * GIB, auto: true },
        "auto",
        "dirty bytes that start a checkpoint; auto: an eighth of memory.limit, at most 64MiB",
    ),
    setting(
        "storage.checkpoint_interval",
        time(100, DAY_MS),
        "30s",
        "age of dirty entries that starts a checkpoint",
    ),
    setting("storage.unsynced_bytes", size(MIB, 64 * MIB), "64MiB", "unsynced bytes above which writes wait"),
    setting("storage.unsynced_age", time(10, 1000), "1s", "age of unsynced bytes above which writes wait"),
    setting(
        "storage.table_cache",
        Kind::Size { min: MIB, max: 1024 * GIB, auto: true },
        "auto",
        "page cache of the table file, part of memory.limit; auto: a 32nd of it, from 1MiB to 16MiB",
    ),
    setting(
        "storage.free_min",
        Kind::Size { min: 0, max: 1024 * GIB, auto: true },
        "auto",
        "free disk below which writes are refused; auto: 5 % of the disk, at least 256MiB",
    ),
    setting("storage.sweep_interval", time(10, DAY_MS), "1s", "how often expired entries are looked for"),
    setting(
        "storage.scrub_interval",
        time(0, 365 * DAY_MS),
        "1day",
        "how often everything stored is read to find damage; 0s: never",
    ),
    setting(
        "memory.limit",
        size(MIB, 16 * 1024 * GIB),
        "256MiB",
        "memory for keys, values, their overhead, and the table file's cache and filter",
    ),
    setting(
        "memory.memory_pressure_threshold",
        Kind::Fraction { min_permille: 100 },
        "1",
        "part of memory.limit at which entries begin to leave",
    ),
    setting(
        "memory.max_entries",
        Kind::Count { min: 0, max: 1 << 40 },
        "0",
        "entries above which some leave; 0: any number",
    ),
    setting(
        "memory.enforce_both_limits",
        Kind::Flag,
        "false",
        "entries leave only when limit and max_entries are both passed, not either",
    ),
    setting(
        "memory.eviction_batch_size",
        Kind::Count { min: 1, max: 1_000_000 },
        "100",
        "without effect: entries leave one by one and no more than must",
    ),
    setting("memory.policy", Kind::Choice(PolicyKind::NAMES), "adaptive", "which entries leave memory first"),
    setting("memory.s4lru_segments", Kind::Count { min: 1, max: 15 }, "4", "segments of the policy s4lru"),
    setting("limits.connections", Kind::Count { min: 1, max: 1_000_000 }, "10000", "connections in all"),
    setting(
        "limits.connections_per_address",
        Kind::Count { min: 1, max: 1_000_000 },
        "2000",
        "connections of one address other than loopback",
    ),
    setting(
        "limits.message",
        size(64 * KIB, limits::MESSAGE_BYTES_MAX as u64),
        "20MiB",
        "largest message; clients take no more than 20MiB",
    ),
    setting("limits.memory", size(MIB, 1024 * GIB), "512MiB", "request and reply memory of all connections"),
    setting(
        "topics.age",
        time(1000, DAY_MS),
        "1h",
        "age up to which published messages are kept, at least as far as topics.bytes allows",
    ),
    setting(
        "topics.messages",
        Kind::Count { min: 1, max: 1_000_000_000 },
        "1000",
        "messages of each topic that a backlog shows",
    ),
    setting(
        "topics.bytes",
        size(MIB, 1024 * GIB),
        "1GiB",
        "bytes of the log of messages; the oldest leave first",
    ),
    setting(
        "topics.keep",
        Kind::Keeps,
        "",
        "topics kept in another way: 'orders.# age=24h messages=100000 bytes=1GiB', ...",
    ),
    setting("topics.volatile", Kind::Texts, "", "patterns of topics that are delivered and never stored"),
    setting(
        "topics.strong",
        Kind::Texts,
        "",
        "patterns of topics whose publishes are synced when they ask for no level",
    ),
    setting(
        "events.age",
        time(0, DAY_MS),
        "1h",
        "age up to which events of the cache are kept, at least as far as events.bytes allows; 0s: as long as the \
         log needs them",
    ),
    setting(
        "events.bytes",
        size(0, 1024 * GIB),
        "1GiB",
        "bytes of the write-ahead log up to which it is kept for them",
    ),
    setting(
        "events.values",
        Kind::Flag,
        "false",
        "keep and tell the values before and after each change, up to 1MiB of each",
    ),
    setting("node.cluster", Kind::Text, "mpreg", "name of the cluster this node belongs to"),
    setting("node.resources", Kind::Texts, "", "what functions may need and this node has"),
    setting(
        "node.advertise",
        Kind::Texts,
        "",
        "URLs clients are told to use, such as wss://cache.example.com; default those listened on",
    ),
    setting("rpc.timeout", time(1, DAY_MS), "30s", "how long an RPC may take"),
    setting("log.filter", Kind::Text, "info", "what is logged, in the syntax of RUST_LOG"),
    setting(
        "log.format",
        Kind::Choice(&["auto", "pretty", "json"]),
        "auto",
        "pretty on a terminal, json otherwise",
    ),
];

/// Names the protocol has for settings of ours: (its name, ours). Accepted everywhere, printed nowhere.
pub(crate) static ALIASES: &[(&str, &str)] =
    &[("memory.max_memory_bytes", "memory.limit"), ("memory.eviction_policy", "memory.policy")];

impl Setting {
    /// The setting of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Section and key.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').expect("names have a section")
    }

    /// Name of its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        let (section, key) = self.parts();
        format!("MPREG_{}__{}", section.to_uppercase(), key.to_uppercase())
    }
}
