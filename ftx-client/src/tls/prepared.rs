//! What the connections of a client share: the settings of rustls, made once, and what the client has
//! learned of its server.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ftx_io::{ALPN_NATIVE, Fingerprint, crypto_provider, read_certificates, read_private_key};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::{RootCertStore, version};

use super::policy::TrustChoice;
use super::trust::{Trust, Verifier};
use crate::{ClientConfig, TransferError};

/// The TLS of one client. Reading the issuers of the system takes longer than a handshake, so it is done
/// once.
#[derive(Debug, Default)]
pub(crate) struct ClientTls {
    state: Mutex<TlsState>,
}

#[derive(Debug, Default)]
struct TlsState {
    prepared: Option<PreparedTls>,
    /// The server has taken the first message of TLS for one of the original protocol.
    is_original: bool,
    /// The key of a server that was trusted as a new one, where no file remembers it.
    accepted: Option<Fingerprint>,
}

/// The settings of rustls, and what they were made of.
#[derive(Debug)]
struct PreparedTls {
    source: TlsSource,
    tls: Arc<rustls::ClientConfig>,
}

/// What the settings of rustls are made of. A file that has changed is read again.
#[derive(Debug, PartialEq, Eq)]
struct TlsSource {
    trust: TrustChoice,
    ca: Option<FileVersion>,
    client_cert: Option<FileVersion>,
    client_key: Option<FileVersion>,
}

/// A file as it was when it was read.
#[derive(Debug, PartialEq, Eq)]
struct FileVersion {
    path: PathBuf,
    /// Size and time of the last change; `None` if they are unknown.
    stamp: Option<(u64, SystemTime)>,
}

impl ClientTls {
    /// The settings of rustls for a server that is trusted by `trust`.
    ///
    /// # Errors
    /// A file of the settings cannot be used.
    pub(super) fn settings(
        &self,
        trust: TrustChoice,
        config: &ClientConfig,
    ) -> Result<Arc<rustls::ClientConfig>, TransferError> {
        // Before the files are read: a change during that time is found the next time.
        let source = TlsSource::of(trust, config);
        let mut state = self.state();
        if let Some(prepared) = state.prepared.as_ref().filter(|found| found.source == source) {
            return Ok(Arc::clone(&prepared.tls));
        }
        let tls = Arc::new(rustls_settings(trust, config)?);
        state.prepared = Some(PreparedTls { source, tls: Arc::clone(&tls) });
        Ok(tls)
    }

    /// Whether the server is one of the original system, which has no TLS.
    pub(super) fn is_original(&self) -> bool {
        self.state().is_original
    }

    pub(super) fn set_original(&self) {
        self.state().is_original = true;
    }

    /// The key of the server that was trusted as a new one, where no file remembers it.
    pub(super) fn accepted(&self) -> Option<Fingerprint> {
        self.state().accepted
    }

    pub(super) fn set_accepted(&self, fingerprint: Fingerprint) {
        self.state().accepted = Some(fingerprint);
    }

    fn state(&self) -> MutexGuard<'_, TlsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsSource {
    fn of(trust: TrustChoice, config: &ClientConfig) -> Self {
        let ca = config.ca.as_deref().filter(|_| trust == TrustChoice::GivenIssuers);
        let version = |path: Option<&Path>| path.map(FileVersion::of);
        Self {
            trust,
            ca: version(ca),
            client_cert: version(config.client_cert.as_deref()),
            client_key: version(config.client_key.as_deref()),
        }
    }
}

impl FileVersion {
    fn of(path: &Path) -> Self {
        let stamp = std::fs::metadata(path)
            .and_then(|metadata| Ok((metadata.len(), metadata.modified()?)))
            .ok();
        Self { path: path.to_owned(), stamp }
    }
}

/// The settings of rustls for one server.
fn rustls_settings(
    trust: TrustChoice,
    config: &ClientConfig,
) -> Result<rustls::ClientConfig, TransferError> {
    let provider = crypto_provider();
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Arc::new(Verifier::new(trust_of(trust, config)?, algorithms));
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(TransferError::tls_settings)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut tls = match (&config.client_cert, &config.client_key) {
        (Some(cert), key) => {
            let chain = read_certificates(cert).map_err(TransferError::pem)?;
            let key = key.as_ref().unwrap_or(cert);
            let key = read_private_key(key).map_err(TransferError::pem)?;
            builder.with_client_auth_cert(chain, key).map_err(TransferError::tls_settings)?
        }
        (None, _) => builder.with_no_client_auth(),
    };
    // A resumed session would skip the look at the server's key.
    tls.resumption = Resumption::disabled();
    tls.alpn_protocols = vec![ALPN_NATIVE.to_vec()];
    Ok(tls)
}

fn trust_of(choice: TrustChoice, config: &ClientConfig) -> Result<Trust, TransferError> {
    Ok(match (choice, &config.ca) {
        (TrustChoice::Pinned(fingerprint, pin), _) => Trust::Pinned { fingerprint, pin },
        (TrustChoice::AnyNew, _) => Trust::AnyNew,
        (TrustChoice::GivenIssuers, Some(ca)) => {
            let mut roots = RootCertStore::empty();
            for issuer in read_certificates(ca).map_err(TransferError::pem)? {
                roots.add(issuer).map_err(TransferError::tls_settings)?;
            }
            let issuers =
                WebPkiServerVerifier::builder_with_provider(roots.into(), crypto_provider());
            Trust::Issued(issuers.build().map_err(TransferError::tls_settings)?)
        }
        (TrustChoice::GivenIssuers | TrustChoice::SystemIssuers, _) => {
            let issuers = rustls_platform_verifier::Verifier::new(crypto_provider());
            Trust::Issued(Arc::new(issuers.map_err(TransferError::tls_settings)?))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_the_settings_until_a_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        let pem =
            |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem();
        std::fs::write(&ca, pem("one.example")).unwrap();
        let config = ClientConfig { ca: Some(ca.clone()), ..ClientConfig::default() };
        let tls = ClientTls::default();
        let settings = || tls.settings(TrustChoice::GivenIssuers, &config);
        let first = settings().unwrap();
        assert!(Arc::ptr_eq(&first, &settings().unwrap()));
        std::fs::write(&ca, pem("one.example") + &pem("two.example")).unwrap();
        assert!(!Arc::ptr_eq(&first, &settings().unwrap()));
        std::fs::write(&ca, "nothing").unwrap();
        settings().unwrap_err();
    }

    #[test]
    fn another_trust_has_settings_of_its_own() {
        let tls = ClientTls::default();
        let config = ClientConfig::default();
        let first = tls.settings(TrustChoice::AnyNew, &config).unwrap();
        let key = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        let pinned = TrustChoice::Pinned(key, crate::tls::trust::PinSource::Given);
        assert!(!Arc::ptr_eq(&first, &tls.settings(pinned, &config).unwrap()));
    }
}
