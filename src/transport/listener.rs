//! The accept loop of one address.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::transport::slots::{Slot, Slots};
use crate::transport::socket;

/// After an accept failed for want of descriptors or memory, how long to let connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the task is dropped; hands every connection that finds a place to `serve`, on a task of its own.
pub(crate) async fn accept_all<F, T>(listener: TcpListener, slots: Arc<Slots>, serve: F)
where
    F: Fn(TcpStream, Slot) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(slot) = admit(&stream, peer, &slots) {
                    tokio::spawn(serve(stream, slot));
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "connections cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(stream: &TcpStream, peer: SocketAddr, slots: &Arc<Slots>) -> Option<Slot> {
    let slot = match slots.take(peer.ip().to_canonical()) {
        Ok(slot) => slot,
        Err(full) => {
            tracing::warn!(%peer, reason = %full, "a connection was refused");
            return None;
        }
    };
    if let Err(error) = socket::prepare(stream) {
        tracing::debug!(%peer, %error, "socket options could not be set");
        return None;
    }
    tracing::debug!(connection = slot.id(), %peer, "accepted");
    Some(slot)
}

/// Errors that concern the connection that was about to be accepted, not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
