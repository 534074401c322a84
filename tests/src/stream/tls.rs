//! TLS of a scripted peer.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use ftx_io::{ALPN_NATIVE, Fingerprint, crypto_provider};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
};

/// Ciphertext that is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Plaintext that is encrypted at a time.
const WRITE_BYTES: usize = 32 * 1024;

/// The certificate of scripted servers, which scripted clients trust.
#[derive(Debug)]
pub struct TestCertificate {
    /// The certificate, in PEM form.
    pub cert_pem: String,
    /// Its key, in PEM form.
    pub key_pem: String,
    /// The fingerprint of the key.
    pub fingerprint: Fingerprint,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl TestCertificate {
    /// The one of this process.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn get() -> &'static Self {
        static CERTIFICATE: OnceLock<TestCertificate> = OnceLock::new();
        CERTIFICATE.get_or_init(Self::new)
    }

    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        Self {
            cert_pem: cert.pem(),
            key_pem: signing_key.serialize_pem(),
            fingerprint: Fingerprint::of_certificate(cert.der()).unwrap(),
            client: Arc::new(client_config(cert.der())),
            server: Arc::new(server_config(cert.der(), key)),
        }
    }
}

fn client_config(cert: &CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(cert.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_NATIVE.to_vec()];
    config.enable_secret_extraction = true;
    config
}

fn server_config(cert: &CertificateDer<'static>, key: PrivateKeyDer<'static>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.clone()], key)
        .unwrap();
    config.alpn_protocols = vec![ALPN_NATIVE.to_vec()];
    config.send_tls13_tickets = 0;
    config.enable_secret_extraction = true;
    config
}

fn new_client() -> Connection {
    let name = ServerName::try_from("localhost").unwrap();
    let config = Arc::clone(&TestCertificate::get().client);
    Connection::Client(ClientConnection::new(config, name).unwrap())
}

/// The record with a client's first message.
///
/// # Panics
/// Never.
#[must_use]
pub fn client_hello() -> Vec<u8> {
    take_outgoing(&mut new_client())
}

/// What TLS has to send.
fn take_outgoing(connection: &mut Connection) -> Vec<u8> {
    let mut ciphertext = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut ciphertext).unwrap();
    }
    ciphertext
}

/// A connection behind its handshake. No thread waits for the socket while it holds the lock of the
/// session, so that one can read while another one writes.
#[derive(Debug)]
pub(super) struct TlsEnd {
    session: Mutex<Session>,
    /// Held from the encryption of bytes until the socket has taken them.
    order: Mutex<()>,
}

#[derive(Debug)]
struct Session {
    tls: Connection,
    /// Ciphertext that was received and not yet decrypted.
    incoming: Vec<u8>,
}

impl TlsEnd {
    pub(super) fn client(socket: &TcpStream) -> io::Result<Self> {
        Self::shake_hands(new_client(), socket)
    }

    pub(super) fn server(socket: &TcpStream) -> io::Result<Self> {
        let config = Arc::clone(&TestCertificate::get().server);
        Self::shake_hands(Connection::Server(ServerConnection::new(config).unwrap()), socket)
    }

    fn shake_hands(mut tls: Connection, mut socket: &TcpStream) -> io::Result<Self> {
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        let session = Session { tls, incoming: Vec::new() };
        Ok(Self { session: Mutex::new(session), order: Mutex::new(()) })
    }

    pub(super) fn into_connection(self) -> Connection {
        self.session.into_inner().unwrap().tls
    }

    pub(super) fn read(&self, mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            let mut ciphertext = vec![0; READ_BYTES];
            let len = socket.read(&mut ciphertext)?;
            let mut session = self.session();
            match ciphertext.get(..len) {
                Some(received @ [_, ..]) => session.incoming.extend_from_slice(received),
                // The end of the socket, which the next read reports.
                _ => drop(session.tls.read_tls(&mut io::empty())?),
            }
        }
    }

    pub(super) fn write(&self, socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let now = bytes.get(..WRITE_BYTES).unwrap_or(bytes);
        self.send(socket, |tls| tls.writer().write_all(now))?;
        Ok(now.len())
    }

    pub(super) fn encrypt(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let tls = &mut self.session().tls;
        tls.writer().write_all(bytes)?;
        Ok(take_outgoing(tls))
    }

    pub(super) fn close(&self, socket: &TcpStream) -> io::Result<()> {
        self.send(socket, |tls| {
            tls.send_close_notify();
            Ok(())
        })
    }

    pub(super) fn update_keys(&self, socket: &TcpStream) -> io::Result<()> {
        self.send(socket, |tls| tls.refresh_traffic_keys().map_err(io::Error::other))
    }

    fn send(
        &self,
        mut socket: &TcpStream,
        say: impl FnOnce(&mut Connection) -> io::Result<()>,
    ) -> io::Result<()> {
        let _order = self.order.lock().unwrap();
        let ciphertext = {
            let tls = &mut self.session().tls;
            say(tls)?;
            take_outgoing(tls)
        };
        socket.write_all(&ciphertext)
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap()
    }
}

impl Session {
    /// Reads plaintext of the ciphertext at hand.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock && !self.incoming.is_empty() => {}
                done => return done,
            }
            let mut ciphertext = &self.incoming[..];
            let taken = self.tls.read_tls(&mut ciphertext)?;
            self.incoming.drain(..taken);
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}
