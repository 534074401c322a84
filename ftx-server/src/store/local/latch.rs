//! Signs between those that use a staging: the end of something, and the time of the last write.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Lets others wait for something to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Latch(CancellationToken);

impl Latch {
    /// Says that it has ended.
    pub(super) fn end(&self) {
        self.0.cancel();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for its end, however long it takes.
    pub(super) async fn ended(&self) {
        self.0.cancelled().await;
    }

    /// Waits for its end, at most until `deadline`.
    pub(super) async fn wait(&self, deadline: Instant) {
        // Whether it came to its end or not is seen by who looks at the index again.
        let _ = tokio::time::timeout_at(deadline.into(), self.0.cancelled()).await;
    }
}

/// When a writer last wrote.
#[derive(Clone, Debug)]
pub(super) struct Heard(Arc<Mutex<Instant>>);

impl Heard {
    pub(super) fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn touch(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn silence(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Whether both are of the same writer.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
