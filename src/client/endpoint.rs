//! Where to connect: `ws://host:port[/path]` or `tcp://host:port`.

use super::Error;

/// Port of a URL that names none.
const DEFAULT_PORT: u16 = 9001;

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Ws,
    Tcp,
}

/// A parsed URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) transport: Transport,
    pub(super) host: String,
    pub(super) port: u16,
    /// Begins with `/`; only a WebSocket upgrade looks at it.
    pub(super) path: String,
}

impl Endpoint {
    pub(super) fn parse(url: &str) -> Result<Endpoint, Error> {
        let refuse = |why: &str| Error::Url { url: url.to_owned(), why: why.to_owned() };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| refuse("it has no scheme"))?;
        let transport = match scheme {
            "ws" => Transport::Ws,
            "tcp" => Transport::Tcp,
            "wss" | "tcps" => return Err(refuse("TLS is not supported yet")),
            _ => return Err(refuse("the scheme must be ws or tcp")),
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            // The colons inside an IPv6 address are no port separators.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| refuse("the port is not a number up to 65535"))?)
            }
            _ => (authority, DEFAULT_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(refuse("it has no host"));
        }
        Ok(Endpoint { transport, host: host.to_owned(), port, path: path.to_owned() })
    }

    /// As a URL again, for error messages and the upgrade request.
    pub(super) fn url(&self) -> String {
        let scheme = if self.transport == Transport::Ws { "ws" } else { "tcp" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}{}", self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let endpoint = Endpoint::parse("ws://localhost:9001/x").unwrap();
        assert_eq!(
            (endpoint.host.as_str(), endpoint.port, endpoint.path.as_str()),
            ("localhost", 9001, "/x")
        );
        let endpoint = Endpoint::parse("tcp://[::1]").unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("::1", DEFAULT_PORT));
        assert_eq!(Endpoint::parse("ws://[::1]:7").unwrap().url(), "ws://[::1]:7/");
        for bad in ["localhost:9001", "http://h:1", "ws://:1", "ws://h:70000", "wss://h:1"] {
            assert!(matches!(Endpoint::parse(bad), Err(Error::Url { .. })), "{bad}");
        }
    }
}
