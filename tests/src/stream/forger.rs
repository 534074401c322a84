//! Records that no TLS library sends.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{
    Connection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite,
};

/// A connection after a good handshake, whose records have the right keys and any type and content.
pub struct RecordForger {
    socket: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    /// The number of the next record.
    sequence: u64,
}

impl RecordForger {
    pub(super) fn new(socket: TcpStream, tls: Connection) -> Self {
        let SupportedCipherSuite::Tls13(suite) = tls.negotiated_cipher_suite().unwrap();
        let (sequence, secrets) = tls.dangerous_extract_secrets().unwrap().tx;
        let (key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv }
            | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
            | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv),
            _ => panic!("an unknown cipher"),
        };
        Self { socket, encrypter: suite.aead_alg.encrypter(key, iv), sequence }
    }

    /// Encrypts a record without sending it.
    ///
    /// # Panics
    /// It is too long.
    pub fn record(&mut self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(content);
        let plain = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_3, payload };
        let sequence = self.sequence;
        self.sequence += 1;
        self.encrypter.encrypt(plain, sequence).unwrap().encode()
    }

    /// Sends a record.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, typ: ContentType, content: &[u8]) -> io::Result<()> {
        let record = self.record(typ, content);
        self.socket.write_all(&record)
    }

    /// Sends bytes below TLS.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Whether the peer ends the connection within `limit`. What it sends before is ignored.
    ///
    /// # Panics
    /// The system refuses.
    #[must_use]
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        self.socket.set_read_timeout(Some(limit)).unwrap();
        while start.elapsed() < limit {
            match self.socket.read(&mut [0; 4096]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
                    return !late.contains(&error.kind());
                }
            }
        }
        false
    }
}
