//! The configuration: one table of settings, read from five places, checked once with all problems at once.
//!
//! ```text
//! defaults < /etc/mpreg/mpreg.toml < --config FILE < MPREG_<SECTION>__<KEY> < flags
//! ```
//!
//! Keys that no setting has are errors wherever they come from. Sizes and times carry units (`64MiB`, `10ms`).

mod kind;
mod layers;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use kind::Kind;
pub use layers::{Layers, Origin, Problem, Problems};
pub use settings::{SETTINGS, Setting};

use kind::Value;
use mpreg_storage::store::Level;

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
    /// How long a stop waits for connections. Default 30 s.
    pub drain_timeout: Duration,
    /// The data directory. Default `mpreg-data`.
    pub dir: PathBuf,
    /// Memory of the cache in bytes: entries, L2's page cache and filter. Default 256 MiB.
    pub memory_bytes: u64,
    /// Eviction policy, by its name.
    pub policy: String,
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
            level: if values.text("server.level") == "strong" { Level::Strong } else { Level::Eventual },
            drain_timeout: values.time("server.drain_timeout"),
            dir: values.text("storage.dir").into(),
            memory_bytes: values.number("memory.limit"),
            policy: values.text("memory.policy"),
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

    fn size(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).expect("the setting's maximum fits")
    }
}
