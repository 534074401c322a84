//! The connections to a server.
//!
//! A session with a distant server has several connections. The others begin as soon as the first has found
//! the server, and wait for its welcome:
//!
//! ```text
//!   first    connecting ─▶ TLS ─▶ Hello ─▶ Welcome ─▶ requests
//!   others             └─▶ connecting ───────────┴─▶ TLS ─▶ Hello ─▶ Welcome ─▶ requests
//! ```

mod address;
mod early;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ftx_io::{BufferedStream, Transport, deadline_after};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use self::address::{Connected, receive_buffer_bytes};
use self::early::EarlyConnections;
use crate::shared_rate::SharedRate;
use crate::tls::{ClientTls, Secured};
use crate::{Cancel, ClientConfig, ServerAddr, TransferError};

/// The round trip from which a server counts as distant, where windows bound the speed: below it, two
/// connections carry 800 MiB/s. A near server that is busy also takes some milliseconds, and more
/// connections to it would only lose more when they are cut.
pub(crate) const FAR_ROUND_TRIP: Duration = Duration::from_millis(20);

/// The time after which the system sends the request for a connection once more. Such a connection tells
/// nothing about the distance.
const SYN_RETRANSMISSION: Duration = Duration::from_secs(1);

/// A server, and what a client's connections to it have in common: TLS, the limit on the rate, and those that
/// have begun early. Clones share all of it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    address: ServerAddr,
    tls: Arc<ClientTls>,
    rate: SharedRate,
    early: EarlyConnections,
    /// Whether the server at this address, which took so long to accept a connection, is distant.
    is_far: fn(IpAddr, Duration) -> bool,
}

/// Closes the early connections when it is dropped, unless they are kept.
#[derive(Debug)]
pub(crate) struct EarlyGuard(Option<EarlyConnections>);

/// The place of a connection in its session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// The first connection of `streams`, if the server is distant.
    First { streams: usize },
    /// Any other one: it begins none, and may be one that has begun early.
    Further,
}

impl Endpoint {
    pub(crate) fn new(address: ServerAddr) -> Self {
        let (rate, early) = (SharedRate::default(), EarlyConnections::default());
        Self { address, tls: Arc::default(), rate, early, is_far }
    }

    /// Connects to the first of the host's addresses that answers, and starts TLS as the settings say,
    /// all within `limit`.
    pub(crate) async fn connect(
        &self,
        place: Place,
        config: &ClientConfig,
        limit: Duration,
        cancel: &Cancel,
    ) -> Result<BufferedStream, TransferError> {
        let deadline = Instant::from_std(deadline_after(limit));
        let connected = async {
            match timeout_at(deadline, self.secured(place, config, deadline)).await {
                Ok(connected) => connected.map(|transport| self.stream(transport, config)),
                Err(_) => Err(TransferError::silent_for(limit)),
            }
        };
        tokio::select! {
            biased;
            () = cancel.token(true).cancelled() => Err(TransferError::cancelled()),
            connected = connected => connected,
        }
    }

    /// Closes the connections that have begun and have no user, except `count`.
    pub(crate) fn keep_early(&self, count: usize) {
        self.early.truncate(count);
    }

    /// Closes the early connections with the guard, so that none outlives the attempt that it was for.
    pub(crate) fn early_guard(&self) -> EarlyGuard {
        EarlyGuard(Some(self.early.clone()))
    }

    fn stream(&self, transport: Transport, config: &ClientConfig) -> BufferedStream {
        let mut stream = BufferedStream::new(transport);
        stream.set_rate_limits(self.rate.limits(config.limit_rate));
        stream
    }

    async fn secured(
        &self,
        place: Place,
        config: &ClientConfig,
        deadline: Instant,
    ) -> Result<Transport, TransferError> {
        let Self { address, tls, .. } = self;
        let buffer = receive_buffer_bytes(config.limit_rate);
        let (transport, peer) = self.plain(place, buffer, deadline).await?;
        match tls.secure(transport, address, peer.ip(), config).await? {
            Secured::Ready(transport) => Ok(transport),
            // The server has taken the first message of TLS for one of its own.
            Secured::NoTls => Ok(self.plain(Place::Further, buffer, deadline).await?.0),
        }
    }

    async fn plain(
        &self,
        place: Place,
        buffer: Option<u32>,
        deadline: Instant,
    ) -> Result<(Transport, SocketAddr), TransferError> {
        let connected = async {
            let stream = self.tcp(place, buffer, deadline).await?;
            let peer = stream.peer_addr()?;
            Ok((Transport::tcp(stream)?, peer))
        };
        connected.await.map_err(|source| unreachable(&self.address, source))
    }

    async fn tcp(
        &self,
        place: Place,
        buffer: Option<u32>,
        deadline: Instant,
    ) -> io::Result<TcpStream> {
        let streams = match place {
            Place::First { streams } => {
                // Those of an attempt that failed.
                self.early.truncate(0);
                streams
            }
            Place::Further => match self.early.take().await {
                Some(stream) => return Ok(stream),
                None => 1,
            },
        };
        let Connected { stream, took } = address::connect(&self.address, buffer, deadline).await?;
        let peer = stream.peer_addr()?;
        if streams > 1 && (self.is_far)(peer.ip(), took) {
            self.early.begin(peer, buffer, streams - 1);
        }
        Ok(stream)
    }
}

impl EarlyGuard {
    /// Leaves them to their users.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for EarlyGuard {
    fn drop(&mut self) {
        if let Some(early) = &self.0 {
            early.truncate(0);
        }
    }
}

/// Whether the first connection took as long as one to a distant server.
fn is_far(server: IpAddr, took: Duration) -> bool {
    !server.is_loopback() && (FAR_ROUND_TRIP..SYN_RETRANSMISSION).contains(&took)
}

fn unreachable(address: &ServerAddr, source: io::Error) -> TransferError {
    let error = if source.kind() == io::ErrorKind::NotFound {
        TransferError::address_not_found(address)
    } else {
        TransferError::connect_failed(address)
    };
    error.caused_by(source)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn endpoint(server: SocketAddr) -> Endpoint {
        Endpoint::new(ServerAddr::new("127.0.0.1", server.port()).unwrap())
    }

    /// The local ports of connections at these places, one after the other, and of one that has begun early.
    async fn ports_of(places: &[Place]) -> (Vec<u16>, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let endpoint = endpoint(server);
        endpoint.early.begin(server, None, 1);
        let (_early, peer) = listener.accept().await.unwrap();
        let mut ports = Vec::new();
        for place in places {
            let stream = endpoint.tcp(*place, None, Instant::now() + LIMIT).await.unwrap();
            ports.push(stream.local_addr().unwrap().port());
        }
        (ports, peer.port())
    }

    #[tokio::test]
    async fn a_further_connection_is_one_that_has_begun_early() {
        let (ports, early) = ports_of(&[Place::Further, Place::Further]).await;
        assert_eq!(ports[0], early);
        assert_ne!(ports[1], early);
    }

    #[tokio::test]
    async fn a_new_session_uses_no_connection_of_the_last_one() {
        let (ports, early) = ports_of(&[Place::First { streams: 1 }, Place::Further]).await;
        assert!(!ports.contains(&early));
    }

    #[test]
    fn only_a_distant_server_is_far() {
        let is_far = |server: [u8; 4], ms| is_far(server.into(), Duration::from_millis(ms));
        assert!(is_far([192, 0, 2, 1], 20) && is_far([192, 0, 2, 1], 999));
        assert!(!is_far([192, 0, 2, 1], 19));
        // A lost packet, or a server on this machine that is busy.
        assert!(!is_far([192, 0, 2, 1], 1000) && !is_far([127, 0, 0, 1], 100));
    }

    /// Connects as the first one of three to a server that is far or not. Returns how many connections the
    /// server has then, and the endpoint.
    async fn accepted(is_far: fn(IpAddr, Duration) -> bool) -> (Vec<TcpStream>, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut endpoint = endpoint(listener.local_addr().unwrap());
        endpoint.is_far = is_far;
        let place = Place::First { streams: 3 };
        let _first = endpoint.tcp(place, None, Instant::now() + LIMIT).await.unwrap();
        let last = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut accepted = Vec::new();
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            if peer == last.local_addr().unwrap() {
                return (accepted, endpoint);
            }
            accepted.push(stream);
        }
    }

    #[tokio::test]
    async fn the_first_connection_to_a_far_server_begins_the_others() {
        assert_eq!(accepted(|_, _| true).await.0.len(), 3);
        assert_eq!(accepted(|_, _| false).await.0.len(), 1);
    }

    #[tokio::test]
    async fn early_connections_are_closed_with_their_guard() {
        let (accepted, endpoint) = accepted(|_, _| true).await;
        endpoint.early_guard().keep();
        endpoint.keep_early(1);
        drop(endpoint.early_guard());
        for mut stream in accepted {
            let (mut byte, closed) = ([0], "a connection stays open");
            let read = timeout_at(Instant::now() + LIMIT, stream.read(&mut byte)).await;
            assert_eq!(read.expect(closed).unwrap(), 0, "{closed}");
        }
        assert!(endpoint.early.take().await.is_none());
    }
}
