//! Transports: the ways in which the bytes of a connection move.
//!
//! [`Transport`] is an enum of its kinds, and each kind implements the same few verbs. The verbs
//! take `&self`, so that one task can read and write at the same time. A kind that is one state
//! machine for both directions, as TLS is, keeps that machine behind a lock; no verb waits while it
//! holds the lock.
//!
//! | verb | contract |
//! | --- | --- |
//! | `ready` | waits until a direction may make progress; may return too early, never too late |
//! | `try_read` | appends the bytes at hand; 0 at the end of the peer's bytes |
//! | `try_write_vectored` | returns the number of bytes that the system has accepted |
//! | `send_file` | sends bytes of a file inside the kernel; `None` where that is impossible |
//! | `busy_read` | reads without the runtime, where the kind has a descriptor to poll |
//! | `shut_down` | closes the outgoing direction; reads may then discard what arrives |
//! | `detach`, `attach` | move the connection to another runtime, with all that it has buffered |
//!
//! The `try` verbs never wait: they fail with [`WouldBlock`](io::ErrorKind::WouldBlock). A kind that
//! encodes bytes counts them as written once the system has accepted their encoding. So a writer
//! repeats a write that failed with `WouldBlock` with bytes that begin as before, or writes no more.

mod congestion;
mod tcp;
mod tls;

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;

pub use self::congestion::prefer_bbr;
use self::tcp::{DetachedTcp, TcpTransport};
pub use self::tls::TlsHandshakeError;
use self::tls::{DetachedTls, TlsTransport};

/// The bytes of a connection in both directions, registered with a runtime.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transport {
    /// Plain TCP.
    Tcp(TcpTransport),
    /// TLS over TCP.
    Tls(Box<TlsTransport>),
}

/// A transport without a runtime.
#[derive(Debug)]
#[non_exhaustive]
pub enum DetachedTransport {
    /// Plain TCP.
    Tcp(DetachedTcp),
    /// TLS over TCP.
    Tls(Box<DetachedTls>),
}

impl Transport {
    /// Takes over a TCP connection. Turns off Nagle's algorithm: messages are small, and the peer
    /// waits for each. Also limits the unsent bytes in the system's buffer.
    ///
    /// # Errors
    /// The connection is closed already.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        TcpTransport::new(stream).map(Self::Tcp)
    }

    /// Starts TLS on a connection as the client. The certificate of the server must be that of `name`, as
    /// far as the verifier of `config` looks at names.
    ///
    /// # Errors
    /// See [`TlsHandshakeError`]; the connection is closed then.
    pub async fn connect_tls(
        self,
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, TlsHandshakeError> {
        match self {
            Self::Tcp(tcp) => TlsTransport::connect(tcp.into_stream(), config, name).await,
            Self::Tls(_) => Err(TlsHandshakeError::Nested),
        }
        .map(|tls| Self::Tls(Box::new(tls)))
    }

    /// Starts TLS on a connection as the server, whose client has sent the bytes `first`.
    ///
    /// # Errors
    /// See [`TlsHandshakeError`]; the connection is closed then.
    pub(crate) async fn accept_tls(
        self,
        config: Arc<rustls::ServerConfig>,
        first: BytesMut,
    ) -> Result<Self, TlsHandshakeError> {
        match self {
            Self::Tcp(tcp) => TlsTransport::accept(tcp.into_stream(), config, first).await,
            Self::Tls(_) => Err(TlsHandshakeError::Nested),
        }
        .map(|tls| Self::Tls(Box::new(tls)))
    }

    /// Whether the bytes stay on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let peer = match self {
            Self::Tcp(tcp) => tcp.peer_addr(),
            Self::Tls(tls) => tls.peer_addr(),
        };
        peer.is_ok_and(|peer| peer.ip().to_canonical().is_loopback())
    }

    /// Whether nobody on the way can read the bytes.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// The certificates that the peer has proved to hold, its own first; none without TLS, or if the peer
    /// was not asked for one.
    #[must_use]
    pub fn peer_certificates(&self) -> Vec<CertificateDer<'static>> {
        match self {
            Self::Tcp(_) => Vec::new(),
            Self::Tls(tls) => tls.peer_certificates(),
        }
    }

    /// Makes [`busy_read`](Self::busy_read) poll, if the kind can.
    pub(crate) fn enable_busy_poll(&mut self) {
        match self {
            Self::Tcp(tcp) => tcp.enable_busy_poll(),
            Self::Tls(_) => {}
        }
    }

    /// Removes the connection from its runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn detach(self) -> io::Result<DetachedTransport> {
        match self {
            Self::Tcp(tcp) => tcp.detach().map(DetachedTransport::Tcp),
            Self::Tls(tls) => tls.detach().map(|tls| DetachedTransport::Tls(Box::new(tls))),
        }
    }

    /// Waits until a direction of `interest` may make progress, or has failed.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(tcp) => tcp.ready(interest).await,
            Self::Tls(tls) => tls.ready(interest).await,
        }
    }

    /// Waits until there may be bytes to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Appends the bytes at hand to `buffer`, and returns their number; 0 at the end of the peer's
    /// bytes.
    pub(crate) fn try_read(&self, buffer: &mut impl BufMut) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.try_read(buffer),
            Self::Tls(tls) => tls.try_read(buffer),
        }
    }

    /// Waits for bytes, appends them to `buffer`, and returns their number; 0 at the end of the
    /// peer's bytes. Cancelling the wait loses nothing.
    pub(crate) async fn read(&self, buffer: &mut impl BufMut) -> io::Result<usize> {
        loop {
            self.readable().await?;
            consume_budget().await;
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    /// Polls for bytes for a moment without the runtime, appends them to `buffer`, and returns
    /// whether there were any. Leaves the end of the peer's bytes and errors to the next read.
    pub(crate) fn busy_read(&self, buffer: &mut BytesMut) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.busy_read(buffer),
            Self::Tls(_) => false,
        }
    }

    /// Writes the first of these bytes, and returns the number that the system has accepted.
    pub(crate) fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.try_write_vectored(parts),
            Self::Tls(tls) => tls.try_write_vectored(parts),
        }
    }

    /// As [`try_write_vectored`](Self::try_write_vectored), once the system accepts some.
    /// Cancelling the wait writes nothing.
    pub(crate) async fn write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            self.ready(Interest::WRITABLE).await?;
            consume_budget().await;
            match self.try_write_vectored(parts) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    /// Waits, and sends up to `len` bytes of a file inside the kernel. Returns their number, 0 at
    /// the end of the file; `None` if the kind, the system or the file does not allow it.
    pub(crate) async fn send_file(
        &self,
        file: &File,
        offset: u64,
        len: usize,
    ) -> io::Result<Option<usize>> {
        match self {
            Self::Tcp(tcp) => tcp.send_file(file, offset, len).await,
            Self::Tls(_) => Ok(None),
        }
    }

    /// Closes the outgoing direction, behind the bytes written so far. Reads may discard what arrives
    /// afterwards.
    pub(crate) async fn shut_down(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.shut_down(),
            Self::Tls(tls) => tls.shut_down().await,
        }
    }
}

impl DetachedTransport {
    /// Registers the connection with the current runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn attach(self) -> io::Result<Transport> {
        match self {
            Self::Tcp(tcp) => tcp.attach().map(Transport::Tcp),
            Self::Tls(tls) => tls.attach().map(|tls| Transport::Tls(Box::new(tls))),
        }
    }
}
