//! Signals between the users of a staging: the end of something, and the time of the last write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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

/// When a writer last wrote; clones belong to the same writer. Every piece of a file touches it, so it is no
/// lock.
#[derive(Clone, Debug)]
pub(super) struct LastWrite(Arc<WriteClock>);

#[derive(Debug)]
struct WriteClock {
    begun: Instant,
    /// From then to the last write.
    written_ms: AtomicU64,
}

impl LastWrite {
    pub(super) fn now() -> Self {
        Self(Arc::new(WriteClock { begun: Instant::now(), written_ms: AtomicU64::new(0) }))
    }

    pub(super) fn touch(&self) {
        self.0.written_ms.fetch_max(self.0.elapsed_ms(), Relaxed);
    }

    pub(super) fn silence(&self) -> Duration {
        let silent_ms = self.0.elapsed_ms().saturating_sub(self.0.written_ms.load(Relaxed));
        Duration::from_millis(silent_ms)
    }
}

impl WriteClock {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
