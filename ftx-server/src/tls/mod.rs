//! TLS of the server: its key and certificate, and their reload.
//!
//! The files are read at the start and on a [reload](ServerTls::reload). A handshake uses those that were
//! read last; connections that run are not touched.

mod self_signed;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use ftx_io::{
    ALPN_NATIVE, Fingerprint, PemError, crypto_provider, read_certificates, read_private_key,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

/// The certificate of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerCertificate {
    /// One that the server makes for itself at its first start, in this directory. Clients trust it by its
    /// fingerprint.
    SelfSigned {
        /// The directory of the key and the certificate, which is created if it is missing.
        dir: PathBuf,
    },
    /// One that somebody has issued.
    Files {
        /// A PEM file with the certificate, followed by those of its issuers.
        cert: PathBuf,
        /// A PEM file with the private key.
        key: PathBuf,
    },
}

/// The settings of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate that the server shows.
    pub certificate: ServerCertificate,
    /// A PEM file with the issuers of client certificates. Without it, clients show none.
    pub client_ca: Option<PathBuf>,
}

/// TLS of a server, with the files that were read last.
#[derive(Debug)]
pub struct ServerTls {
    files: ArcSwap<TlsFiles>,
    current: ArcSwap<Loaded>,
}

/// Files that were read, but are not used yet.
#[derive(Debug)]
pub struct NextTls {
    files: TlsFiles,
    loaded: Loaded,
}

/// The files as they were read.
#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
}

/// Why a server cannot use its files for TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The failure.
        source: io::Error,
    },
    /// A file lacks what it is for.
    #[error("{} has no {expected} in PEM form", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        expected: &'static str,
    },
    /// A certificate or key cannot be used, or they do not belong together.
    #[error("{} and its key cannot be used", path.display())]
    Unusable {
        /// The file of the certificate.
        path: PathBuf,
        /// The failure.
        source: rustls::Error,
    },
    /// The issuers of client certificates cannot be used.
    #[error("{} cannot be used for client certificates", path.display())]
    ClientIssuers {
        /// The file.
        path: PathBuf,
        /// The failure.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Generate(#[source] rcgen::Error),
}

impl TlsError {
    /// The file that the error is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. }
            | Self::Missing { path, .. }
            | Self::Unusable { path, .. }
            | Self::ClientIssuers { path, .. } => Some(path),
            Self::Generate(_) => None,
        }
    }
}

impl From<PemError> for TlsError {
    fn from(error: PemError) -> Self {
        let PemError { path, expected, source } = error;
        match source {
            Some(source) => Self::File { path, source },
            None => Self::Missing { path, expected },
        }
    }
}

impl TlsFiles {
    /// Reads the files that must be there, and returns all that is wrong with them. Makes no file.
    #[must_use]
    pub fn faults(&self) -> Vec<TlsError> {
        let mut faults = Vec::new();
        let mut add = |error: TlsError| faults.push(error);
        if let ServerCertificate::Files { cert, key } = &self.certificate {
            match (read_certificates(cert), read_private_key(key)) {
                (Ok(chain), Ok(key)) => {
                    server_config(None, chain, key, cert).map(drop).unwrap_or_else(&mut add);
                }
                (chain, key) => {
                    chain.map(drop).unwrap_or_else(|error| add(error.into()));
                    key.map(drop).unwrap_or_else(|error| add(error.into()));
                }
            }
        }
        if let Some(path) = &self.client_ca {
            client_verifier(path).map(drop).unwrap_or_else(&mut add);
        }
        faults
    }
}

impl ServerTls {
    /// Reads the files, and makes a self-signed certificate if there is none yet.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(Loaded::read(&files)?);
        Ok(Self { files: ArcSwap::from_pointee(files), current })
    }

    /// Reads the files again. The next handshakes use them.
    ///
    /// # Errors
    /// See [`TlsError`]; the files that were read before stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(Loaded::read(&self.files.load())?));
        Ok(())
    }

    /// Reads these files, which may be others than before, for a [`replace`](Self::replace).
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn read(files: TlsFiles) -> Result<NextTls, TlsError> {
        let loaded = Loaded::read(&files)?;
        Ok(NextTls { files, loaded })
    }

    /// Puts other files in use. The next handshakes use them.
    pub fn replace(&self, next: NextTls) {
        self.files.store(Arc::new(next.files));
        self.current.store(Arc::new(next.loaded));
    }

    /// The fingerprint of the certificate's key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.current.load().fingerprint
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }
}

impl Loaded {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let (path, chain, key) = match &files.certificate {
            ServerCertificate::SelfSigned { dir } => {
                let (path, chain, key) = self_signed::load_or_create(dir)?;
                (path, chain, key)
            }
            ServerCertificate::Files { cert, key } => {
                (cert.clone(), read_certificates(cert)?, read_private_key(key)?)
            }
        };
        let unusable = |source| TlsError::Unusable { path: path.clone(), source };
        let fingerprint = match chain.first() {
            Some(own) => Fingerprint::of_certificate(own).map_err(unusable)?,
            None => return Err(TlsError::Missing { path, expected: "certificate" }),
        };
        let config = server_config(files.client_ca.as_deref(), chain, key, &path)?;
        Ok(Self { config: Arc::new(config), fingerprint })
    }
}

fn server_config(
    client_ca: Option<&Path>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    path: &Path,
) -> Result<ServerConfig, TlsError> {
    let verifier = match client_ca {
        Some(path) => client_verifier(path)?,
        None => Arc::new(NoClientAuth),
    };
    let unusable = |source| TlsError::Unusable { path: path.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    // A client that names no protocol is served, too.
    config.alpn_protocols = vec![ALPN_NATIVE.to_vec()];
    // A resumed session would skip the look at the client's certificate, which may have been revoked.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Accepts clients with a certificate of these issuers, and clients without one, which prove who they are
/// by other means or not at all.
fn client_verifier(
    path: &Path,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| {
        let path = path.to_owned();
        TlsError::ClientIssuers { path, source }
    };
    let mut roots = RootCertStore::empty();
    for issuer in read_certificates(path)? {
        roots.add(issuer).map_err(|error| unusable(error.into()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto_provider())
        .allow_unauthenticated()
        .build()
        .map(|verifier| verifier as _)
        .map_err(|error| unusable(error.into()))
}
