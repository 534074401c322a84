//! The signs of life during a call, over all its attempts and connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Records when a server last showed that it lives, and whether bytes of files have moved. Clones share
/// the record.
#[derive(Clone, Debug)]
pub(crate) struct Activity(Arc<Mutex<ActivityRecord>>);

#[derive(Debug)]
struct ActivityRecord {
    /// The last sign of life; before the first one, the beginning of the call.
    last: Instant,
    /// Bytes of files have moved.
    has_moved: bool,
    /// Bytes of files have moved since the last loss of a connection.
    has_moved_again: bool,
    /// A wait without a sign of life ends here.
    deadline: Option<Instant>,
}

impl Activity {
    /// The record of a call that begins now.
    pub(crate) fn new() -> Self {
        let last = Instant::now();
        let record =
            ActivityRecord { last, has_moved: false, has_moved_again: false, deadline: None };
        Self(Arc::new(Mutex::new(record)))
    }

    /// Records a sign of life other than bytes of files: an answer, a heartbeat, local work that the
    /// transfer needs.
    pub(crate) fn touch(&self) {
        let mut record = self.record();
        record.last = Instant::now();
        record.deadline = None;
    }

    /// Records that bytes of files have arrived.
    pub(crate) fn received(&self) {
        self.sent();
        self.record().deadline = None;
    }

    /// Records that bytes of files were handed to the system. Whether the server lives shows only when
    /// it answers.
    pub(crate) fn sent(&self) {
        let mut record = self.record();
        record.last = Instant::now();
        record.has_moved = true;
        record.has_moved_again = true;
    }

    /// Lets waits without a sign of life end `limit` after the last one.
    pub(crate) fn expect_within(&self, limit: Duration) {
        let mut record = self.record();
        record.deadline = record.last.checked_add(limit);
    }

    /// The longest wait for the next sign of life, of a client that usually waits for `timeout`.
    pub(crate) fn limit(&self, timeout: Duration) -> Duration {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.record().deadline.map_or(timeout, |deadline| left(deadline).min(timeout))
    }

    /// The time since the last sign of life.
    pub(crate) fn idle(&self) -> Duration {
        self.record().last.elapsed()
    }

    pub(crate) fn has_moved(&self) -> bool {
        self.record().has_moved
    }

    /// Takes back what an attempt has recorded that says nothing about the server.
    pub(crate) fn set_moved(&self, has_moved: bool) {
        let mut record = self.record();
        record.has_moved = has_moved;
        record.has_moved_again = false;
    }

    /// Whether bytes of files have moved since this was last asked.
    pub(crate) fn take_moved_again(&self) -> bool {
        std::mem::take(&mut self.record().has_moved_again)
    }

    fn record(&self) -> MutexGuard<'_, ActivityRecord> {
        // Each step leaves the record consistent, so a panic elsewhere does not matter.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
