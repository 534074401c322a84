//! TLS over TCP.
//!
//! The session is one state machine for both directions, behind a lock that is held for one step and
//! never across a wait. Both directions belong to one task, so the lock is never contended.

mod handshake;
mod session;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BufMut;
use socket2::SockRef;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;
use tokio::task::yield_now;

pub use self::handshake::TlsHandshakeError;
use self::session::Session;

/// A TLS connection.
#[derive(Debug)]
pub struct TlsTransport {
    stream: TcpStream,
    session: Mutex<Session>,
}

/// A TLS connection without a runtime.
#[derive(Debug)]
pub struct DetachedTls {
    stream: std::net::TcpStream,
    session: Mutex<Session>,
}

impl TlsTransport {
    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    pub(super) fn detach(self) -> io::Result<DetachedTls> {
        Ok(DetachedTls { stream: self.stream.into_std()?, session: self.session })
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        if interest.is_readable() && self.session().take_yield() {
            yield_now().await;
        }
        loop {
            let mut awaited = interest;
            {
                let mut session = self.session();
                if interest.is_readable() && session.has_input() {
                    return Ok(Ready::READABLE);
                }
                if !session.outgoing().is_empty() {
                    awaited |= Interest::WRITABLE;
                }
            }
            let mut ready = self.stream.ready(awaited).await?;
            if ready.is_writable() && !interest.is_writable() {
                // Only the connection's own messages wait: tickets, key updates, alerts.
                self.session().flush(&self.stream)?;
                ready = ready - Ready::WRITABLE;
            }
            if !ready.is_empty() {
                return Ok(ready);
            }
        }
    }

    pub(super) fn try_read(&self, buffer: &mut impl BufMut) -> io::Result<usize> {
        self.session().read(&self.stream, buffer)
    }

    pub(super) fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.session().write(&self.stream, parts)
    }

    pub(super) async fn shut_down(&self) -> io::Result<()> {
        self.session().close();
        loop {
            self.session().flush(&self.stream)?;
            if self.session().outgoing().is_empty() {
                return SockRef::from(&self.stream).shutdown(Shutdown::Write);
            }
            self.stream.writable().await?;
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DetachedTls {
    pub(super) fn attach(self) -> io::Result<TlsTransport> {
        Ok(TlsTransport { stream: TcpStream::from_std(self.stream)?, session: self.session })
    }
}
