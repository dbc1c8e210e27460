//! A checked load: everything `round` needs to know, nothing it still has to doubt.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::ValueEnum;

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// WebSocket, text frames.
    Ws,
    /// Length-prefixed frames.
    Tcp,
    /// RESP, for a Redis to compare with.
    #[value(skip)]
    Redis,
}

impl Transport {
    /// The URL scheme.
    pub fn scheme(self) -> &'static str {
        match self {
            Transport::Ws => "ws",
            Transport::Tcp => "tcp",
            Transport::Redis => "redis",
        }
    }
}

/// Where the load goes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub transport: Transport,
    pub address: SocketAddr,
}

impl Target {
    /// Reads `scheme://host:port`, with or without a path.
    pub fn parse(url: &str) -> Result<Target, String> {
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| format!("{url} is not a URL: ws://host:port"))?;
        let transport = match scheme {
            "ws" => Transport::Ws,
            "tcp" => Transport::Tcp,
            "redis" => Transport::Redis,
            _ => return Err(format!("{url}: the scheme must be ws, tcp or redis")),
        };
        let host = rest.split('/').next().unwrap_or(rest);
        let mut addresses = host.to_socket_addrs().map_err(|error| format!("{url}: {error}"))?;
        let address = addresses.next().ok_or_else(|| format!("{url}: the host has no address"))?;
        Ok(Target { transport, address })
    }

    /// The same server over another transport: one port speaks both.
    pub fn over(self, transport: Transport) -> Target {
        Target { transport, ..self }
    }

    /// As a URL again.
    pub fn url(self) -> String {
        format!("{}://{}", self.transport.scheme(), self.address)
    }
}

/// What the requests do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operation {
    Get,
    Put,
    Mixed {
        read_ratio: f64,
    },
    /// The RPC `echo`.
    Echo,
    /// An RPC of ten commands in three levels.
    Graph,
}

impl Operation {
    /// Whether keys must be there before it is measured.
    pub fn reads(self) -> bool {
        matches!(self, Operation::Get | Operation::Mixed { .. })
    }
}

/// The `consistency_level` of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    Eventual,
    Strong,
}

impl Level {
    /// As the protocol writes it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Eventual => "eventual",
            Level::Strong => "strong",
        }
    }
}

/// How keys are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    Uniform,
    /// In order, each once: for preloading.
    Sequential,
    Zipf {
        theta: f64,
    },
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    Time(Duration),
    Operations(u64),
}

/// One measurement, checked.
#[derive(Debug, Clone)]
pub struct Plan {
    pub target: Target,
    pub operation: Operation,
    pub level: Level,
    pub connections: usize,
    pub depth: usize,
    pub threads: usize,
    pub keys: u64,
    pub distribution: Distribution,
    pub key_bytes: usize,
    pub value_bytes: usize,
    pub limit: Limit,
    pub warmup: Duration,
    /// Operations started a second, all connections together; `None` is the closed loop.
    pub rate: Option<f64>,
    pub seed: u64,
    /// Whether each reply must carry the id of the oldest open request. Not so for the yardstick,
    /// whose reply is a constant.
    pub replies_in_order: bool,
}

impl Plan {
    /// The operation in one word, as the flags name it.
    pub fn operation_name(&self) -> &'static str {
        match (self.operation, self.level) {
            (Operation::Get, _) => "get",
            (Operation::Put, Level::Eventual) => "put",
            (Operation::Put, Level::Strong) => "strong-put",
            (Operation::Mixed { .. }, _) => "mixed",
            (Operation::Echo, _) => "echo",
            (Operation::Graph, _) => "graph",
        }
    }

    /// One line for people.
    pub fn title(&self) -> String {
        let (connections, depth) = (self.connections, self.depth);
        format!(
            "{} {} connections {connections} depth {depth} seed {}",
            self.target.url(),
            self.operation_name(),
            self.seed
        )
    }

    /// Steps of a progress bar: operations, or milliseconds.
    pub fn steps(&self) -> u64 {
        match self.limit {
            Limit::Operations(count) => count,
            Limit::Time(time) => (time + self.warmup).as_millis() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let target = Target::parse("ws://127.0.0.1:9001/path").unwrap();
        assert_eq!((target.transport, target.address.port()), (Transport::Ws, 9001));
        assert_eq!(target.over(Transport::Tcp).url(), "tcp://127.0.0.1:9001");
        for bad in ["127.0.0.1:9001", "http://127.0.0.1:1", "ws://127.0.0.1"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
