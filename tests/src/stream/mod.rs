//! A scripted peer's end of a connection, in plain or inside TLS.

mod forger;
mod tls;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

pub use self::forger::RecordForger;
use self::tls::TlsEnd;
pub use self::tls::{TestCertificate, client_hello};
use crate::wait::DEADLINE;

/// The way in which the bytes of a connection travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Plain TCP.
    Plain,
    /// TLS over TCP.
    Tls,
}

/// One end of a connection, with blocking reads and writes. Dropping it closes the connection without a
/// `close_notify`.
#[derive(Debug)]
pub struct ScriptedStream {
    socket: TcpStream,
    tls: Option<Arc<TlsEnd>>,
}

impl ScriptedStream {
    /// Connects, and shakes hands.
    ///
    /// # Panics
    /// There is no listener, or its handshake fails.
    #[must_use]
    pub fn connect(addr: SocketAddr, carrier: Carrier) -> Self {
        Self::client(TcpStream::connect(addr).unwrap(), carrier)
    }

    /// The client's end of a TCP connection. Shakes hands.
    ///
    /// # Panics
    /// The handshake fails.
    #[must_use]
    pub fn client(socket: TcpStream, carrier: Carrier) -> Self {
        socket.set_nodelay(true).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        let tls = (carrier == Carrier::Tls).then(|| TlsEnd::client(&socket).unwrap().into());
        Self { socket, tls }
    }

    /// The server's end of a TCP connection. Shakes hands.
    ///
    /// # Panics
    /// The handshake fails.
    #[must_use]
    pub fn server(socket: TcpStream, carrier: Carrier) -> Self {
        let tls = (carrier == Carrier::Tls).then(|| TlsEnd::server(&socket).unwrap().into());
        Self { socket, tls }
    }

    /// The connection below TLS.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Another handle of the same end, so that one thread reads while another one writes.
    ///
    /// # Panics
    /// The system refuses.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { socket: self.socket.try_clone().unwrap(), tls: self.tls.clone() }
    }

    /// Ends the outgoing direction: inside TLS with a `close_notify`.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn shut_write(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            tls.close(&self.socket)?;
        }
        self.socket.shutdown(Shutdown::Write)
    }

    /// Sends new keys, and asks for new ones of the peer.
    ///
    /// # Errors
    /// The connection is gone.
    ///
    /// # Panics
    /// The connection is plain.
    pub fn update_keys(&self) -> io::Result<()> {
        self.tls.as_ref().unwrap().update_keys(&self.socket)
    }

    /// Encrypts bytes without sending them.
    ///
    /// # Panics
    /// The connection is plain.
    #[must_use]
    pub fn encrypt(&self, bytes: &[u8]) -> Vec<u8> {
        self.tls.as_ref().unwrap().encrypt(bytes).unwrap()
    }

    /// Forges the next records instead.
    ///
    /// # Panics
    /// The connection is plain, or shared.
    #[must_use]
    pub fn forge(self) -> RecordForger {
        let tls = Arc::into_inner(self.tls.unwrap()).unwrap();
        RecordForger::new(self.socket, tls.into_connection())
    }
}

impl Read for ScriptedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.read(&self.socket, buffer),
            None => self.socket.read(buffer),
        }
    }
}

impl Write for ScriptedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.write(&self.socket, bytes),
            None => self.socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes of every named function `fn(Carrier)` a module of tests, one in plain and one inside TLS.
#[macro_export]
macro_rules! with_each_carrier {
    ($($case:ident),+ $(,)?) => { $(
        mod $case {
            #[test]
            fn plain() {
                super::$case($crate::Carrier::Plain);
            }

            #[test]
            fn tls() {
                super::$case($crate::Carrier::Tls);
            }
        }
    )+ };
}
