//! When bytes last went over a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Extensions;
use hyper_util::client::legacy::connect::CaptureConnection;
use tokio::time::Instant;

/// The time at which bytes last went over a connection, in either direction. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct LastBytes(Arc<LastBytesInner>);

#[derive(Debug)]
struct LastBytesInner {
    begin: Instant,
    millis: AtomicU64,
}

impl LastBytes {
    pub(super) fn now() -> Self {
        Self(Arc::new(LastBytesInner { begin: Instant::now(), millis: AtomicU64::new(0) }))
    }

    /// Notes that bytes go now.
    pub(super) fn note(&self) {
        let millis = u64::try_from(self.0.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.millis.store(millis, Ordering::Relaxed);
    }

    pub(super) fn at(&self) -> Instant {
        self.0.begin + Duration::from_millis(self.0.millis.load(Ordering::Relaxed))
    }

    /// Returns that of the connection that a request has got.
    pub(super) fn of_connection(connection: &CaptureConnection) -> Option<Self> {
        let mut extras = Extensions::new();
        connection.connection_metadata().as_ref()?.get_extras(&mut extras);
        extras.get::<Self>().cloned()
    }
}
