//! Connections that begin before their users know whether they need them.
//!
//! A user has a runtime of its own, so a connection begins without one.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpStream;

/// Connections to one server that have begun. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct EarlyConnections(Arc<Mutex<Vec<Socket>>>);

impl EarlyConnections {
    /// Begins `count` connections. One that cannot begin is left out: its user connects by itself.
    pub(super) fn begin(&self, server: SocketAddr, buffer: Option<u32>, count: usize) {
        let begun = (0..count).map_while(|_| connecting(server, buffer).ok());
        self.sockets().extend(begun);
    }

    /// Takes a connection, and waits until the server has accepted it. `None` if none is left, or if it
    /// failed.
    pub(super) async fn take(&self) -> Option<TcpStream> {
        let socket = self.sockets().pop()?;
        let stream = TcpStream::from_std(socket.into()).ok()?;
        stream.writable().await.ok()?;
        // Only a connection that was accepted has a peer. The server may have closed it since.
        let peeked = SockRef::from(&stream).peek(&mut [MaybeUninit::uninit()]);
        let is_open = peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        (is_open && stream.peer_addr().is_ok()).then_some(stream)
    }

    /// Closes those that were not taken, except `count`.
    pub(super) fn truncate(&self, count: usize) {
        self.sockets().truncate(count);
    }

    fn sockets(&self) -> MutexGuard<'_, Vec<Socket>> {
        // Each step leaves them consistent, so a panic elsewhere does not matter.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that waits for the server to accept it.
fn connecting(server: SocketAddr, buffer: Option<u32>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(bytes) = buffer {
        // As for the first connection.
        let _ = socket.set_recv_buffer_size(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    // Usually "in progress". Other failures show themselves to the user that takes it.
    let _ = socket.connect(&server.into());
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn as_many_as_have_begun_can_be_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let early = EarlyConnections::default();
        early.begin(listener.local_addr().unwrap(), None, 3);
        for _ in 0..3 {
            let mut client = early.take().await.unwrap();
            client.write_all(b"hello").await.unwrap();
        }
        for _ in 0..3 {
            let mut bytes = Vec::new();
            listener.accept().await.unwrap().0.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, b"hello");
        }
        assert!(early.take().await.is_none());
    }

    #[tokio::test]
    async fn those_that_nobody_takes_are_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let early = EarlyConnections::default();
        early.begin(listener.local_addr().unwrap(), None, 1);
        let mut server = listener.accept().await.unwrap().0;
        early.truncate(0);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        assert!(early.take().await.is_none());
    }

    #[tokio::test]
    async fn one_that_the_server_has_closed_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let early = EarlyConnections::default();
        early.begin(listener.local_addr().unwrap(), None, 1);
        let (server, client) = listener.accept().await.unwrap();
        drop(server);
        // On loopback it has arrived when a later connection has.
        TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(early.take().await.is_none(), "{client}");
    }

    #[tokio::test]
    async fn one_that_was_refused_is_none() {
        let early = EarlyConnections::default();
        // No program listens there, and the system never assigns it as a free port.
        early.begin(SocketAddr::from(([127, 0, 0, 1], 1)), None, 1);
        assert!(early.take().await.is_none());
    }
}
