//! The limits on the speed of a connection.

use std::num::NonZeroU64;

use crate::rate_limit::Pacer;
use crate::speed_gauge::SpeedGauge;
use crate::{MinSpeed, RateLimit};

/// The limits on the speed of one direction of a connection: the peer must not be too slow, nor this side too
/// fast.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) gauge: SpeedGauge,
    pub(crate) pacer: Pacer,
}

/// Both directions.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    pub(crate) incoming: Flow,
    pub(crate) outgoing: Flow,
}

/// The limits that a connection observes together, in each direction.
#[derive(Clone, Debug, Default)]
pub struct RateLimits {
    /// Those on the bytes of files that come in.
    pub incoming: Vec<RateLimit>,
    /// Those on the bytes of files that go out.
    pub outgoing: Vec<RateLimit>,
}

impl RateLimits {
    /// One new limit of this many bytes a second in each direction; clones share them.
    #[must_use]
    pub fn new(bytes_per_second: NonZeroU64) -> Self {
        let limit = || vec![RateLimit::new(bytes_per_second)];
        Self { incoming: limit(), outgoing: limit() }
    }
}

impl Flows {
    pub(crate) fn set_min_speed(&mut self, min: Option<MinSpeed>) {
        self.incoming.gauge = SpeedGauge::new(min);
        self.outgoing.gauge = SpeedGauge::new(min);
    }

    pub(crate) fn set_rate_limits(&mut self, limits: RateLimits) {
        self.incoming.pacer = Pacer::new(limits.incoming);
        self.outgoing.pacer = Pacer::new(limits.outgoing);
    }
}
