//! The counters of a server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The counters of a running server; clones share them.
#[derive(Clone, Debug)]
pub struct Monitor {
    shared: Arc<Counters>,
}

#[derive(Debug)]
struct Counters {
    active: Box<[AtomicUsize]>,
    totals: Totals<AtomicU64>,
}

#[derive(Debug, Default)]
struct Totals<T> {
    connections: T,
    refused: T,
    uploads: T,
    downloads: T,
    bytes_in: T,
    bytes_out: T,
    errors: T,
}

/// The counts at one moment. Displays as one `thread=I active=N` line for each reactor thread, like the
/// original server's monitor, and one line of totals.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Active connections of each reactor thread.
    pub active: Vec<usize>,
    /// Connections accepted since the start.
    pub connections: u64,
    /// Connections closed before they were served: too many at one time, a dialect that is not served, or
    /// no first message in time.
    pub refused: u64,
    /// Uploads published.
    pub uploads: u64,
    /// Files sent to clients. In the native dialect each counts once, with the answer to its first request,
    /// also if the client turns out to have it.
    pub downloads: u64,
    /// Bytes of files received.
    pub bytes_in: u64,
    /// Bytes of files sent.
    pub bytes_out: u64,
    /// Refused requests, transfers that failed, and connections that ended early.
    pub errors: u64,
}

impl Monitor {
    pub(crate) fn new(threads: usize) -> Self {
        let active = (0..threads).map(|_| AtomicUsize::new(0)).collect();
        Self { shared: Arc::new(Counters { active, totals: Totals::default() }) }
    }

    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let totals = &self.shared.totals;
        Snapshot {
            active: self.shared.active.iter().map(|count| count.load(Relaxed)).collect(),
            connections: totals.connections.load(Relaxed),
            refused: totals.refused.load(Relaxed),
            uploads: totals.uploads.load(Relaxed),
            downloads: totals.downloads.load(Relaxed),
            bytes_in: totals.bytes_in.load(Relaxed),
            bytes_out: totals.bytes_out.load(Relaxed),
            errors: totals.errors.load(Relaxed),
        }
    }

    /// The thread with the fewest active connections, and the number on all threads.
    pub(crate) fn least_active(&self) -> (usize, usize) {
        let counts = self.shared.active.iter().map(|count| count.load(Relaxed));
        let least = counts.enumerate().min_by_key(|&(_, count)| count);
        (least.map_or(0, |(thread, _)| thread), self.active())
    }

    /// Active connections of all threads.
    pub(crate) fn active(&self) -> usize {
        self.shared.active.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Counts a connection as active on a thread until the guard is dropped.
    pub(crate) fn enter(&self, thread: usize) -> ActiveGuard {
        self.shared.totals.connections.fetch_add(1, Relaxed);
        if let Some(count) = self.shared.active.get(thread) {
            count.fetch_add(1, Relaxed);
        }
        ActiveGuard { monitor: self.clone(), thread }
    }

    pub(crate) fn refused(&self) {
        self.shared.totals.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn uploaded(&self) {
        self.shared.totals.uploads.fetch_add(1, Relaxed);
    }

    pub(crate) fn downloaded(&self) {
        self.shared.totals.downloads.fetch_add(1, Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.shared.totals.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.shared.totals.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn error(&self) {
        self.shared.totals.errors.fetch_add(1, Relaxed);
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (thread, active) in self.active.iter().enumerate() {
            writeln!(f, "thread={thread} active={active}")?;
        }
        write!(
            f,
            "total connections={} refused={} uploads={} downloads={} bytes_in={} bytes_out={} errors={}",
            self.connections,
            self.refused,
            self.uploads,
            self.downloads,
            self.bytes_in,
            self.bytes_out,
            self.errors
        )
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
        if let Some(count) = self.monitor.shared.active.get(self.thread) {
            count.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Monitor;

    #[test]
    fn the_least_active_thread_is_found_and_guards_count_down() {
        let monitor = Monitor::new(3);
        let zero = monitor.enter(0);
        let _one = monitor.enter(1);
        assert_eq!(monitor.least_active(), (2, 2));
        let _two = monitor.enter(2);
        drop(zero);
        assert_eq!(monitor.least_active(), (0, 2));
        assert_eq!(monitor.snapshot().active, [0, 1, 1]);
    }

    #[test]
    fn a_snapshot_reads_as_the_originals_monitor_does() {
        let text = Monitor::new(2).snapshot().to_string();
        assert!(text.starts_with("thread=0 active=0\nthread=1 active=0\ntotal connections=0 "));
    }
}
