//! The trust in the store's certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::CryptoProvider;
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as provider;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{RootCertStore, version};
use rustls_platform_verifier::Verifier;

use crate::error::{Problem, S3ErrorKind};

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("choose the provider of ciphers: the feature ring or aws-lc-rs");

/// Returns the settings for a store whose certificate is signed by an issuer of the file, or, without
/// one, by one that the system trusts.
pub(crate) fn tls_config(ca: Option<&Path>) -> Result<ClientConfig, Problem> {
    let Some(path) = ca else {
        let verifier = Verifier::new(crypto_provider()).map_err(|error| unusable(&error))?;
        let builder = ClientConfig::builder_with_provider(crypto_provider())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| unusable(&error))?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        return Ok(builder.with_no_client_auth());
    };
    with_issuers(read_issuers(path)?)
}

/// Returns settings that trust no store, for an endpoint without TLS.
pub(crate) fn plain_config() -> Result<ClientConfig, Problem> {
    with_issuers(RootCertStore::empty())
}

fn with_issuers(issuers: RootCertStore) -> Result<ClientConfig, Problem> {
    let builder = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| unusable(&error))?;
    Ok(builder.with_root_certificates(issuers).with_no_client_auth())
}

fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(provider::default_provider())
}

fn read_issuers(path: &Path) -> Result<RootCertStore, Problem> {
    let shown = path.display();
    let failed = |error: &dyn std::fmt::Display| {
        Problem::new(S3ErrorKind::Other, format!("the CA file {shown} is of no use"))
            .caused_by(error)
            .with_remedy("give a file of certificates in PEM form")
    };
    let mut issuers = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
        let certificate = certificate.map_err(|error| failed(&error))?;
        issuers.add(certificate).map_err(|error| failed(&error))?;
    }
    if issuers.is_empty() {
        return Err(failed(&"it has no certificate"));
    }
    Ok(issuers)
}

fn unusable(error: &rustls::Error) -> Problem {
    Problem::new(S3ErrorKind::Other, "TLS cannot be used").caused_by(error)
}
