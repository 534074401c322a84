//! Why a request got no answer.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use hyper_util::client::legacy::Error as ClientError;

use crate::error::{FailedRequest, Problem, RequestEffect, S3ErrorKind};

/// A request that got no answer, or only a part of it.
#[derive(Debug)]
pub(crate) struct TransportFailure {
    text: String,
    cause: Option<String>,
    /// The request has not been sent.
    is_unsent: bool,
    /// Why no other attempt would change it, and what to do about it.
    lasting: Option<&'static str>,
}

impl TransportFailure {
    pub(super) fn of_client(error: &ClientError, host: &str) -> Self {
        let cause = Some(innermost(error).to_string());
        if error.is_connect() {
            let text = format!("cannot connect to {host}");
            return Self { text, cause, is_unsent: true, lasting: tls_mistake(error) };
        }
        let text = "the connection broke before the answer".to_owned();
        Self { text, cause, is_unsent: false, lasting: None }
    }

    pub(super) fn of_body(error: &hyper::Error) -> Self {
        Self {
            text: "the connection broke in the middle of the answer".to_owned(),
            cause: Some(innermost(error).to_string()),
            is_unsent: false,
            lasting: None,
        }
    }

    pub(super) fn silence(silence: Duration) -> Self {
        Self {
            text: format!("no byte went to or from the store for {silence:?}"),
            cause: None,
            is_unsent: false,
            lasting: None,
        }
    }
}

impl fmt::Display for TransportFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl From<TransportFailure> for FailedRequest {
    fn from(failure: TransportFailure) -> Self {
        let problem = Problem::new(S3ErrorKind::Unavailable, failure.text);
        let problem = match failure.cause {
            Some(cause) => problem.caused_by(cause),
            None => problem,
        };
        match (failure.lasting, failure.is_unsent) {
            (Some(remedy), _) => Self::lasting(problem.with_remedy(remedy)),
            (None, true) => Self::passing(problem, RequestEffect::None),
            (None, false) => Self::passing(problem, RequestEffect::Unknown),
        }
    }
}

/// Returns the innermost cause of an error.
fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost
}

/// Returns the remedy if TLS failed for a reason that does not pass.
fn tls_mistake(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return match error {
                rustls::Error::InvalidCertificate(_) => Some(
                    "give the file with the issuer of the store's certificate as the CA if the store is \
                     the right one",
                ),
                rustls::Error::InvalidMessage(_) => {
                    Some("check whether the endpoint speaks TLS: http:// is without it")
                }
                _ => None,
            };
        }
        // An io::Error is no source of itself, while its content is not its source.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(content) => Some(content as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
