//! Admission: which connections are served.
//!
//! A connection beyond a limit is not just closed. Its client is told the limit, in the handshake, so that it
//! can show why and retry later. Only a few are told at a time; a flood is closed at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::Quota;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ClientNetwork, Limit, Limits, RateByNetwork};

/// Clients that are told at one time that a limit keeps them out.
const MAX_REFUSING: usize = 64;

/// Decides which connections are served.
pub(crate) struct Admission {
    limits: Limits,
    connections: Arc<Mutex<HashMap<ClientNetwork, u32>>>,
    new_connections: Option<RateByNetwork>,
    refusing: Arc<Semaphore>,
}

/// An admitted connection, until it is dropped.
pub(crate) struct Admitted {
    network: ClientNetwork,
    connections: Arc<Mutex<HashMap<ClientNetwork, u32>>>,
}

/// A limit keeps a connection out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitHit {
    #[error("the server serves at most {most} connections, and has as many (max_connections)")]
    Connections { most: usize },
    #[error(
        "the server serves at most {most} connections of one address, and {network} has as many \
         (max_connections_per_address)"
    )]
    ConnectionsPerAddress { network: ClientNetwork, most: NonZeroU32 },
    #[error(
        "the server admits at most {most} new connections of one address in a second, and {network} makes \
         more (max_new_connections_per_address)"
    )]
    NewConnectionsPerAddress { network: ClientNetwork, most: NonZeroU32 },
}

/// A connection that is kept open only to tell its client the limit.
pub(crate) struct Refusing {
    pub(crate) hit: LimitHit,
    _permit: OwnedSemaphorePermit,
}

/// Each step leaves the counts in order, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        let most_new = limits.new_connections_per_address.most;
        Self {
            new_connections: most_new.map(|most| RateByNetwork::new(Quota::per_second(most))),
            connections: Arc::default(),
            refusing: Arc::new(Semaphore::new(MAX_REFUSING)),
            limits,
        }
    }

    /// Whether the server has room for one more beside its `active` connections.
    pub(crate) fn check_room(&self, active: usize) -> Result<(), LimitHit> {
        let most = self.limits.connections;
        if active < most { Ok(()) } else { Err(LimitHit::Connections { most }) }
    }

    /// Admits a connection of a client at this address.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Admitted, LimitHit> {
        let network = ClientNetwork::of(address);
        if let Some(most) = self.limits.new_connections_per_address.of(address)
            && let Some(rate) = &self.new_connections
            && !rate.count(network)
        {
            return Err(LimitHit::NewConnectionsPerAddress { network, most });
        }
        let mut connections = lock(&self.connections);
        let count = connections.entry(network).or_default();
        if let Some(most) = self.limits.connections_per_address.of(address)
            && *count >= most.get()
        {
            return Err(LimitHit::ConnectionsPerAddress { network, most });
        }
        *count += 1;
        Ok(Admitted { network, connections: Arc::clone(&self.connections) })
    }

    /// Room to tell a client the limit; `None` while enough others are told.
    pub(crate) fn refuse(&self, hit: LimitHit) -> Option<Refusing> {
        let permit = Arc::clone(&self.refusing).try_acquire_owned().ok()?;
        Some(Refusing { hit, _permit: permit })
    }
}

impl LimitHit {
    /// The limit.
    pub(crate) fn limit(self) -> Limit {
        match self {
            Self::Connections { .. } => Limit::Connections,
            Self::ConnectionsPerAddress { .. } => Limit::ConnectionsPerAddress,
            Self::NewConnectionsPerAddress { .. } => Limit::NewConnectionsPerAddress,
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = lock(&self.connections).entry(self.network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::AddressLimit;
    use super::*;

    const HERE: &str = "127.0.0.1";
    const THERE: &str = "192.0.2.1";

    fn admission(set: impl FnOnce(&mut Limits)) -> Admission {
        let mut limits = Limits::default();
        set(&mut limits);
        Admission::new(limits)
    }

    fn admit(admission: &Admission, address: &str) -> Result<Admitted, LimitHit> {
        admission.admit(address.parse().unwrap())
    }

    fn most(count: u32) -> AddressLimit {
        AddressLimit::for_all(NonZeroU32::new(count))
    }

    #[test]
    fn an_address_has_its_connections_and_others_have_theirs() {
        let admission = admission(|limits| limits.connections_per_address = most(2));
        for (address, other) in [(HERE, THERE), ("2001:db8::1", "2001:db8:0:1::1")] {
            let [first, _second] = [(); 2].map(|()| admit(&admission, address).unwrap());
            let refused = admit(&admission, address).map(drop).unwrap_err();
            assert_eq!(refused.limit(), Limit::ConnectionsPerAddress);
            assert!(refused.to_string().contains("at most 2 connections"), "{refused}");
            assert!(admit(&admission, other).is_ok());
            drop(first);
            assert!(admit(&admission, address).is_ok());
        }
        assert!(lock(&admission.connections).is_empty());
    }

    #[test]
    fn new_connections_of_an_address_are_limited() {
        let admission = admission(|limits| limits.new_connections_per_address = most(3));
        for _ in 0..3 {
            assert!(admit(&admission, THERE).is_ok());
        }
        let refused = admit(&admission, THERE).map(drop).unwrap_err();
        assert_eq!(refused.limit(), Limit::NewConnectionsPerAddress);
        assert!(admit(&admission, HERE).is_ok());
    }

    #[test]
    fn this_machine_is_exempt_from_the_defaults_only() {
        let by_default = admission(|limits| limits.connections = usize::MAX);
        let here: Vec<_> = (0..1000).map(|_| admit(&by_default, HERE)).collect();
        assert!(here.iter().all(Result::is_ok));
        for address in ["::1", "::ffff:127.0.0.1"] {
            assert!((0..100).all(|_| admit(&by_default, address).is_ok()));
        }
        let there: Vec<_> = (0..1000).map(|_| admit(&by_default, THERE)).collect();
        assert!(there.iter().any(Result::is_err));
        let without = admission(|limits| {
            limits.connections_per_address = AddressLimit::for_all(None);
            limits.new_connections_per_address = AddressLimit::for_all(None);
        });
        let there: Vec<_> = (0..1000).map(|_| admit(&without, THERE)).collect();
        assert!(there.iter().all(Result::is_ok));
    }

    #[test]
    fn the_server_has_its_connections() {
        let admission = admission(|limits| limits.connections = 2);
        assert!(admission.check_room(1).is_ok());
        assert_eq!(admission.check_room(2).unwrap_err().limit(), Limit::Connections);
    }

    #[test]
    fn only_some_clients_are_told_at_a_time() {
        let admission = admission(|_| {});
        let hit = LimitHit::Connections { most: 1 };
        let told: Vec<_> = std::iter::from_fn(|| admission.refuse(hit)).take(1000).collect();
        assert_eq!(told.len(), MAX_REFUSING);
        drop(told);
        assert!(admission.refuse(hit).is_some());
    }
}
