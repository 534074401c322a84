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
    /// The last sign of life; before the first one, the beginning of the call. In the future while this
    /// side waits for its own limit on the rate.
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
        record.note();
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
        record.note();
        record.has_moved = true;
        record.has_moved_again = true;
    }

    /// Leaves a wait of this side for its own limit on the rate out of the account: it says nothing about
    /// the server.
    pub(crate) fn defer(&self, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        let mut record = self.record();
        record.note();
        let Some(end) = Instant::now().checked_add(wait) else { return };
        // Only once, however often and by how many connections the same time is announced.
        let added = end.saturating_duration_since(record.last);
        record.last += added;
        record.deadline = record.deadline.and_then(|deadline| deadline.checked_add(added));
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
        Instant::now().saturating_duration_since(self.record().last)
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

impl ActivityRecord {
    fn note(&mut self) {
        self.last = self.last.max(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_the_own_limit_is_no_silence() {
        let activity = Activity::new();
        activity.expect_within(5 * SECOND);
        for _ in 0..3 {
            activity.defer(20 * SECOND);
            advance(15 * SECOND).await;
            activity.defer(5 * SECOND);
            advance(5 * SECOND).await;
            activity.sent();
            assert_eq!(activity.idle(), Duration::ZERO);
            assert_eq!(activity.limit(30 * SECOND), 5 * SECOND);
        }
        advance(3 * SECOND).await;
        assert_eq!(activity.idle(), 3 * SECOND);
        assert_eq!(activity.limit(30 * SECOND), 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_meanwhile_does_not_shorten_it() {
        let activity = Activity::new();
        activity.defer(20 * SECOND);
        advance(SECOND).await;
        activity.touch();
        advance(22 * SECOND).await;
        assert_eq!(activity.idle(), 3 * SECOND);
    }
}
