//! A limit on how often something happens, for each network of clients.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use lru::LruCache;

use super::ClientNetwork;

/// Networks that are remembered. The one that counted longest ago is forgotten first: an attacker with that
/// many cannot be stopped by their addresses.
const MAX_NETWORKS: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Limits how often something happens, for each network of clients.
pub(crate) struct RateByNetwork<C: Clock = MonotonicClock> {
    limiter: RateLimiter<Event, NetworkStates, C, NoOpMiddleware<C::Instant>>,
}

/// An event of a network, or a look whether one is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Event {
    network: ClientNetwork,
    counts: bool,
}

/// The state of the limit for each network.
struct NetworkStates(Mutex<LruCache<ClientNetwork, Nanos>>);

impl RateByNetwork {
    pub(crate) fn new(quota: Quota) -> Self {
        Self::with_clock(quota, MonotonicClock)
    }
}

impl<C: Clock> RateByNetwork<C> {
    pub(crate) fn with_clock(quota: Quota, clock: C) -> Self {
        let states = NetworkStates(Mutex::new(LruCache::new(MAX_NETWORKS)));
        Self { limiter: RateLimiter::new(quota, states, clock) }
    }

    /// Whether one more event would be too many now.
    pub(crate) fn is_limited(&self, network: ClientNetwork) -> bool {
        self.limiter.check_key(&Event { network, counts: false }).is_err()
    }

    /// Counts an event, and returns whether it is allowed. One that is not allowed does not count.
    pub(crate) fn count(&self, network: ClientNetwork) -> bool {
        self.limiter.check_key(&Event { network, counts: true }).is_ok()
    }
}

impl StateStore for NetworkStates {
    type Key = Event;

    fn measure_and_replace<T, F, E>(&self, key: &Event, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (outcome, next) = measure(states.peek(&key.network).copied())?;
        if key.counts {
            states.put(key.network, next);
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    const BURST: NonZeroU32 = NonZeroU32::new(10).unwrap();

    fn network(address: &str) -> ClientNetwork {
        ClientNetwork::of(address.parse().unwrap())
    }

    fn rate() -> (RateByNetwork<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (RateByNetwork::with_clock(Quota::per_minute(BURST), clock.clone()), clock)
    }

    fn use_up(rate: &RateByNetwork<FakeRelativeClock>, address: &str) {
        let network = network(address);
        for count in 0..BURST.get() {
            assert!(!rate.is_limited(network), "after {count} events");
            assert!(rate.count(network), "after {count} events");
        }
        assert!(rate.is_limited(network));
    }

    #[test]
    fn a_network_with_too_many_events_is_limited_for_a_while() {
        let (rate, clock) = rate();
        use_up(&rate, "192.0.2.1");
        let network = network("192.0.2.1");
        // Events while it is limited do not prolong that.
        assert!(!rate.count(network));
        clock.advance(Duration::from_millis(5_999));
        assert!(rate.is_limited(network));
        clock.advance(Duration::from_millis(1));
        assert!(!rate.is_limited(network));
        assert!(rate.count(network));
        assert!(rate.is_limited(network));
        clock.advance(Duration::from_secs(60));
        use_up(&rate, "192.0.2.1");
    }

    #[test]
    fn a_look_counts_nothing() {
        let (rate, _) = rate();
        assert!((0..100).all(|_| !rate.is_limited(network("192.0.2.1"))));
        use_up(&rate, "192.0.2.1");
    }

    #[test]
    fn other_networks_are_not_limited() {
        let (rate, _) = rate();
        use_up(&rate, "192.0.2.1");
        assert!(!rate.is_limited(network("192.0.2.2")));
        assert!(rate.is_limited(network("::ffff:192.0.2.1")));
    }

    #[test]
    fn the_memory_is_bounded() {
        let (rate, _) = rate();
        for address in 0..3 * u32::try_from(MAX_NETWORKS.get()).unwrap() {
            rate.count(ClientNetwork::of(IpAddr::V4(address.into())));
        }
        let states = rate.limiter.into_state_store();
        assert_eq!(states.0.into_inner().unwrap().len(), MAX_NETWORKS.get());
    }
}
