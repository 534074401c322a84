//! The state that all connections of a server share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ftx_io::{Compression, IoLimits, MinSpeed, RateLimits};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::access::Access;
use crate::auth::{Authenticator, Principal};
use crate::config::Timeouts;
use crate::limits::{Admission, GranuleMemory, LimitHit, Refusing, SharedRates};
use crate::log_throttle::LogThrottle;
use crate::metrics::Metrics;
use crate::monitor::Monitor;
use crate::store::Store;
use crate::tls::ServerTls;

/// The state that all connections of a server share.
pub(crate) struct Context<S: Store> {
    pub(crate) store: S,
    pub(crate) access: Access,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    /// `None` without a certificate.
    pub(crate) tls: Option<Arc<ServerTls>>,
    pub(crate) monitor: Monitor,
    pub(crate) metrics: Metrics,
    pub(crate) timeouts: Timeouts,
    pub(crate) admission: Admission,
    /// The least speed of clients.
    pub(crate) min_speed: Option<MinSpeed>,
    pub(crate) rates: SharedRates,
    /// The memory of granules that are not durable.
    pub(crate) granule_memory: GranuleMemory,
    /// When native connections are compressed, with clients that agree.
    pub(crate) compression: Compression,
    pub(crate) throttles: Throttles,
    /// Set when a shutdown begins: idle connections close.
    pub(crate) stop: CancellationToken,
    /// Set when the grace of a shutdown is over: transfers are suspended.
    pub(crate) abort: CancellationToken,
}

/// Failures that can recur with every request or connection, and are therefore logged rarely.
#[derive(Debug, Default)]
pub(crate) struct Throttles {
    /// Requests that fail for a reason on the server's side.
    pub(crate) requests: LogThrottle,
    /// Connections that a limit keeps out.
    pub(crate) crowd: LogThrottle,
    /// Connections of trusted proxies that name no client.
    pub(crate) proxies: LogThrottle,
    /// Legacy clients of addresses from where they are not served.
    pub(crate) legacy: LogThrottle,
    /// Failures of `accept`.
    pub(crate) accepting: LogThrottle,
}

impl<S: Store> Context<S> {
    /// Ends a wait after `limit`, or when the grace of a shutdown is over.
    pub(crate) fn guard(&self, limit: Duration) -> IoLimits<'_> {
        IoLimits { limit, stop: &self.abort }
    }

    /// The limits on the rate of a new connection of this principal.
    pub(crate) fn rate_limits(&self, principal: &Principal) -> RateLimits {
        let policy = self.access.current();
        let own = policy.scope(principal).and_then(|scope| scope.bytes_per_second);
        self.rates.of(principal, own)
    }

    /// Counts a connection that a limit keeps out. `None` if it must be closed at once, because enough
    /// clients are being told.
    pub(crate) fn keep_out(&self, hit: LimitHit, peer: SocketAddr) -> Option<Refusing> {
        self.metrics.refused();
        self.metrics.limited(hit.limit());
        if let Some(times) = self.throttles.crowd.count() {
            warn!(%peer, limit = hit.limit().key(), times, "kept out: {hit}");
        }
        self.admission.refuse(hit)
    }

    /// The guard of a read or write in the middle of a message or a transfer.
    pub(crate) fn stall(&self) -> IoLimits<'_> {
        self.guard(self.timeouts.stall)
    }
}
