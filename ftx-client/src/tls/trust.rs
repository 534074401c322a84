//! Which certificates of servers a client trusts.

use std::io;
use std::sync::Arc;

use ftx_io::Fingerprint;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};

/// How a client decides whether to trust the server.
#[derive(Debug)]
pub(super) enum Trust {
    /// The key must have this fingerprint.
    Pinned {
        fingerprint: Fingerprint,
        /// Where the fingerprint comes from.
        pin: PinSource,
    },
    /// These issuers must have signed the certificate, for the server's name.
    Issued(Arc<dyn ServerCertVerifier>),
    /// Any certificate; the caller remembers its key.
    AnyNew,
}

/// Where the fingerprint of a server comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinSource {
    /// The caller has given it.
    Given,
    /// An earlier connection has stored it.
    KnownHosts,
}

/// A certificate is not trusted. The texts name both fingerprints, since one of them is what a person
/// compares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TrustError {
    /// The key is another one than the expected.
    #[error(
        "the server's key has the fingerprint {shown}, but {expected} is expected{}",
        remedy(*.pin)
    )]
    OtherKey { shown: Fingerprint, expected: Fingerprint, pin: PinSource },
    /// No trusted issuer has signed the certificate.
    #[error(
        "no trusted issuer has signed the server's certificate ({cause}); compare its fingerprint {shown} with the \
         one that the server printed at its start, and give it as the fingerprint if they are the same"
    )]
    Unknown { shown: Fingerprint, cause: String },
}

fn remedy(pin: PinSource) -> &'static str {
    match pin {
        PinSource::Given => "; ask the server's administrator which one is right",
        PinSource::KnownHosts => {
            " since an earlier connection; if the administrator has changed the key, remove the server's \
             line from known_hosts, otherwise this may be an attack"
        }
    }
}

/// Verifies the certificate of one server.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(trust: Trust, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { trust, algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of_certificate(end_entity)?;
        match &self.trust {
            Trust::Pinned { fingerprint, .. } if *fingerprint == shown => {}
            Trust::Pinned { fingerprint: expected, pin } => {
                let (expected, pin) = (*expected, *pin);
                return Err(untrusted(TrustError::OtherKey { shown, expected, pin }));
            }
            Trust::Issued(issuers) => {
                issuers
                    .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                    .map_err(|error| {
                        let cause = error.to_string();
                        untrusted(TrustError::Unknown { shown, cause })
                    })?;
            }
            Trust::AnyNew => {}
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn untrusted(error: TrustError) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

/// Why the certificate was refused, if that is what ended a handshake.
pub(crate) fn trust_error(error: &Error) -> Option<&TrustError> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
            cause.downcast_ref()
        }
        _ => None,
    }
}

/// Whether the server has ended the connection because of the client's certificate. It looks at that
/// after the client's handshake is over, so the first read gets the refusal.
pub(crate) fn refuses_certificate(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    let Some(Error::AlertReceived(alert)) = cause else { return false };
    matches!(
        alert,
        AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
    )
}
