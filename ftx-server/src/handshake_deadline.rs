//! The deadline of a connection's first message.

use std::time::{Duration, Instant};

use ftx_io::{StreamError, deadline_after};

/// When the first message of a connection must have arrived.
#[derive(Clone, Copy)]
pub(crate) struct HandshakeDeadline {
    limit: Duration,
    due: Instant,
}

impl HandshakeDeadline {
    /// A deadline `limit` from now.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, due: deadline_after(limit) }
    }

    /// The deadline, but at most `limit` from now.
    pub(crate) fn at_most(self, limit: Duration) -> Self {
        let other = Self::new(limit);
        if other.due < self.due { other } else { self }
    }

    /// The remaining time.
    pub(crate) fn left(self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Replaces a timeout by one that names the configured limit: the time that was left when the last
    /// read began means nothing to a reader of the log.
    pub(crate) fn name_limit(self, error: StreamError) -> StreamError {
        match error {
            StreamError::Timeout(_) => StreamError::Late(self.limit),
            other => other,
        }
    }
}
