//! Signals between the users of a staging: the end of something, and the time of the last write.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// An event that happens once and that any number of tasks can wait for; clones are the same event.
#[derive(Clone, Debug, Default)]
pub(super) struct Latch(CancellationToken);

impl Latch {
    /// Wakes the tasks that wait.
    pub(super) fn end(&self) {
        self.0.cancel();
    }

    #[cfg(test)]
    pub(super) fn has_ended(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for the end without a limit.
    pub(super) async fn ended(&self) {
        self.0.cancelled().await;
    }

    /// Waits for the end, at most until `deadline`.
    pub(super) async fn wait(&self, deadline: Instant) {
        // The caller looks at the index again, which shows whether the end has come.
        let _ = tokio::time::timeout_at(deadline.into(), self.0.cancelled()).await;
    }
}

/// When a writer last wrote; clones belong to the same writer.
#[derive(Clone, Debug)]
pub(super) struct LastWrite(Arc<Mutex<Instant>>);

impl LastWrite {
    pub(super) fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn touch(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn silence(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}
