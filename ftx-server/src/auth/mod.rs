//! Identities: who a connection acts for, and who decides that.
//!
//! An [`Authenticator`] looks at the credentials of each connection once, in its handshake, and yields an
//! [`Identity`]: a [`Principal`] as long as its proof is valid. A native session keeps the principal, and
//! admits no connection of another one.
//!
//! [`Everyone`] asks for nothing. [`TokenAuthenticator`] knows users by their tokens, which lie hashed in a
//! [`TokenFile`], and by their client certificates.

mod certificates;
mod legacy_networks;
mod login_fault;
mod token_authenticator;
mod token_file;
mod token_state;
mod token_table;
mod user_name;
mod wall_clock;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ftx_io::Fingerprint;
use tokio_util::sync::CancellationToken;

pub use self::token_authenticator::{TokenAuthenticator, TokenReload};
pub use self::token_file::{SecretHash, TokenFile, TokenFileError, TokenLineFault, TokenRecord};
pub use self::user_name::{MAX_USER_NAME_BYTES, UserNameError, check_user_name};
pub use self::wall_clock::{SystemWallClock, WallClock};
use crate::store::Refusal;

/// The one for whom a connection acts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A native client that has proved nothing.
    Anonymous,
    /// A legacy client, whose protocol has no proof.
    Legacy,
    /// A user.
    User(Arc<str>),
}

/// A principal, as long as its proof is valid.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The one for whom the connection acts.
    pub principal: Principal,
    /// Cancelled when the proof is no longer valid, as after the revocation of a token. The connection ends
    /// then.
    pub ended: CancellationToken,
}

/// The credentials of a connection.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Credentials<'a> {
    /// The proof in the client's `Hello`, if it sent one.
    pub auth: Option<&'a str>,
    /// The key of the certificate that the client showed in its TLS handshake, if it showed one. Its issuer
    /// is one of those that the server trusts.
    pub certificate: Option<Fingerprint>,
    /// The client's address.
    pub peer: SocketAddr,
}

/// Decides for whom a connection acts.
///
/// The methods are called on a reactor thread, which serves other connections too: they must not block. So
/// they decide by what is in memory, such as a table of the hashes of tokens.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Names the principal of a native connection.
    ///
    /// # Errors
    /// The credentials are not accepted, usually [`Unauthorised`](ftx_core::native::Reason::Unauthorised).
    /// The client gets the reason and the message, so the message must not tell more than the client may know.
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal>;

    /// Names the principal of a legacy connection, whose protocol has no credentials.
    ///
    /// # Errors
    /// Legacy clients are not served from this address. The connection is closed without an answer.
    fn legacy(&self, peer: SocketAddr) -> Result<Identity, Refusal>;
}

/// Accepts every client, and ignores credentials.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everyone;

impl Principal {
    /// A user.
    #[must_use]
    pub fn user(name: impl Into<Arc<str>>) -> Self {
        Self::User(name.into())
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("an anonymous client"),
            Self::Legacy => f.write_str("a legacy client"),
            Self::User(name) => write!(f, "{name:?}"),
        }
    }
}

impl Identity {
    /// An identity whose proof stays valid.
    #[must_use]
    pub fn permanent(principal: Principal) -> Self {
        Self { principal, ended: CancellationToken::new() }
    }
}

impl<'a> Credentials<'a> {
    /// The credentials of a client at this address.
    #[must_use]
    pub const fn new(auth: Option<&'a str>, peer: SocketAddr) -> Self {
        Self { auth, certificate: None, peer }
    }

    /// With the key of the certificate that the client showed.
    #[must_use]
    pub const fn with_certificate(mut self, certificate: Option<Fingerprint>) -> Self {
        self.certificate = certificate;
        self
    }
}

/// Does not show the proof, which is a secret.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let auth = self.auth.map(|_| "…");
        f.debug_struct("Credentials")
            .field("auth", &auth)
            .field("certificate", &self.certificate)
            .field("peer", &self.peer)
            .finish()
    }
}

impl Authenticator for Everyone {
    fn authenticate(&self, _: Credentials<'_>) -> Result<Identity, Refusal> {
        Ok(Identity::permanent(Principal::Anonymous))
    }

    fn legacy(&self, _: SocketAddr) -> Result<Identity, Refusal> {
        Ok(Identity::permanent(Principal::Legacy))
    }
}

#[cfg(test)]
mod tests;
