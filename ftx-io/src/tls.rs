//! The parts of TLS that both sides share: the provider of its ciphers, the name of the protocol inside
//! it, and PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as provider;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("choose the provider of ciphers: the feature ring or aws-lc-rs");

/// The protocol inside TLS, for ALPN.
pub const ALPN_NATIVE: &[u8] = b"ftx/1";

/// A PEM file that cannot be read, or that lacks what it is for.
#[derive(Debug, thiserror::Error)]
#[error("{} has no {expected} in PEM form", path.display())]
pub struct PemError {
    /// The file.
    pub path: PathBuf,
    /// `certificate` or `private key`.
    pub expected: &'static str,
    /// Why the file cannot be read; `None` if its content is at fault.
    pub source: Option<io::Error>,
}

/// Ciphers and curves of every connection. The server follows the client's order, and AES-128 takes a
/// quarter less time than AES-256.
#[must_use]
pub fn crypto_provider() -> Arc<CryptoProvider> {
    use provider::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    use provider::kx_group::{SECP256R1, SECP384R1, X25519};
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS13_AES_256_GCM_SHA384,
            TLS13_CHACHA20_POLY1305_SHA256,
        ],
        // A larger share, such as a post-quantum one, would take the first message beyond the bytes of
        // one read of an original server.
        kx_groups: vec![X25519, SECP256R1, SECP384R1],
        ..provider::default_provider()
    };
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(make())))
}

/// Reads the certificates of a PEM file, at least one.
///
/// # Errors
/// See [`PemError`].
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let failed = |error| failure(path, error, "certificate");
    let certificates = CertificateDer::pem_file_iter(path).map_err(failed)?;
    match certificates.collect::<Result<Vec<_>, _>>().map_err(failed)? {
        certificates if certificates.is_empty() => Err(failed(pem::Error::NoItemsFound)),
        certificates => Ok(certificates),
    }
}

/// Reads the first private key of a PEM file.
///
/// # Errors
/// See [`PemError`].
pub fn read_private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| failure(path, error, "private key"))
}

fn failure(path: &Path, error: pem::Error, expected: &'static str) -> PemError {
    let source = match error {
        pem::Error::Io(source) => Some(source),
        _ => None,
    };
    PemError { path: path.to_owned(), expected, source }
}
