//! Who this node is and where it can be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{PoisonError, RwLock};

/// Documentation addresses: asking the system how it would reach them sends nothing.
const SOMEWHERE_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);
const SOMEWHERE_V6: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9);

/// See the module.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) node_id: String,
    pub(crate) cluster_id: String,
    /// What functions may need and this node has.
    pub(crate) resources: Vec<String>,
    /// URLs the operator wants to be advertised; empty: those listened on.
    advertised: Vec<String>,
    listening: RwLock<Vec<SocketAddr>>,
}

/// One way to reach the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) protocol: &'static str,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// The URL.
    pub(crate) fn url(&self) -> String {
        let Endpoint { protocol, host, port } = self;
        let bare = !host.contains(':');
        if bare { format!("{protocol}://{host}:{port}") } else { format!("{protocol}://[{host}]:{port}") }
    }
}

impl Identity {
    pub(crate) fn new(
        node_id: String,
        cluster_id: String,
        resources: Vec<String>,
        advertised: Vec<String>,
    ) -> Identity {
        Identity { node_id, cluster_id, resources, advertised, listening: RwLock::default() }
    }

    /// A node that listens nowhere.
    #[cfg(test)]
    pub(crate) fn of(node_id: &str, cluster_id: &str) -> Identity {
        Identity::new(node_id.to_owned(), cluster_id.to_owned(), Vec::new(), Vec::new())
    }

    /// The node listens here.
    pub(crate) fn add_address(&self, address: SocketAddr) {
        self.listening.write().unwrap_or_else(PoisonError::into_inner).push(dialable(address));
    }

    /// Every way to reach it, in both protocols.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let listening = self.listening.read().unwrap_or_else(PoisonError::into_inner);
        let both = |address: &SocketAddr| {
            let (host, port) = (address.ip().to_canonical().to_string(), address.port());
            ["ws", "tcp"].map(|protocol| Endpoint { protocol, host: host.clone(), port })
        };
        listening.iter().flat_map(both).collect()
    }

    /// The URLs clients are told to use: what the operator says, or WebSocket at every address listened on.
    pub(crate) fn urls(&self) -> Vec<String> {
        if !self.advertised.is_empty() {
            return self.advertised.clone();
        }
        let websocket = |endpoint: &Endpoint| endpoint.protocol == "ws";
        self.endpoints().iter().filter(|endpoint| websocket(endpoint)).map(Endpoint::url).collect()
    }
}

/// Nobody can dial "any address": it becomes the one this machine would use to reach others, or loopback where it
/// can reach nobody.
fn dialable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let (any, somewhere, loopback) = if address.is_ipv4() {
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), SOMEWHERE_V4, IpAddr::V4(Ipv4Addr::LOCALHOST))
    } else {
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), SOMEWHERE_V6, IpAddr::V6(Ipv6Addr::LOCALHOST))
    };
    let own = || {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(somewhere).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    };
    SocketAddr::new(own().unwrap_or(loopback), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advertised_can_be_dialled() {
        let node = Identity::of("n", "c");
        assert!(node.urls().is_empty());
        node.add_address("127.0.0.1:9001".parse().unwrap());
        node.add_address("[::1]:9002".parse().unwrap());
        assert_eq!(node.urls(), ["ws://127.0.0.1:9001", "ws://[::1]:9002"]);
        assert_eq!(node.endpoints().len(), 4);
        assert_eq!(node.endpoints()[1].url(), "tcp://127.0.0.1:9001");
        for any in ["0.0.0.0:9003", "[::]:9003"] {
            let address = dialable(any.parse().unwrap());
            assert!(!address.ip().is_unspecified(), "{any} became {address}");
            assert_eq!(address.port(), 9003);
        }
    }

    #[test]
    fn the_operator_knows_better() {
        let urls = vec!["wss://cache.example.com".to_owned()];
        let node = Identity::new("n".into(), "c".into(), Vec::new(), urls.clone());
        node.add_address("127.0.0.1:9001".parse().unwrap());
        assert_eq!(node.urls(), urls);
    }
}
