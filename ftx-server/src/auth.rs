//! Identities: who a connection acts for, and who decides that.
//!
//! An [`Authenticator`] looks at the credentials of each connection once, in its handshake, and names a
//! [`Principal`]. A native session keeps it, and admits no connection of another principal.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::store::Refusal;

/// The one for whom a connection acts: a user, or anybody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// `None` for anybody.
    name: Option<Arc<str>>,
}

/// The credentials of a connection.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Credentials<'a> {
    /// The proof in the client's `Hello`, if it sent one.
    pub auth: Option<&'a str>,
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
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Principal, Refusal>;

    /// Names the principal of a legacy connection, whose protocol has no credentials.
    ///
    /// # Errors
    /// Legacy clients are not served from this address. The connection is closed without an answer.
    fn anonymous(&self, peer: SocketAddr) -> Result<Principal, Refusal>;
}

/// Accepts every client as anybody, and ignores credentials.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everyone;

impl Principal {
    /// Anybody: the client has proved nothing.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self { name: None }
    }

    /// A user.
    #[must_use]
    pub fn user(name: impl Into<Arc<str>>) -> Self {
        Self { name: Some(name.into()) }
    }

    /// The user's name; `None` for anybody.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl<'a> Credentials<'a> {
    /// The credentials of a client at this address.
    #[must_use]
    pub const fn new(auth: Option<&'a str>, peer: SocketAddr) -> Self {
        Self { auth, peer }
    }
}

/// Does not show the proof, which is a secret.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let auth = self.auth.map(|_| "…");
        f.debug_struct("Credentials").field("auth", &auth).field("peer", &self.peer).finish()
    }
}

impl Authenticator for Everyone {
    fn authenticate(&self, _: Credentials<'_>) -> Result<Principal, Refusal> {
        Ok(Principal::anonymous())
    }

    fn anonymous(&self, _: SocketAddr) -> Result<Principal, Refusal> {
        Ok(Principal::anonymous())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{Authenticator as _, Credentials, Everyone, Principal};

    const PEER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    #[test]
    fn everyone_is_anybody() {
        for auth in [None, Some("secret")] {
            let principal = Everyone.authenticate(Credentials::new(auth, PEER));
            assert_eq!(principal, Ok(Principal::anonymous()));
        }
        assert_eq!(Everyone.anonymous(PEER), Ok(Principal::anonymous()));
        assert_eq!(Principal::anonymous().name(), None);
    }

    #[test]
    fn users_differ_by_their_names() {
        assert_eq!(Principal::user("alice"), Principal::user("alice"));
        assert_ne!(Principal::user("alice"), Principal::user("bob"));
        assert_ne!(Principal::user(""), Principal::anonymous());
    }

    #[test]
    fn a_proof_is_not_shown() {
        let shown = format!("{:?}", Credentials::new(Some("secret"), PEER));
        assert!(!shown.contains("secret") && shown.contains("127.0.0.1"), "{shown}");
    }
}
