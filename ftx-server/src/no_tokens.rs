//! Identities by the configuration alone: nobody has a token.

use std::net::SocketAddr;

use ftx_core::native::Reason;
use ftx_server::store::Refusal;
use ftx_server::{Access, Authenticator, Credentials, Identity, Principal};

/// Accepts the clients without credentials that the policy has rights for.
#[derive(Debug)]
pub(crate) struct NoTokens(pub(crate) Access);

impl Authenticator for NoTokens {
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        match (credentials.auth, &self.0.current().anonymous) {
            (None, Some(_)) => Ok(Identity::permanent(Principal::Anonymous)),
            _ => Err(Refusal::new(Reason::Unauthorised, "the credentials are not accepted")),
        }
    }

    fn legacy(&self, peer: SocketAddr) -> Result<Identity, Refusal> {
        match &self.0.current().legacy {
            Some(legacy) if legacy.serves(peer.ip()) => Ok(Identity::permanent(Principal::Legacy)),
            _ => {
                Err(Refusal::new(Reason::Unauthorised, "legacy clients are not served from there"))
            }
        }
    }
}
