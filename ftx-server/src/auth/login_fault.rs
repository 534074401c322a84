//! The faults of a login: the log tells them apart, and the client hears one text for all.

use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::{AccessTokenError, TokenId};
use ftx_io::Fingerprint;

use crate::store::Refusal;

/// The fault of a login, for the log. It has no part of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LoginFault {
    #[error("too many failed logins from this address")]
    Limited,
    #[error("no credentials")]
    NoCredentials,
    #[error("no valid token: {0}")]
    Malformed(#[from] AccessTokenError),
    #[error("unknown token {id}")]
    UnknownToken { id: TokenId },
    #[error("wrong secret for the token {id} of {user:?}")]
    WrongSecret { id: TokenId, user: Arc<str> },
    #[error("the token {id} of {user:?} has expired")]
    Expired { id: TokenId, user: Arc<str> },
    #[error("the token {id} of {user:?} was revoked")]
    Revoked { id: TokenId, user: Arc<str> },
    #[error("no user has the certificate {key}")]
    UnknownCertificate { key: Fingerprint },
    #[error("several users have the certificate {key}")]
    SharedCertificate { key: Fingerprint },
}

impl LoginFault {
    /// Whether this counts as a failed login of the client's address.
    pub(super) fn is_failed_login(&self) -> bool {
        !matches!(self, Self::Limited | Self::NoCredentials)
    }

    /// The answer to the client. It does not tell a guess that is nearly right from any other.
    pub(super) fn refusal(&self) -> Refusal {
        let (reason, message) = match self {
            Self::Limited => (
                Reason::TooManyRequests,
                "too many failed logins from your address; try again in a minute",
            ),
            Self::NoCredentials => {
                (Reason::Unauthorised, "the server serves nobody without credentials; give a token")
            }
            _ => (
                Reason::Unauthorised,
                "the credentials are not accepted; check the token, or ask for a new one",
            ),
        };
        Refusal::new(reason, message)
    }
}
