//! Failures of the layers below as transfer errors. Those of the legacy dialect are in
//! [`legacy::error`](crate::legacy).

use std::error::Error;
use std::io;
use std::time::Duration;

use ftx_core::native::download::FetchError;
use ftx_core::native::wire::FrameError;
use ftx_core::native::{Reason, StepError};
use ftx_io::{PemError, ReadError, StreamError, TlsHandshakeError, WorkPanicked};
use ftx_store::{Side, StoreError, StoreErrorKind};

use super::TransferError;
use crate::tls::{KnownHostsError, refuses_certificate, trust_error};
use crate::{ClientConfig, ServerAddr};

impl TransferError {
    /// The peer answered the handshake with bytes of neither dialect.
    pub(crate) fn handshake(source: FrameError) -> Self {
        let text = "the server is neither an ftx server nor an original one; check the port";
        Self::new(source.reason(), text).caused_by(source)
    }

    /// The server sent nothing within `limit`. A remainder of an earlier limit is told in whole seconds.
    pub(crate) fn silent_for(limit: Duration) -> Self {
        let seconds = limit.as_millis().div_ceil(1000);
        let told = match u64::try_from(seconds) {
            Ok(seconds) if limit > Duration::from_secs(1) => Duration::from_secs(seconds),
            _ => limit,
        };
        Self::timed_out(humantime::format_duration(told))
    }

    /// TLS with a server failed.
    pub(crate) fn tls(address: &ServerAddr, error: TlsHandshakeError, has_token: bool) -> Self {
        match error {
            TlsHandshakeError::Tls(source) => match trust_error(&source) {
                Some(cause) => Self::untrusted(address).caused_by(cause.clone()),
                None => Self::tls_failed(address).caused_by(source),
            },
            TlsHandshakeError::OriginalServer | TlsHandshakeError::Closed if has_token => {
                Self::tls_missing_for_token(address).caused_by(error)
            }
            TlsHandshakeError::OriginalServer | TlsHandshakeError::Closed => {
                Self::tls_missing(address).caused_by(error)
            }
            TlsHandshakeError::Io(source) => Self::connection(source),
            other => Self::tls_failed(address).caused_by(other),
        }
    }

    /// The answer to the client's first message: a refusal of its credentials says what to do. To a client
    /// without any the server says what it asks for: a token, or TLS.
    pub(crate) fn at_hello(error: Self, config: &ClientConfig) -> Self {
        let text = match (&config.token, &config.client_cert) {
            _ if !error.is_unauthorised() => return error,
            (Some(_), _) => {
                "the server does not accept the token; its administrator can make a new one"
            }
            (None, Some(_)) => {
                "the server serves nobody with this certificate; its administrator can accept it"
            }
            (None, None) => return error,
        };
        Self::refusal(Reason::Unauthorised, text.to_owned()).caused_by(error)
    }

    pub(crate) fn tls_settings(source: impl Error + Send + Sync + 'static) -> Self {
        Self::tls_settings_unusable().caused_by(source)
    }

    pub(crate) fn pem(error: PemError) -> Self {
        let PemError { path, expected, source } = error;
        let no_pem = || io::Error::new(io::ErrorKind::InvalidData, "it is not in PEM form");
        Self::pem_unusable(expected, &path).caused_by(source.unwrap_or_else(no_pem))
    }

    pub(crate) fn known_hosts(source: KnownHostsError) -> Self {
        Self::known_hosts_unusable().caused_by(source)
    }

    pub(crate) fn connection(source: io::Error) -> Self {
        if refuses_certificate(&source) {
            return Self::certificate_refused().caused_by(source);
        }
        Self::connection_lost().caused_by(source)
    }
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        let kind = error.kind();
        if kind == StoreErrorKind::Cancelled {
            return Self::cancelled();
        }
        Self::new(kind.reason(Side::Client), "local file")
            .with_status(kind.status())
            // The other transfer, whose partial file it is, may end soon.
            .with_transience(kind == StoreErrorKind::PartOfAnother)
            .caused_by(error)
    }
}

impl From<WorkPanicked> for TransferError {
    fn from(error: WorkPanicked) -> Self {
        StoreError::from(error).into()
    }
}

impl From<StreamError> for TransferError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed => Self::closed(),
            StreamError::Io(error) => Self::connection(error),
            StreamError::Stopped => Self::cancelled(),
            StreamError::Timeout(limit) => Self::silent_for(limit),
            other => Self::connection(io::Error::other(other)),
        }
    }
}

impl From<ReadError> for TransferError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Frame(error) => error.into(),
            ReadError::Stream(error) => error.into(),
            other => Self::connection(io::Error::other(other)),
        }
    }
}

impl From<FrameError> for TransferError {
    fn from(error: FrameError) -> Self {
        let text = "the server sent bytes that are no ftx message; is it of another version?";
        Self::new(error.reason(), text).caused_by(error)
    }
}

impl From<StepError> for TransferError {
    fn from(error: StepError) -> Self {
        Self::new(error.reason(), "the server broke the protocol").caused_by(error)
    }
}

impl From<FetchError> for TransferError {
    // The error is a complete sentence about the transfer: it is the text, not its cause.
    fn from(error: FetchError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}
