//! The handshake of a TLS connection.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use ftx_core::dialect::{is_original_answer, may_become_original_answer};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use super::TlsTransport;
use super::session::{Session, SessionError};

/// A failed TLS handshake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsHandshakeError {
    /// The peer is a server of the original system, which answers unknown bytes with their beginning.
    #[error("the server speaks the original protocol, without TLS")]
    OriginalServer,
    /// The peer closed the connection before the handshake was over.
    #[error("the connection was closed during the TLS handshake")]
    Closed,
    /// The connection is a TLS connection already.
    #[error("TLS within TLS is not supported")]
    Nested,
    /// The connection failed.
    #[error("the connection failed during the TLS handshake")]
    Io(#[source] io::Error),
    /// The peer's messages or its certificate are not accepted, or it does not accept ours.
    #[error("TLS failed")]
    Tls(#[source] rustls::Error),
}

impl TlsTransport {
    /// Shakes hands as a client. `name` is the server's name, which its certificate must have.
    pub(crate) async fn connect(
        stream: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, TlsHandshakeError> {
        let tls = ClientConnection::new(config, name).map_err(TlsHandshakeError::Tls)?;
        let mut session = Session::new(Connection::Client(tls), BytesMut::new());
        let hello = session.outgoing().to_vec();
        // In one write, as an original server takes the bytes of one read for one message.
        send(&mut session, &stream).await?;
        while !session.has_ended() && may_become_original_answer(&hello, session.incoming()) {
            receive(&mut session, &stream).await?;
        }
        if is_original_answer(&hello, session.incoming()) {
            return Err(TlsHandshakeError::OriginalServer);
        }
        finish(session, stream).await
    }

    /// Shakes hands as a server, whose client has sent the bytes `first`.
    pub(crate) async fn accept(
        stream: TcpStream,
        config: Arc<ServerConfig>,
        first: BytesMut,
    ) -> Result<Self, TlsHandshakeError> {
        let tls = ServerConnection::new(config).map_err(TlsHandshakeError::Tls)?;
        finish(Session::new(Connection::Server(tls), first), stream).await
    }

    /// The certificates of the peer, its own first; none if it has shown none.
    pub(crate) fn peer_certificates(&self) -> Vec<CertificateDer<'static>> {
        self.session().peer_certificates()
    }
}

/// Exchanges messages until the handshake is over.
async fn finish(
    mut session: Session,
    stream: TcpStream,
) -> Result<TlsTransport, TlsHandshakeError> {
    loop {
        session.decrypt(&stream)?;
        send(&mut session, &stream).await?;
        if !session.is_handshaking() {
            return Ok(TlsTransport { stream, session: Mutex::new(session) });
        }
        if session.has_ended() {
            return Err(TlsHandshakeError::Closed);
        }
        receive(&mut session, &stream).await?;
    }
}

/// Sends all that waits.
async fn send(session: &mut Session, stream: &TcpStream) -> Result<(), TlsHandshakeError> {
    loop {
        session.flush(stream)?;
        if session.outgoing().is_empty() {
            return Ok(());
        }
        stream.writable().await?;
    }
}

/// Waits for more ciphertext.
async fn receive(session: &mut Session, stream: &TcpStream) -> Result<(), TlsHandshakeError> {
    loop {
        stream.readable().await?;
        match session.receive(stream) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return Ok(received?),
        }
    }
}

impl From<io::Error> for TlsHandshakeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SessionError> for TlsHandshakeError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Io(error) => Self::Io(error),
            SessionError::Tls(error) => Self::Tls(error),
        }
    }
}
