//! When something last came in on a connection.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::{IoLimits, StreamError};

/// When bytes last came in: a peer from which something comes is there, though it may take what it is
/// sent only slowly. What goes out tells nothing: the system takes it for a peer that is gone, too.
#[derive(Debug)]
pub(super) struct IdleTimer {
    start: Instant,
    /// Milliseconds from the start.
    last: AtomicU64,
}

impl IdleTimer {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Takes note that bytes came in.
    pub(super) fn note(&self) {
        self.last.store(self.now(), Relaxed);
    }

    /// Waits for `io`, which is one way of the connection, until nothing has moved that way or come in
    /// for the limits's limit.
    pub(super) async fn watch<T>(
        &self,
        limits: IoLimits<'_>,
        io: impl Future<Output = io::Result<T>>,
    ) -> Result<T, StreamError> {
        tokio::pin!(io);
        let mut limit = limits.limit;
        loop {
            match (IoLimits { limit, ..limits }).watch(&mut io).await {
                Err(StreamError::Timeout(_)) if self.quiet() < limit => {
                    limit = limits.limit.saturating_sub(self.quiet());
                }
                Err(StreamError::Timeout(_)) => return Err(StreamError::Timeout(limits.limit)),
                done => return done,
            }
        }
    }

    fn quiet(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.last.load(Relaxed)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
