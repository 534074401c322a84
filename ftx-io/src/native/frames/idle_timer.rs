//! The time since the last byte came in on a connection.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::{IoLimits, StreamError};

/// The time of the last incoming byte: a peer that sends is alive, even if it reads slowly.
/// Outgoing bytes prove nothing, since the system accepts them for a dead peer too.
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

    /// Records incoming bytes.
    pub(super) fn note(&self) {
        self.last.store(self.now(), Relaxed);
    }

    /// Waits for `io` in one direction of the connection, until for the limit's time nothing has
    /// moved in this direction and nothing has come in.
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
