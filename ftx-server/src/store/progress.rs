//! The progress of long work, and the wish to stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The progress of a store that reads its own files, and a flag to cancel it; clones share both.
#[derive(Clone, Debug, Default)]
pub struct WorkProgress(Arc<WorkCounters>);

#[derive(Debug, Default)]
struct WorkCounters {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl WorkProgress {
    /// The bytes that were read, and the bytes to read in all.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.0.done.load(Relaxed), self.0.total.load(Relaxed))
    }

    /// Sets both. Returns `false` if the work was cancelled.
    #[must_use = "the work may have been cancelled"]
    pub fn set(&self, done: u64, total: u64) -> bool {
        self.0.total.store(total, Relaxed);
        self.0.done.store(done, Relaxed);
        !self.0.stopped.load(Relaxed)
    }

    /// Cancels the work.
    pub fn stop(&self) {
        self.0.stopped.store(true, Relaxed);
    }
}
