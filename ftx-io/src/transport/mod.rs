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
//! | `shut_down` | closes the outgoing direction |
//! | `detach`, `attach` | move the connection to another runtime, with all that it has buffered |
//!
//! The `try` verbs never wait: they fail with [`WouldBlock`](io::ErrorKind::WouldBlock). A kind that
//! encodes bytes counts them as written once the system has accepted their encoding. So a writer
//! repeats a write that failed with `WouldBlock` with bytes that begin as before, or writes no more.

mod tcp;

use std::fs::File;
use std::io::{self, IoSlice};

use bytes::{BufMut, BytesMut};
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;

use self::tcp::{DetachedTcp, TcpTransport};

/// The bytes of a connection in both directions, registered with a runtime.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transport {
    /// Plain TCP.
    Tcp(TcpTransport),
}

/// A transport without a runtime.
#[derive(Debug)]
#[non_exhaustive]
pub enum DetachedTransport {
    /// Plain TCP.
    Tcp(DetachedTcp),
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

    /// Makes [`busy_read`](Self::busy_read) poll, if the kind can.
    pub(crate) fn enable_busy_poll(&mut self) {
        match self {
            Self::Tcp(tcp) => tcp.enable_busy_poll(),
        }
    }

    /// Removes the connection from its runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn detach(self) -> io::Result<DetachedTransport> {
        match self {
            Self::Tcp(tcp) => tcp.detach().map(DetachedTransport::Tcp),
        }
    }

    /// Waits until a direction of `interest` may make progress, or has failed.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(tcp) => tcp.ready(interest).await,
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
        }
    }

    /// Writes the first of these bytes, and returns the number that the system has accepted.
    pub(crate) fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.try_write_vectored(parts),
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
        }
    }

    /// Closes the outgoing direction, behind the bytes written so far.
    // Other kinds than TCP have last bytes to send, and wait.
    #[allow(clippy::unused_async)]
    pub(crate) async fn shut_down(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.shut_down(),
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
        }
    }
}
