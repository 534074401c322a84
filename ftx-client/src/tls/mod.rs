//! TLS of the client: whether a connection uses it, and whom it trusts.

mod known_hosts;
mod policy;
mod trust;

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ftx_io::{ErrorChain, Fingerprint, TlsHandshakeError, Transport};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{RootCertStore, version};
use tracing::debug;

use self::policy::{Policy, TrustChoice, policy};
use self::trust::{Trust, Verifier};
use crate::{ClientConfig, ServerAddr, TransferError};

pub(crate) use self::known_hosts::KnownHostsError;
pub(crate) use self::trust::{refuses_certificate, trust_error};

/// The protocol inside TLS, for ALPN.
const ALPN_NATIVE: &[u8] = b"ftx/1";

/// A connection after TLS, or without it.
pub(crate) enum Secured {
    /// The connection to use.
    Ready(Transport),
    /// The server does not speak TLS, and the settings allow that: connect again, in plain.
    NoTls,
}

/// Starts TLS on a new connection, if the settings require it for this server.
///
/// # Errors
/// The settings refuse this server in plain, or it is not trusted, or the handshake failed.
pub(crate) async fn secure(
    transport: Transport,
    server: &ServerAddr,
    peer: IpAddr,
    config: &ClientConfig,
) -> Result<Secured, TransferError> {
    let known = known_key(server, peer, config)?;
    let (choice, may_be_plain) = match policy(config, known, peer.is_loopback()) {
        Policy::Plain => return Ok(Secured::Ready(transport)),
        Policy::Refused => return Err(TransferError::plain_refused(server)),
        Policy::Tls { trust, may_be_plain } => (trust, may_be_plain),
    };
    let is_new = choice == TrustChoice::AnyNew;
    let provider = Arc::new(crypto_provider());
    let trust = trust_of(choice, config, &provider)?;
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Arc::new(Verifier::new(trust, algorithms));
    let tls = tls_config(config, provider, Arc::clone(&verifier))?;
    let name = ServerName::try_from(server.host().to_owned())
        .unwrap_or_else(|_| ServerName::IpAddress(peer.into()));
    match transport.connect_tls(Arc::new(tls), name).await {
        Ok(transport) => {
            if let (true, Some(path), Some(accepted)) =
                (is_new, &config.known_hosts, verifier.accepted())
            {
                known_hosts::add(path, server, accepted).map_err(TransferError::known_hosts)?;
            }
            Ok(Secured::Ready(transport))
        }
        Err(TlsHandshakeError::OriginalServer | TlsHandshakeError::Closed) if may_be_plain => {
            Ok(Secured::NoTls)
        }
        Err(error) => Err(TransferError::tls(server, error)),
    }
}

/// The key by which the server is known from an earlier connection.
///
/// # Errors
/// The file of known servers cannot be used. A server on this machine counts as unknown then.
fn known_key(
    server: &ServerAddr,
    peer: IpAddr,
    config: &ClientConfig,
) -> Result<Option<Fingerprint>, TransferError> {
    let Some(path) = &config.known_hosts else { return Ok(None) };
    match known_hosts::look_up(path, server) {
        Err(error) if peer.is_loopback() => {
            debug!(error = %ErrorChain(&error), "no server on this machine is known");
            Ok(None)
        }
        known => known.map_err(TransferError::known_hosts),
    }
}

/// Ciphers and curves. The server follows the client's order, and AES-128 takes a quarter less time than
/// AES-256.
fn crypto_provider() -> CryptoProvider {
    use ring::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let cipher_suites =
        vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    CryptoProvider { cipher_suites, ..ring::default_provider() }
}

/// The settings of rustls for one server.
fn tls_config(
    config: &ClientConfig,
    provider: Arc<CryptoProvider>,
    verifier: Arc<Verifier>,
) -> Result<rustls::ClientConfig, TransferError> {
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(TransferError::tls_settings)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut tls = match (&config.client_cert, &config.client_key) {
        (Some(cert), key) => {
            let key = key.as_ref().unwrap_or(cert);
            let chain = read_certificates(cert)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| TransferError::pem("private key", key, pem_cause(error)))?;
            builder.with_client_auth_cert(chain, key).map_err(TransferError::tls_settings)?
        }
        (None, _) => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![ALPN_NATIVE.to_vec()];
    Ok(tls)
}

fn trust_of(
    choice: TrustChoice,
    config: &ClientConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Trust, TransferError> {
    Ok(match (choice, &config.ca) {
        (TrustChoice::Pinned(fingerprint, pin), _) => Trust::Pinned { fingerprint, pin },
        (TrustChoice::AnyNew, _) => Trust::AnyNew,
        (TrustChoice::GivenIssuers, Some(ca)) => {
            let mut roots = RootCertStore::empty();
            for issuer in read_certificates(ca)? {
                roots.add(issuer).map_err(TransferError::tls_settings)?;
            }
            let issuers =
                WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
            Trust::Issued(issuers.build().map_err(TransferError::tls_settings)?)
        }
        (TrustChoice::GivenIssuers | TrustChoice::SystemIssuers, _) => {
            let issuers = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
            Trust::Issued(Arc::new(issuers.map_err(TransferError::tls_settings)?))
        }
    })
}

/// Reads the certificates of a PEM file, at least one.
fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TransferError> {
    let failed = |error| TransferError::pem("certificate", path, pem_cause(error));
    let certificates = CertificateDer::pem_file_iter(path).map_err(failed)?;
    match certificates.collect::<Result<Vec<_>, _>>().map_err(failed)? {
        certificates if certificates.is_empty() => Err(failed(pem::Error::NoItemsFound)),
        certificates => Ok(certificates),
    }
}

fn pem_cause(error: pem::Error) -> io::Error {
    match error {
        pem::Error::Io(error) => error,
        _ => io::Error::new(io::ErrorKind::InvalidData, "it is not in PEM form"),
    }
}
