//! The configuration: one table of settings, read from five places, checked once with all problems at once.
//!
//! ```text
//! defaults < /etc/mpreg/mpreg.toml < --config FILE < MPREG_<SECTION>__<KEY> < flags
//! ```
//!
//! Keys that no setting has are errors wherever they come from. Sizes and times carry units (`64MiB`, `10ms`).

mod keep;
mod kind;
mod layers;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use keep::Keep;
pub use kind::Kind;
pub use layers::{Layers, Origin, Problem, Problems};
pub use settings::{SETTINGS, Setting};

use kind::Value;
use mpreg_storage::memory::PolicyKind;
use mpreg_storage::store::Level;

use crate::pubsub::Pattern;

/// The configuration of a node, checked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Addresses to listen on; port 0 lets the system choose. Default `127.0.0.1:9001`.
    pub listen: Vec<SocketAddr>,
    /// Listen beyond loopback although nobody has to authenticate. Default false.
    pub insecure: bool,
    /// Browser origins that may connect besides those of this machine. Default none.
    pub origins: Vec<String>,
    /// Level of requests that name none. Default eventual.
    pub level: Level,
    /// Whether one invalidate pattern may remove everything; default false.
    pub allow_invalidate_all: bool,
    /// How long a stop waits for connections. Default 30 s.
    pub drain_timeout: Duration,
    /// The data directory. Default `mpreg-data`.
    pub dir: PathBuf,
    /// Memory of the cache in bytes: entries, L2's page cache and filter. Default 256 MiB.
    pub memory_bytes: u64,
    /// Part of `memory_bytes` at which entries begin to leave, in thousandths. Default 1000.
    pub pressure_permille: u64,
    /// Entries in memory above which some leave; 0 = any number. Default 0.
    pub entries_max: u64,
    /// Entries leave only when both bounds are passed. Default false.
    pub both_bounds: bool,
    /// Which entries leave memory first. Default adaptive.
    pub policy: PolicyKind,
    /// Size of a log segment in bytes. Default 64 MiB.
    pub segment_bytes: u64,
    /// How long an eventual write may stay unsynced. Default 10 ms.
    pub sync_interval: Duration,
    /// Dirty bytes that start a checkpoint; `None` chooses by `memory_bytes`.
    pub checkpoint_bytes: Option<u64>,
    /// Age of dirty entries that starts a checkpoint. Default 30 s.
    pub checkpoint_interval: Duration,
    /// Unsynced bytes above which writes wait. Default 64 MiB.
    pub unsynced_bytes_max: u64,
    /// Age of unsynced bytes above which writes wait. Default 1 s.
    pub unsynced_age_max: Duration,
    /// Page cache of L2 in bytes, part of `memory_bytes`; `None`: a 32nd of it, between 1 and 16 MiB.
    pub table_cache_bytes: Option<u64>,
    /// Free disk bytes below which writes are refused; `None`: 5 % of the disk, at least 256 MiB.
    pub free_bytes_min: Option<u64>,
    /// How often expired entries are looked for. Default 1 s.
    pub sweep_interval: Duration,
    /// How often everything stored is read to find damage; zero: never. Default 24 h.
    pub scrub_interval: Duration,
    /// Connections in all. Default 10,000.
    pub connections_max: usize,
    /// Connections of one address other than loopback. Default 2,000.
    pub connections_per_address_max: usize,
    /// Largest message in bytes. Default 20 MiB.
    pub message_bytes_max: usize,
    /// Request and reply memory of all connections. Default 512 MiB.
    pub request_memory_bytes: usize,
    /// Age up to which messages are kept. Default 3,600 s.
    pub topics_age_max: Duration,
    /// Messages of each topic that are kept. Default 1,000.
    pub topics_messages_max: u64,
    /// Bytes of the log of messages. Default 1 GiB.
    pub topics_bytes_max: u64,
    /// Topics kept in another way. Default none.
    pub topics_keep: Vec<Keep>,
    /// Patterns of topics that are never stored. Default none.
    pub topics_volatile: Vec<String>,
    /// Patterns of topics whose publishes are strong when they ask for no level. Default none.
    pub topics_strong: Vec<String>,
    /// Age up to which events of the cache are kept. Default 1 h.
    pub events_age_max: Duration,
    /// Bytes of the write-ahead log up to which it is kept for them. Default 1 GiB.
    pub events_bytes_max: u64,
    /// Whether events tell the values before and after. Default false.
    pub events_values: bool,
    /// Name of the cluster this node belongs to. Default `mpreg`.
    pub cluster_id: String,
    /// What functions may need and this node has. Default none.
    pub resources: Vec<String>,
    /// URLs clients are told to use; default those listened on.
    pub advertised_urls: Vec<String>,
    /// How long an RPC may take. Default 30 s.
    pub rpc_timeout: Duration,
    /// What is logged, in the syntax of `tracing`'s filters. Default `info`.
    pub log_filter: String,
    /// `auto`, `pretty` or `json`.
    pub log_format: String,
}

impl Default for Config {
    fn default() -> Config {
        Config::from_layers(&Layers::new()).expect("the defaults are a configuration")
    }
}

impl Config {
    /// Checks what the layers hold and builds the configuration from it; every problem is reported.
    pub fn from_layers(layers: &Layers) -> Result<Config, Problems> {
        let values = layers.checked()?;
        let config = Config::build(&values);
        let problems = config.problems(layers);
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    /// Checks what no single setting can see; for configurations made by a program.
    pub fn check(&self) -> Result<(), Problems> {
        let problems = self.problems(&Layers::new());
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }

    fn build(values: &Values) -> Config {
        Config {
            listen: values.addresses("server.listen"),
            insecure: values.flag("server.insecure"),
            origins: values.texts("server.origins"),
            allow_invalidate_all: values.flag("cache.allow_invalidate_all"),
            level: if values.text("server.level") == "strong" { Level::Strong } else { Level::Eventual },
            drain_timeout: values.time("server.drain_timeout"),
            dir: values.text("storage.dir").into(),
            memory_bytes: values.number("memory.limit"),
            pressure_permille: values.number("memory.memory_pressure_threshold"),
            entries_max: values.number("memory.max_entries"),
            both_bounds: values.flag("memory.enforce_both_limits"),
            policy: values.policy(),
            segment_bytes: values.number("storage.segment_bytes"),
            sync_interval: values.time("storage.sync_interval"),
            checkpoint_bytes: values.optional("storage.checkpoint_bytes"),
            checkpoint_interval: values.time("storage.checkpoint_interval"),
            unsynced_bytes_max: values.number("storage.unsynced_bytes"),
            unsynced_age_max: values.time("storage.unsynced_age"),
            table_cache_bytes: values.optional("storage.table_cache"),
            free_bytes_min: values.optional("storage.free_min"),
            sweep_interval: values.time("storage.sweep_interval"),
            scrub_interval: values.time("storage.scrub_interval"),
            connections_max: values.size("limits.connections"),
            connections_per_address_max: values.size("limits.connections_per_address"),
            message_bytes_max: values.size("limits.message"),
            request_memory_bytes: values.size("limits.memory"),
            topics_age_max: values.time("topics.age"),
            topics_messages_max: values.number("topics.messages"),
            topics_bytes_max: values.number("topics.bytes"),
            topics_keep: values.texts("topics.keep").iter().flat_map(|text| Keep::read(text)).collect(),
            topics_volatile: values.texts("topics.volatile"),
            topics_strong: values.texts("topics.strong"),
            events_age_max: values.time("events.age"),
            events_bytes_max: values.number("events.bytes"),
            events_values: values.flag("events.values"),
            cluster_id: values.text("node.cluster"),
            resources: values.texts("node.resources"),
            advertised_urls: values.texts("node.advertise"),
            rpc_timeout: values.time("rpc.timeout"),
            log_filter: values.text("log.filter"),
            log_format: values.text("log.format"),
        }
    }

    /// What no single setting can see.
    fn problems(&self, layers: &Layers) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut problem = |name: &'static str, what: String| {
            found.push(Problem { name: name.to_owned(), origin: layers.origin(name).clone(), what });
        };
        if let Some(public) = self.public_address() {
            let what = format!(
                "{public} is reachable from other machines and nobody has to authenticate yet; listen on 127.0.0.1, \
                 or say --insecure if the network is trusted"
            );
            if !self.insecure {
                problem("server.listen", what);
            }
        }
        for (name, texts) in
            [("topics.volatile", &self.topics_volatile), ("topics.strong", &self.topics_strong)]
        {
            for text in texts {
                if let Err(error) = Pattern::new(text, false) {
                    problem(name, format!("{text:?}: {error}"));
                }
            }
        }
        for keep in &self.topics_keep {
            if let Err(error) = Pattern::new(&keep.pattern, false) {
                problem("topics.keep", format!("{:?}: {error}", keep.pattern));
            }
        }
        if self.message_bytes_max > self.request_memory_bytes {
            let what = format!("{} bytes are less than one message may have", self.request_memory_bytes);
            problem("limits.memory", what);
        }
        found
    }

    /// The first address that other machines can reach.
    #[must_use]
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.listen.iter().copied().find(|address| !address.ip().to_canonical().is_loopback())
    }
}

/// Checked values by name. Names and kinds are those of [`SETTINGS`], so a wrong one is a bug here, which the
/// test of the defaults finds.
#[derive(Debug)]
pub(crate) struct Values(Vec<(&'static Setting, Value)>);

impl Values {
    fn value(&self, name: &str) -> &Value {
        let found = self.0.iter().find(|(setting, _)| setting.name == name);
        &found.expect("every setting has a value").1
    }

    fn text(&self, name: &str) -> String {
        match self.value(name) {
            Value::Text(text) => text.clone(),
            other => unreachable!("{name} is {other:?}"),
        }
    }

    fn texts(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Value::Texts(texts) => texts.clone(),
            other => unreachable!("{name} is {other:?}"),
        }
    }

    fn addresses(&self, name: &str) -> Vec<SocketAddr> {
        match self.value(name) {
            Value::Addresses(addresses) => addresses.clone(),
            other => unreachable!("{name} is {other:?}"),
        }
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Value::Flag(true))
    }

    fn time(&self, name: &str) -> Duration {
        match self.value(name) {
            Value::Time(time) => *time,
            other => unreachable!("{name} is {other:?}"),
        }
    }

    fn optional(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Value::Number(number) => Some(*number),
            Value::Auto => None,
            other => unreachable!("{name} is {other:?}"),
        }
    }

    fn number(&self, name: &str) -> u64 {
        self.optional(name).expect("only optional settings may be auto")
    }

    fn policy(&self) -> PolicyKind {
        let policy =
            PolicyKind::parse(&self.text("memory.policy")).expect("the setting's words are the names");
        let PolicyKind::S4Lru { .. } = policy else { return policy };
        let segments = self.number("memory.s4lru_segments");
        PolicyKind::S4Lru { segments: u8::try_from(segments).expect("the setting's maximum fits") }
    }

    fn size(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).expect("the setting's maximum fits")
    }
}
