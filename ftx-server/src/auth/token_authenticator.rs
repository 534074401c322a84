//! The authenticator of a server with a configuration: users by tokens and by certificates.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use ftx_core::AccessToken;
use ftx_core::native::Reason;
use governor::Quota;
use tracing::warn;

use super::login_fault::LoginFault;
use super::token_file::{TokenFile, TokenFileError};
use super::token_state::TokenState;
use super::wall_clock::{SystemWallClock, WallClock};
use super::{Authenticator, Credentials, Identity, Principal};
use crate::access::Access;
use crate::limits::{ClientNetwork, RateByNetwork};
use crate::log_throttle::LogThrottle;
use crate::store::Refusal;

/// Failed logins of one address at once; one more is allowed every six seconds.
const MAX_FAILED_LOGINS: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Knows users by their tokens, and otherwise by their client certificates. Clients without credentials are
/// anonymous, if the policy has rights for them. Credentials that are not accepted never count as none.
pub struct TokenAuthenticator {
    state: Arc<TokenState>,
    failed_logins: RateByNetwork,
    limited: LogThrottle,
    without_rights: LogThrottle,
}

/// A handle that reads the tokens again.
#[derive(Clone, Debug)]
pub struct TokenReload {
    state: Arc<TokenState>,
}

impl TokenAuthenticator {
    /// Reads the tokens in the state directory, and reads them again whenever their file changes.
    ///
    /// # Errors
    /// The tokens cannot be read.
    pub fn start(access: Access, state_dir: &Path) -> Result<(Self, TokenReload), TokenFileError> {
        Self::with_clock(access, state_dir, Arc::new(SystemWallClock))
    }

    /// The same with another clock, by which tokens expire.
    ///
    /// # Errors
    /// The tokens cannot be read.
    pub fn with_clock(
        access: Access,
        state_dir: &Path,
        clock: Arc<dyn WallClock>,
    ) -> Result<(Self, TokenReload), TokenFileError> {
        let state = TokenState::start(TokenFile::in_state_dir(state_dir), access, clock)?;
        let authenticator = Self {
            state: Arc::clone(&state),
            failed_logins: RateByNetwork::new(Quota::per_minute(MAX_FAILED_LOGINS)),
            limited: LogThrottle::default(),
            without_rights: LogThrottle::default(),
        };
        Ok((authenticator, TokenReload { state }))
    }

    /// Finds out for whom a connection acts. A token decides alone, even if there is a certificate too.
    pub(super) fn identify(&self, credentials: Credentials<'_>) -> Result<Identity, LoginFault> {
        let state = &self.state;
        let has_credentials = credentials.auth.is_some() || credentials.certificate.is_some();
        if has_credentials
            && self.failed_logins.is_limited(ClientNetwork::of(credentials.peer.ip()))
        {
            return Err(LoginFault::Limited);
        }
        if let Some(text) = credentials.auth {
            let token = AccessToken::parse(text)?;
            let holder = state.table().holder(&token, state.clock.now())?;
            return Ok(self.user(holder.user, holder.ended));
        }
        if let Some(key) = credentials.certificate {
            let holder = state.certificates.holder(&state.access, key)?;
            return Ok(self.user(holder.user, holder.ended));
        }
        match state.access.current().anonymous {
            Some(_) => Ok(Identity::permanent(Principal::Anonymous)),
            None => Err(LoginFault::NoCredentials),
        }
    }

    /// A user, who may be one without rights: a configuration can give them while the user is connected.
    fn user(&self, user: Arc<str>, ended: tokio_util::sync::CancellationToken) -> Identity {
        let has_rights = self.state.access.current().users.contains_key(&user);
        if !has_rights && let Some(times) = self.without_rights.count() {
            warn!(?user, times, "the configuration gives this user no rights");
        }
        Identity { principal: Principal::User(user), ended }
    }

    fn log(&self, fault: &LoginFault, peer: SocketAddr) {
        match fault {
            LoginFault::Limited => {
                if let Some(times) = self.limited.count() {
                    warn!(%peer, error = %fault, times, "login refused");
                }
            }
            _ => warn!(%peer, error = %fault, "login refused"),
        }
    }
}

impl Authenticator for TokenAuthenticator {
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        self.identify(credentials).map_err(|fault| {
            if fault.is_failed_login() {
                // One that is limited is counted already.
                let _ = self.failed_logins.count(ClientNetwork::of(credentials.peer.ip()));
            }
            self.log(&fault, credentials.peer);
            fault.refusal()
        })
    }

    fn legacy(&self, peer: SocketAddr) -> Result<Identity, Refusal> {
        match self.state.legacy_networks.admit(&self.state.access, peer.ip()) {
            Some(ended) => Ok(Identity { principal: Principal::Legacy, ended }),
            None => {
                let message = "legacy clients are not served from this address";
                Err(Refusal::new(Reason::Unauthorised, message))
            }
        }
    }
}

impl fmt::Debug for TokenAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAuthenticator").field("state", &self.state).finish_non_exhaustive()
    }
}

impl TokenReload {
    /// Reads the tokens again, and ends the connections whose token, certificate or network is no longer
    /// valid, by a new policy as well.
    ///
    /// # Errors
    /// The tokens cannot be read; the former ones stay in force.
    pub fn reload(&self) -> Result<(), TokenFileError> {
        self.state.reload()
    }
}
