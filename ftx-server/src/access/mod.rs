//! Rights: what each principal may do, and below which directories.
//!
//! An [`AccessPolicy`] is one reading of a configuration and never changes. [`Access`] is the handle that
//! the parts of a server share; a new reading is swapped in, and the next request is decided by it.

mod grants;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use ftx_io::Fingerprint;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use self::grants::{Grant, GrantPath, GrantPathError, Grants, Rights};
use crate::auth::Principal;

/// The policy in force; clones share it.
#[derive(Clone, Debug)]
pub struct Access {
    current: Arc<ArcSwap<AccessPolicy>>,
}

/// One reading of the users, their rights, and the networks that are trusted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AccessPolicy {
    /// The users by their names.
    pub users: HashMap<Arc<str>, UserPolicy>,
    /// The rights of native clients without credentials; `None` refuses them.
    pub anonymous: Option<Scope>,
    /// The rights of legacy clients; `None` refuses them.
    pub legacy: Option<LegacyPolicy>,
    /// The networks of proxies, whose connections begin with the client's address in the PROXY protocol.
    pub trusted_proxies: Vec<IpNet>,
    /// Native clients beyond this machine may do without TLS.
    pub allows_plain: bool,
}

/// A user.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UserPolicy {
    /// What the user may do.
    pub scope: Scope,
    /// The keys of client certificates that stand for the user, as a token does.
    pub certificates: Vec<Fingerprint>,
}

/// Legacy clients, whose protocol has no credentials.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LegacyPolicy {
    /// The networks that they are served from.
    pub networks: Vec<IpNet>,
    /// What they may do.
    pub scope: Scope,
}

/// What a principal may do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Scope {
    /// The rights by directory.
    pub grants: Grants,
    /// The most bytes below the directories in which the principal may create files; `None` for no limit.
    pub quota_bytes: Option<u64>,
    /// The size of the largest file that the principal may store; `None` for no limit.
    pub max_file_bytes: Option<u64>,
    /// The most bytes of files in a second, in each direction, of all connections of the principal; `None` for
    /// the limit of the server.
    pub bytes_per_second: Option<NonZeroU64>,
}

impl Access {
    /// A handle of this policy.
    #[must_use]
    pub fn new(policy: AccessPolicy) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(policy)) }
    }

    /// Puts a new policy in force.
    pub fn replace(&self, policy: AccessPolicy) {
        self.current.store(Arc::new(policy));
    }

    /// The policy in force now.
    #[must_use]
    pub fn current(&self) -> Guard<Arc<AccessPolicy>> {
        self.current.load()
    }
}

impl AccessPolicy {
    /// Everybody may do everything, in either dialect, from everywhere.
    #[must_use]
    pub fn open() -> Self {
        Self {
            users: HashMap::new(),
            anonymous: Some(Scope::everything()),
            legacy: Some(LegacyPolicy {
                networks: vec![Ipv4Net::default().into(), Ipv6Net::default().into()],
                scope: Scope::everything(),
            }),
            trusted_proxies: Vec::new(),
            allows_plain: true,
        }
    }

    /// Whether native clients of this address may do without TLS. This machine's own connections are
    /// private.
    #[must_use]
    pub fn admits_plain(&self, peer: IpAddr) -> bool {
        self.allows_plain || peer.to_canonical().is_loopback()
    }

    /// What a principal may do; `None` for one that is unknown, who may do nothing.
    #[must_use]
    pub fn scope(&self, principal: &Principal) -> Option<&Scope> {
        match principal {
            Principal::Anonymous => self.anonymous.as_ref(),
            Principal::Legacy => self.legacy.as_ref().map(|legacy| &legacy.scope),
            Principal::User(name) => self.users.get(name).map(|user| &user.scope),
        }
    }
}

impl LegacyPolicy {
    /// Legacy clients of these networks, with these rights.
    #[must_use]
    pub fn new(networks: Vec<IpNet>, scope: Scope) -> Self {
        Self { networks, scope }
    }

    /// Whether legacy clients are served from this address.
    #[must_use]
    pub fn serves(&self, address: IpAddr) -> bool {
        contains(&self.networks, address)
    }
}

impl Scope {
    /// All rights on all files.
    #[must_use]
    pub fn everything() -> Self {
        let grants = Grants::new([Grant { path: GrantPath::ROOT, rights: Rights::all() }]);
        Self { grants, ..Self::default() }
    }
}

/// Whether an address is in one of the networks. An IPv4 address may come in its IPv6 form.
pub(crate) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests;
