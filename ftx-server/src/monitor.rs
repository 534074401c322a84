//! The load of a server: its active connections, and snapshots of its counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::metrics::{Metrics, MetricsSnapshot};

/// The load and the counters of a running server; clones share them.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// Active connections of each reactor thread.
    active: Arc<[AtomicUsize]>,
    metrics: Metrics,
}

impl Monitor {
    pub(crate) fn new(threads: usize, metrics: Metrics) -> Self {
        let active = (0..threads).map(|_| AtomicUsize::new(0)).collect();
        Self { active, metrics }
    }

    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> MetricsSnapshot {
        self.metrics.snapshot(self.active.iter().map(|count| count.load(Relaxed)).collect())
    }

    /// The thread with the fewest active connections, and the number on all threads.
    pub(crate) fn least_active(&self) -> (usize, usize) {
        let counts = self.active.iter().map(|count| count.load(Relaxed));
        let least = counts.enumerate().min_by_key(|&(_, count)| count);
        (least.map_or(0, |(thread, _)| thread), self.active())
    }

    /// Active connections of all threads.
    pub(crate) fn active(&self) -> usize {
        self.active.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Counts a connection as active on a thread until the guard is dropped.
    pub(crate) fn enter(&self, thread: usize) -> ActiveGuard {
        self.metrics.accepted();
        if let Some(count) = self.active.get(thread) {
            count.fetch_add(1, Relaxed);
        }
        ActiveGuard { monitor: self.clone(), thread }
    }
}

/// One active connection.
#[derive(Debug)]
pub(crate) struct ActiveGuard {
    monitor: Monitor,
    thread: usize,
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        if let Some(count) = self.monitor.active.get(self.thread) {
            count.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Monitor;
    use crate::metrics::Metrics;

    #[test]
    fn the_least_active_thread_is_found_and_guards_count_down() {
        let monitor = Monitor::new(3, Metrics::default());
        let zero = monitor.enter(0);
        let _one = monitor.enter(1);
        assert_eq!(monitor.least_active(), (2, 2));
        let _two = monitor.enter(2);
        drop(zero);
        assert_eq!(monitor.least_active(), (0, 2));
        assert_eq!(monitor.snapshot().active, [0, 1, 1]);
        assert_eq!(monitor.snapshot().connections, 3);
    }

    #[test]
    fn a_snapshot_reads_as_the_originals_monitor_does() {
        let text = Monitor::new(2, Metrics::default()).snapshot().to_string();
        assert!(text.starts_with("thread=0 active=0\nthread=1 active=0\n"), "{text}");
    }
}
