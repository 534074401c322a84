//! A limit on failed logins, for each address.

use std::net::{IpAddr, Ipv6Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use lru::LruCache;

/// Failed logins of one address at once; one more is allowed every six seconds.
const MAX_FAILED_LOGINS: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Addresses that are remembered. The one that failed longest ago is forgotten first: an attacker with that
/// many addresses cannot be stopped by them, and secrets are too long to be guessed.
const MAX_ADDRESSES: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The bits of an IPv6 address that its network decides; a host chooses the rest as it likes.
const HOST_BITS: u32 = 64;

/// Limits the failed logins of each address; those of an IPv6 network of 64 bits count together.
pub(super) struct LoginLimiter<C: Clock = MonotonicClock> {
    limiter: RateLimiter<Attempt, FailedLogins, C, NoOpMiddleware<C::Instant>>,
}

/// An attempt from a network, or a look whether one is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Attempt {
    network: IpAddr,
    counts: bool,
}

/// The state of the limit for each network.
struct FailedLogins(Mutex<LruCache<IpAddr, Nanos>>);

impl LoginLimiter {
    pub(super) fn new() -> Self {
        Self::with_clock(MonotonicClock)
    }
}

impl<C: Clock> LoginLimiter<C> {
    fn with_clock(clock: C) -> Self {
        let state = FailedLogins(Mutex::new(LruCache::new(MAX_ADDRESSES)));
        Self { limiter: RateLimiter::new(Quota::per_minute(MAX_FAILED_LOGINS), state, clock) }
    }

    /// Whether this address has failed too often lately.
    pub(super) fn is_limited(&self, address: IpAddr) -> bool {
        let network = network(address);
        self.limiter.check_key(&Attempt { network, counts: false }).is_err()
    }

    /// Counts a failed login.
    pub(super) fn failed(&self, address: IpAddr) {
        let network = network(address);
        // One that is limited is counted already.
        let _ = self.limiter.check_key(&Attempt { network, counts: true });
    }
}

impl StateStore for FailedLogins {
    type Key = Attempt;

    fn measure_and_replace<T, F, E>(&self, key: &Attempt, measure: F) -> Result<T, E>
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

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() >> HOST_BITS << HOST_BITS).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limiter() -> (LoginLimiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (LoginLimiter::with_clock(clock.clone()), clock)
    }

    fn fail_often(limiter: &LoginLimiter<FakeRelativeClock>, address: &str) {
        let address = address.parse().unwrap();
        for count in 0..MAX_FAILED_LOGINS.get() {
            assert!(!limiter.is_limited(address), "after {count} failures");
            limiter.failed(address);
        }
        assert!(limiter.is_limited(address));
    }

    #[test]
    fn an_address_that_fails_too_often_is_limited_for_a_while() {
        let (limiter, clock) = limiter();
        fail_often(&limiter, "192.0.2.1");
        let address = "192.0.2.1".parse().unwrap();
        // Attempts while it is limited do not prolong that.
        limiter.failed(address);
        clock.advance(Duration::from_millis(5_999));
        assert!(limiter.is_limited(address));
        clock.advance(Duration::from_millis(1));
        assert!(!limiter.is_limited(address));
        limiter.failed(address);
        assert!(limiter.is_limited(address));
        clock.advance(Duration::from_secs(60));
        fail_often(&limiter, "192.0.2.1");
    }

    #[test]
    fn a_look_counts_nothing() {
        let (limiter, _) = limiter();
        let address = "192.0.2.1".parse().unwrap();
        assert!((0..100).all(|_| !limiter.is_limited(address)));
        fail_often(&limiter, "192.0.2.1");
    }

    #[test]
    fn addresses_of_one_host_count_together_and_others_do_not() {
        let (limiter, _) = limiter();
        fail_often(&limiter, "192.0.2.1");
        fail_often(&limiter, "2001:db8::1");
        for (address, is_limited) in [
            ("::ffff:192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:1::1", false),
        ] {
            assert_eq!(limiter.is_limited(address.parse().unwrap()), is_limited, "{address}");
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let (limiter, _) = limiter();
        for address in 0..3 * u32::try_from(MAX_ADDRESSES.get()).unwrap() {
            limiter.failed(IpAddr::V4(address.into()));
        }
        let limiter = limiter.limiter.into_state_store();
        assert_eq!(limiter.0.into_inner().unwrap().len(), MAX_ADDRESSES.get());
    }
}
