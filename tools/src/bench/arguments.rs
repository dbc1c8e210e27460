//! The flags of `bench`, unchecked as clap hands them over; `Load::plan` checks them.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};

use super::plan::{Distribution, Level, Limit, Operation, Plan, Target, Transport};
use crate::output::Format;
use crate::random;

/// Measure a server: throughput and latency under a chosen load.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub subcommand: Option<Subcommand>,
    /// Server to load: ws://, tcp:// or redis:// with host and port.
    #[arg(long, env = "MPREG_URL", default_value = "ws://127.0.0.1:9001")]
    pub url: String,
    #[command(flatten)]
    pub load: Load,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(clap::Subcommand)]
pub enum Subcommand {
    /// The bare echo servers that bound what any server of this kind can do.
    Yardstick {
        #[command(subcommand)]
        serve: Serve,
    },
    /// Our server and a yardstick (or Redis) in turns, with medians and the ratio.
    Compare(Box<Compare>),
}

#[derive(clap::Subcommand)]
pub enum Serve {
    /// Parse each request as a server would, answer a constant of the given length.
    Serve(Yardstick),
}

#[derive(Args)]
pub struct Yardstick {
    /// Which framing to serve.
    #[arg(long, value_enum, default_value = "tcp")]
    pub transport: Transport,
    /// Address to listen on; port 0 chooses one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: String,
    /// Length of the constant reply, without framing.
    #[arg(long, default_value_t = 480)]
    pub reply_bytes: usize,
    /// Worker threads of the runtime.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
}

/// What to send. The same for a single run and for `compare`.
#[derive(Args, Clone)]
pub struct Load {
    /// What each request does.
    #[arg(long, value_enum, default_value = "get")]
    pub op: OperationName,
    /// Level of the writes.
    #[arg(long, value_enum, default_value = "eventual")]
    pub level: Level,
    /// Share of gets in `mixed`, 0 to 1.
    #[arg(long, default_value_t = 0.9)]
    pub read_ratio: f64,
    /// Connections, spread over the threads.
    #[arg(long, short, default_value_t = 50)]
    pub connections: usize,
    /// Requests a connection has under way at once.
    #[arg(long, short, default_value_t = 1)]
    pub depth: usize,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Different keys.
    #[arg(long, default_value_t = 1_000_000)]
    pub keys: u64,
    /// How keys are chosen.
    #[arg(long, value_enum, default_value = "zipf")]
    pub distribution: DistributionName,
    /// Skew of `zipf`; not 1.
    #[arg(long, default_value_t = 0.99)]
    pub theta: f64,
    /// Bytes of a whole key: namespace `bench`, two separators, identifier.
    #[arg(long, default_value_t = 24)]
    pub key_bytes: usize,
    /// Bytes of a value's JSON text.
    #[arg(long, default_value = "64B")]
    pub value_bytes: ByteSize,
    /// Put every key once before measuring.
    #[arg(long)]
    pub preload: bool,
    /// How long to measure.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// Stop after this many operations instead of after a time.
    #[arg(long)]
    pub count: Option<u64>,
    /// Left out of the measurement at the start.
    #[arg(long, default_value = "300ms", value_parser = humantime::parse_duration)]
    pub warmup: Duration,
    /// Open loop: start this many operations a second, whether or not replies keep up.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Run the load generator on this processor only.
    #[arg(long, value_name = "CPU")]
    pub pin: Option<usize>,
    /// Take replies with any id: for servers that answer a constant, such as the yardstick.
    #[arg(long)]
    pub any_id: bool,
    /// Seed of keys and values.
    #[arg(long)]
    pub seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OperationName {
    Get,
    Put,
    Mixed,
    /// `put` at level `strong`.
    StrongPut,
    /// The RPC `echo`, as the Python client sends it.
    Echo,
    /// An RPC of ten built-in commands in three levels.
    Graph,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DistributionName {
    Uniform,
    Zipf,
}

impl Load {
    /// Checks the flags and joins them with the target.
    pub fn plan(&self, url: &str) -> Result<Plan, String> {
        let plan = Plan {
            target: Target::parse(url)?,
            operation: self.operation()?,
            level: if self.op == OperationName::StrongPut { Level::Strong } else { self.level },
            connections: within("--connections", self.connections, 1, 10_000)?,
            depth: within("--depth", self.depth, 1, 1024)?,
            threads: within("--threads", self.threads, 1, self.connections)?,
            keys: self.keys,
            distribution: self.distribution()?,
            key_bytes: within("--key-bytes", self.key_bytes, 16, 4096)?,
            value_bytes: within("--value-bytes", self.value_bytes.as_u64() as usize, 2, 16 << 20)?,
            limit: self.count.map_or(Limit::Time(self.duration), Limit::Operations),
            warmup: if self.count.is_some() { Duration::ZERO } else { self.warmup },
            rate: self.rate,
            seed: self.seed.unwrap_or_else(random::fresh_seed),
            replies_in_order: !self.any_id,
        };
        if plan.operation == Operation::Graph && plan.target.transport == Transport::Redis {
            return Err("--op graph: a Redis has no command graphs".to_owned());
        }
        if self.keys == 0 || self.keys > u64::from(u32::MAX) {
            return Err(format!("--keys {} is not in 1..=4294967295", self.keys));
        }
        if self.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Err("--rate must be above 0".to_owned());
        }
        Ok(plan)
    }

    fn operation(&self) -> Result<Operation, String> {
        if !(0.0..=1.0).contains(&self.read_ratio) {
            return Err(format!("--read-ratio {} is not in 0..=1", self.read_ratio));
        }
        Ok(match self.op {
            OperationName::Get => Operation::Get,
            OperationName::Put | OperationName::StrongPut => Operation::Put,
            OperationName::Mixed => Operation::Mixed { read_ratio: self.read_ratio },
            OperationName::Echo => Operation::Echo,
            OperationName::Graph => Operation::Graph,
        })
    }

    fn distribution(&self) -> Result<Distribution, String> {
        match self.distribution {
            DistributionName::Uniform => Ok(Distribution::Uniform),
            DistributionName::Zipf if self.theta > 0.0 && self.theta < 1.0 => {
                Ok(Distribution::Zipf { theta: self.theta })
            }
            DistributionName::Zipf => Err(format!("--theta {} is not between 0 and 1", self.theta)),
        }
    }
}

fn within(flag: &str, value: usize, least: usize, most: usize) -> Result<usize, String> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{flag} {value} is not in {least}..={most}"))
    }
}

/// Our server and a peer in turns.
#[derive(Args)]
pub struct Compare {
    /// Our server, already running; else one is started for each round.
    #[arg(long)]
    pub url: Option<String>,
    /// The `mpreg` binary to start; default: the one beside this program.
    #[arg(long)]
    pub server: Option<PathBuf>,
    /// What to compare with.
    #[arg(long, value_enum, default_value = "yardstick")]
    pub peer: Peer,
    /// A Redis already running, for `--peer redis`; else `redis-server` is started.
    #[arg(long)]
    pub redis_url: Option<String>,
    /// The program to start for `--peer redis`.
    #[arg(long, default_value = "redis-server")]
    pub redis_server: PathBuf,
    /// Where servers put their data; default: a directory that is removed again.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Transports to compare, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "tcp,ws")]
    pub transport: Vec<Transport>,
    /// Depths to compare, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "1,16")]
    pub depths: Vec<usize>,
    /// Rounds of each side.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Run every server on this processor only.
    #[arg(long, value_name = "CPU")]
    pub pin_server: Option<usize>,
    /// Worker threads of the yardstick.
    #[arg(long, default_value_t = 2)]
    pub server_threads: usize,
    #[command(flatten)]
    pub load: Load,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// The bare echo of the same transport, with replies of our length.
    Yardstick,
    /// Redis with `appendfsync always`, over RESP.
    Redis,
}
