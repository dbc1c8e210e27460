//! The background task of a connection: a reading half and a writing half, both always able to move,
//! so that a node that stops reading until its replies are taken never meets a client doing the same.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;

use super::incoming::{Addressee, addressee};
use super::lanes::Lanes;
use super::pending::Pending;
use super::{Endpoint, Error, Transport, tcp, ws};

/// Payloads written before one flush at most.
const BATCH_MAX: usize = 256;

/// Where whole messages come from.
pub(super) trait Source {
    /// The next message; `None` when the node closed in good order.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Vec<u8>>>> + Send;
}

/// Where whole messages go.
pub(super) trait Sink {
    /// Takes a message along; it may wait for the next flush.
    fn feed(&mut self, payload: Vec<u8>) -> impl Future<Output = io::Result<()>> + Send;
    /// Sends what was fed.
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    /// Says goodbye, if the transport has a word for it.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// Who waits for what comes from the node.
#[derive(Debug, Default)]
pub(super) struct Routes {
    pub(super) pending: Arc<Pending>,
    pub(super) lanes: Lanes,
}

impl Routes {
    async fn deliver(&self, message: Vec<u8>) {
        match addressee(&message) {
            Addressee::Call(number) => self.pending.deliver(number, message),
            Addressee::Nobody => {}
            pushed => self.lanes.deliver(pushed, message).await,
        }
    }

    fn end(&self, reason: &str) {
        self.pending.fail_all(reason);
        self.lanes.end();
    }
}

/// An open connection of either kind.
pub(super) enum Connection {
    Tcp(tcp::Source, tcp::Sink),
    Ws(Box<ws::Source>, ws::Sink),
}

impl Connection {
    /// Connects and, over WebSocket, upgrades.
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Connection, Error> {
        let opening = async {
            let socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
            socket.set_nodelay(true)?;
            match endpoint.transport {
                Transport::Tcp => {
                    let (source, sink) = tcp::split(socket);
                    Ok(Connection::Tcp(source, sink))
                }
                Transport::Ws => {
                    let (source, sink) = ws::upgrade(socket, &endpoint.url()).await?;
                    Ok(Connection::Ws(Box::new(source), sink))
                }
            }
        };
        opening.await.map_err(|source| Error::Connect { url: endpoint.url(), source })
    }

    /// Runs until the node or the last client goes away; then fails whatever is pending.
    pub(super) async fn run(self, payloads: Receiver<Vec<u8>>, routes: Arc<Routes>) {
        // Also when this task is dropped with its runtime: nobody may wait for a reply then.
        let _last_words = FailOnDrop(Arc::clone(&routes));
        match self {
            Connection::Tcp(source, sink) => drive(source, sink, payloads, &routes).await,
            Connection::Ws(source, sink) => drive(*source, sink, payloads, &routes).await,
        }
    }
}

struct FailOnDrop(Arc<Routes>);

impl Drop for FailOnDrop {
    fn drop(&mut self) {
        self.0.end("the connection task was stopped");
    }
}

async fn drive(
    mut source: impl Source,
    mut sink: impl Sink,
    mut payloads: Receiver<Vec<u8>>,
    routes: &Routes,
) {
    let ended = tokio::select! {
        ended = read_all(&mut source, routes) => ended,
        ended = write_all(&mut sink, &mut payloads) => ended,
    };
    routes.end(&match ended {
        Ok(()) => "closed".to_owned(),
        Err(error) => error.to_string(),
    });
    // Calls that were about to send learn it by the closed channel.
    payloads.close();
    sink.close().await;
}

async fn read_all(source: &mut impl Source, routes: &Routes) -> io::Result<()> {
    while let Some(message) = source.next().await? {
        routes.deliver(message).await;
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the node closed the connection"))
}

/// Ends when all clients are gone.
async fn write_all(sink: &mut impl Sink, payloads: &mut Receiver<Vec<u8>>) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while payloads.recv_many(&mut batch, BATCH_MAX).await > 0 {
        for payload in batch.drain(..) {
            sink.feed(payload).await?;
        }
        sink.flush().await?;
    }
    Ok(())
}
