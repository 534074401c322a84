//! The limit on the rate of a client, which all its connections share.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use ftx_io::RateLimits;

/// The limit of one client. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedRate(Arc<Mutex<Option<(NonZeroU64, RateLimits)>>>);

impl SharedRate {
    /// The limits of a connection at this rate. All connections share them until the rate changes.
    pub(crate) fn limits(&self, rate: Option<NonZeroU64>) -> RateLimits {
        // Each step leaves it consistent, so a panic elsewhere does not matter.
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rate) = rate else {
            *current = None;
            return RateLimits::default();
        };
        match &*current {
            Some((known, limits)) if *known == rate => limits.clone(),
            _ => current.insert((rate, RateLimits::new(rate))).1.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(limits: &RateLimits) -> [Vec<u64>; 2] {
        [&limits.incoming, &limits.outgoing]
            .map(|limits| limits.iter().map(|limit| limit.bytes_per_second().get()).collect())
    }

    #[test]
    fn a_connection_has_the_limit_of_the_settings_in_each_direction() {
        let shared = SharedRate::default();
        assert_eq!(rates(&shared.limits(None)), [vec![], vec![]]);
        assert_eq!(rates(&shared.limits(NonZeroU64::new(8192))), [[8192], [8192]]);
        assert_eq!(rates(&shared.limits(NonZeroU64::new(9000))), [[9000], [9000]]);
        assert_eq!(rates(&shared.limits(None)), [vec![], vec![]]);
    }
}
