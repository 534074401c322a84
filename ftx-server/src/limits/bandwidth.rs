//! The bytes of files that move in a second: of each connection, of each user, and of all together.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};

use ftx_io::{RateLimit, RateLimits};

use crate::auth::Principal;

/// Limits on the bytes of files that move in a second, in each direction; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bandwidth {
    /// Of one connection.
    pub connection: Option<NonZeroU64>,
    /// Of all connections of one user who has no limit of its own. The clients without credentials count as one user.
    pub user: Option<NonZeroU64>,
    /// Of all connections.
    pub all: Option<NonZeroU64>,
}

/// The limits that connections share.
pub(crate) struct SharedRates {
    settings: Bandwidth,
    all: Option<RatePair>,
    users: Mutex<HashMap<Principal, RatePair>>,
}

/// The limits of both directions, which have the same rate.
#[derive(Clone)]
struct RatePair {
    incoming: RateLimit,
    outgoing: RateLimit,
}

impl SharedRates {
    pub(crate) fn new(settings: Bandwidth) -> Self {
        Self { settings, all: settings.all.map(RatePair::new), users: Mutex::default() }
    }

    /// The limits of a new connection of this principal, which may have a limit of its own.
    pub(crate) fn of(&self, principal: &Principal, own: Option<NonZeroU64>) -> RateLimits {
        let connection = self.settings.connection.map(RatePair::new);
        let user = own.or(self.settings.user).map(|rate| self.user(principal, rate));
        let mut limits = RateLimits::default();
        for pair in [connection, user, self.all.clone()].into_iter().flatten() {
            limits.incoming.push(pair.incoming);
            limits.outgoing.push(pair.outgoing);
        }
        limits
    }

    /// The limit that all connections of a principal share. A new rate begins with the next connection.
    fn user(&self, principal: &Principal, rate: NonZeroU64) -> RatePair {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        match users.get(principal) {
            Some(pair) if pair.incoming.bytes_per_second() == rate => pair.clone(),
            _ => {
                let pair = RatePair::new(rate);
                users.insert(principal.clone(), pair.clone());
                pair
            }
        }
    }
}

impl RatePair {
    fn new(rate: NonZeroU64) -> Self {
        Self { incoming: RateLimit::new(rate), outgoing: RateLimit::new(rate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(limits: &[RateLimit]) -> Vec<u64> {
        limits.iter().map(|limit| limit.bytes_per_second().get()).collect()
    }

    #[test]
    fn a_connection_observes_its_own_limit_its_users_and_that_of_all() {
        let rate = NonZeroU64::new;
        let shared =
            SharedRates::new(Bandwidth { connection: rate(1), user: rate(2), all: rate(3) });
        let alice = shared.of(&Principal::user("alice"), None);
        assert_eq!(rates(&alice.incoming), [1, 2, 3]);
        assert_eq!(rates(&alice.outgoing), [1, 2, 3]);
        let bob = shared.of(&Principal::user("bob"), rate(4));
        assert_eq!(rates(&bob.incoming), [1, 4, 3]);
        // A reload gives bob another one.
        let bob = shared.of(&Principal::user("bob"), rate(5));
        assert_eq!(rates(&bob.incoming), [1, 5, 3]);
        let open = SharedRates::new(Bandwidth::default());
        assert!(open.of(&Principal::Anonymous, None).incoming.is_empty());
    }
}
