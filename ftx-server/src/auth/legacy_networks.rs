//! The networks of legacy clients, and the connections that depend on them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, AccessPolicy};

/// The networks of the policy in force.
#[derive(Debug, Default)]
pub(super) struct LegacyNetworks(Mutex<Current>);

#[derive(Debug, Default)]
struct Current {
    policy: Arc<AccessPolicy>,
    /// Cancelled when no legacy client is served from the network any more.
    ended: HashMap<IpNet, CancellationToken>,
}

impl LegacyNetworks {
    /// The end of the connections from the address's network; `None` if legacy clients are not served from
    /// there.
    pub(super) fn admit(&self, access: &Access, address: IpAddr) -> Option<CancellationToken> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.follow(&access.current());
        let address = address.to_canonical();
        let found = current.ended.iter().find(|(network, _)| network.contains(&address));
        found.map(|(_, ended)| ended.clone())
    }

    /// Ends the connections from networks that are no longer served.
    pub(super) fn refresh(&self, access: &Access) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).follow(&access.current());
    }
}

impl Current {
    /// Takes over the policy in force, if it is a new one.
    fn follow(&mut self, policy: &Arc<AccessPolicy>) {
        if Arc::ptr_eq(&self.policy, policy) {
            return;
        }
        let networks = policy.legacy.as_ref().map_or(&[][..], |legacy| &legacy.networks);
        let mut former = std::mem::take(&mut self.ended);
        self.ended = networks
            .iter()
            .map(|network| (*network, former.remove(network).unwrap_or_default()))
            .collect();
        for ended in former.values() {
            ended.cancel();
        }
        self.policy = Arc::clone(policy);
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, AccessPolicy, LegacyNetworks};
    use crate::access::{LegacyPolicy, Scope};

    fn policy(networks: &[&str]) -> AccessPolicy {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        AccessPolicy {
            legacy: Some(LegacyPolicy::new(networks, Scope::everything())),
            ..AccessPolicy::default()
        }
    }

    #[test]
    fn connections_end_with_their_network() {
        let access = Access::new(policy(&["10.0.0.0/8", "192.0.2.0/24"]));
        let networks = LegacyNetworks::default();
        let admit = |address: &str| networks.admit(&access, address.parse().unwrap());
        let [one, other] = ["10.1.2.3", "::ffff:192.0.2.7"].map(|address| admit(address).unwrap());
        assert!(admit("198.51.100.1").is_none());
        access.replace(policy(&["192.0.2.0/24", "198.51.100.0/24"]));
        networks.refresh(&access);
        assert!(one.is_cancelled() && !other.is_cancelled());
        assert!(admit("10.1.2.3").is_none() && admit("198.51.100.1").is_some());
        access.replace(AccessPolicy::default());
        networks.refresh(&access);
        assert!(other.is_cancelled());
    }
}
