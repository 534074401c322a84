//! The counters of a server: one handle that drivers and stores share.
//!
//! A [`Metrics`] is a handle of atomic counters, made before the server and its store and given to both by
//! [`Config`](crate::Config). Nothing here is global, so several servers of one process count apart.
//! [`Monitor`](crate::Monitor) adds the load of the reactor threads and takes the snapshots.

mod durations;
mod snapshot;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ftx_core::dialect::Dialect;
use ftx_core::native::Reason;

use self::durations::DurationHistogram;
pub use self::durations::{BUCKET_LIMITS, DurationSnapshot};
pub use self::snapshot::{DialectSnapshot, MetricsSnapshot};
use crate::limits::Limit;

/// Counters of a server and its store; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    native: DialectCounters,
    legacy: DialectCounters,
    connections: AtomicU64,
    refused: AtomicU64,
    failures: FailureCounters,
    limits: [AtomicU64; Limit::ALL.len()],
    permit_waits: DurationHistogram,
    publishes: DurationHistogram,
    dedicated: AtomicU64,
    without_dedicated: AtomicU64,
    open_stagings: AtomicU64,
    granule_bytes: AtomicU64,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
    is_stale: AtomicBool,
}

/// The counters of one dialect.
#[derive(Debug, Default)]
struct DialectCounters {
    connections: AtomicU64,
    uploads: AtomicU64,
    downloads: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    bytes_resumed: AtomicU64,
}

/// One counter for each reason of the table, and one for all others.
#[derive(Debug)]
struct FailureCounters {
    by_reason: Box<[AtomicU64]>,
    other: AtomicU64,
}

/// An open staging, until it is dropped.
#[derive(Debug)]
pub struct OpenStaging {
    metrics: Metrics,
}

/// Bytes of granules that are not durable, until it is dropped.
#[derive(Debug)]
pub(crate) struct GranuleBytes {
    metrics: Metrics,
    bytes: u64,
}

impl Metrics {
    /// Counts the wait of a job for its permit.
    pub fn waited_for_permit(&self, wait: Duration) {
        self.counters.permit_waits.add(wait);
    }

    /// Counts the publishing of a file, or of a batch of small files.
    pub fn published(&self, duration: Duration) {
        self.counters.publishes.add(duration);
    }

    /// Counts a staging as open until the guard is dropped.
    #[must_use]
    pub fn open_staging(&self) -> OpenStaging {
        self.counters.open_stagings.fetch_add(1, Relaxed);
        OpenStaging { metrics: self.clone() }
    }

    /// Counts a reload of the configuration, and whether it took effect.
    pub fn reloaded(&self, is_done: bool) {
        let counter = match is_done {
            true => &self.counters.reloads,
            false => &self.counters.failed_reloads,
        };
        counter.fetch_add(1, Relaxed);
        self.counters.is_stale.store(!is_done, Relaxed);
    }

    /// A connection was accepted.
    pub(crate) fn accepted(&self) {
        self.counters.connections.fetch_add(1, Relaxed);
    }

    /// A connection was closed before it was served.
    pub(crate) fn refused(&self) {
        self.counters.refused.fetch_add(1, Relaxed);
    }

    /// A connection speaks this dialect.
    pub(crate) fn serves(&self, dialect: Dialect) {
        self.of(dialect).connections.fetch_add(1, Relaxed);
    }

    pub(crate) fn uploaded(&self, dialect: Dialect) {
        self.of(dialect).uploads.fetch_add(1, Relaxed);
    }

    pub(crate) fn downloaded(&self, dialect: Dialect) {
        self.of(dialect).downloads.fetch_add(1, Relaxed);
    }

    /// Bytes of a file have arrived.
    pub(crate) fn received(&self, dialect: Dialect, bytes: usize) {
        self.of(dialect).bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes of a file were sent.
    pub(crate) fn sent(&self, dialect: Dialect, bytes: usize) {
        self.of(dialect).bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    /// An upload resumes, so these bytes are not sent again.
    pub(crate) fn resumed(&self, dialect: Dialect, bytes: u64) {
        self.of(dialect).bytes_resumed.fetch_add(bytes, Relaxed);
    }

    /// A request was refused, or a connection ended early.
    pub(crate) fn failed(&self, reason: Reason) {
        self.counters.failures.of(reason).fetch_add(1, Relaxed);
    }

    /// A limit kept a client out, ended its connection, or refused its request.
    pub(crate) fn limited(&self, limit: Limit) {
        if let Some(count) = self.counters.limits.get(limit as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A busy connection moves to a dedicated thread.
    pub(crate) fn dedicated(&self) {
        self.counters.dedicated.fetch_add(1, Relaxed);
    }

    /// A busy connection found no dedicated thread free.
    pub(crate) fn without_dedicated(&self) {
        self.counters.without_dedicated.fetch_add(1, Relaxed);
    }

    /// Counts bytes of granules until the guard is dropped.
    pub(crate) fn granule_bytes(&self, bytes: u64) -> GranuleBytes {
        self.counters.granule_bytes.fetch_add(bytes, Relaxed);
        GranuleBytes { metrics: self.clone(), bytes }
    }

    /// The counts now, with the active connections of each reactor thread.
    pub(crate) fn snapshot(&self, active: Vec<usize>) -> MetricsSnapshot {
        let counters = &*self.counters;
        let (native, legacy) = (counters.native.snapshot(), counters.legacy.snapshot());
        let failures = counters.failures.snapshot();
        MetricsSnapshot {
            active,
            connections: counters.connections.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            uploads: native.uploads + legacy.uploads,
            downloads: native.downloads + legacy.downloads,
            bytes_in: native.bytes_in + legacy.bytes_in,
            bytes_out: native.bytes_out + legacy.bytes_out,
            errors: failures.iter().map(|&(_, count)| count).sum(),
            native,
            legacy,
            failures,
            limits: counters.limits(),
            permit_waits: counters.permit_waits.snapshot(),
            publishes: counters.publishes.snapshot(),
            dedicated: counters.dedicated.load(Relaxed),
            without_dedicated: counters.without_dedicated.load(Relaxed),
            open_stagings: counters.open_stagings.load(Relaxed),
            granule_bytes: counters.granule_bytes.load(Relaxed),
            reloads: counters.reloads.load(Relaxed),
            failed_reloads: counters.failed_reloads.load(Relaxed),
            is_configuration_stale: counters.is_stale.load(Relaxed),
        }
    }

    fn of(&self, dialect: Dialect) -> &DialectCounters {
        match dialect {
            Dialect::Native | Dialect::Tls => &self.counters.native,
            Dialect::Legacy => &self.counters.legacy,
        }
    }
}

impl Counters {
    /// The limits that were met, with their counts.
    fn limits(&self) -> Vec<(Limit, u64)> {
        let counts = Limit::ALL.into_iter().zip(&self.limits);
        counts.map(|(limit, count)| (limit, count.load(Relaxed))).filter(|&(_, n)| n > 0).collect()
    }
}

impl DialectCounters {
    fn snapshot(&self) -> DialectSnapshot {
        DialectSnapshot {
            connections: self.connections.load(Relaxed),
            uploads: self.uploads.load(Relaxed),
            downloads: self.downloads.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            bytes_resumed: self.bytes_resumed.load(Relaxed),
        }
    }
}

impl Default for FailureCounters {
    fn default() -> Self {
        let by_reason = Reason::TABLE.iter().map(|_| AtomicU64::new(0)).collect();
        Self { by_reason, other: AtomicU64::new(0) }
    }
}

impl FailureCounters {
    fn of(&self, reason: Reason) -> &AtomicU64 {
        let index = Reason::TABLE.iter().position(|&known| known == reason);
        index.and_then(|index| self.by_reason.get(index)).unwrap_or(&self.other)
    }

    /// The reasons that occurred, with their counts.
    fn snapshot(&self) -> Vec<(Reason, u64)> {
        let known = Reason::TABLE.iter().copied().zip(&self.by_reason);
        let all = known.chain([(Reason::Other(0), &self.other)]);
        let counts = all.map(|(reason, count)| (reason, count.load(Relaxed)));
        counts.filter(|&(_, count)| count > 0).collect()
    }
}

impl Drop for OpenStaging {
    fn drop(&mut self) {
        self.metrics.counters.open_stagings.fetch_sub(1, Relaxed);
    }
}

impl Drop for GranuleBytes {
    fn drop(&mut self) {
        self.metrics.counters.granule_bytes.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_counted_apart_and_their_sums_are_the_totals() {
        let metrics = Metrics::default();
        metrics.serves(Dialect::Native);
        metrics.uploaded(Dialect::Native);
        metrics.received(Dialect::Native, 5);
        metrics.resumed(Dialect::Native, 7);
        // FTX/1 within TLS.
        metrics.received(Dialect::Tls, 10);
        metrics.serves(Dialect::Legacy);
        metrics.uploaded(Dialect::Legacy);
        metrics.downloaded(Dialect::Legacy);
        metrics.sent(Dialect::Legacy, 3);
        let now = metrics.snapshot(Vec::new());
        let native = DialectSnapshot {
            connections: 1,
            uploads: 1,
            bytes_in: 15,
            bytes_resumed: 7,
            ..DialectSnapshot::default()
        };
        assert_eq!(now.native, native);
        let legacy = DialectSnapshot {
            connections: 1,
            uploads: 1,
            downloads: 1,
            bytes_out: 3,
            ..DialectSnapshot::default()
        };
        assert_eq!(now.legacy, legacy);
        assert_eq!((now.uploads, now.downloads, now.bytes_in, now.bytes_out), (2, 1, 15, 3));
    }

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let metrics = Metrics::default();
        let all = Reason::TABLE.iter().copied().chain([Reason::Other(-499)]);
        for (times, reason) in (1..).zip(all) {
            (0..times).for_each(|_| metrics.failed(reason));
        }
        let now = metrics.snapshot(Vec::new());
        let counted: Vec<u64> = now.failures.iter().map(|&(_, count)| count).collect();
        assert_eq!(counted, (1..=Reason::TABLE.len() as u64 + 1).collect::<Vec<_>>());
        assert_eq!(now.failures.last(), Some(&(Reason::Other(0), counted.len() as u64)));
        assert_eq!(now.errors, counted.iter().sum::<u64>());
    }

    #[test]
    fn a_staging_is_open_until_its_guard_is_dropped() {
        let metrics = Metrics::default();
        let guards = (metrics.open_staging(), metrics.open_staging());
        assert_eq!(metrics.snapshot(Vec::new()).open_stagings, 2);
        drop(guards.0);
        assert_eq!(metrics.snapshot(Vec::new()).open_stagings, 1);
        drop(guards.1);
        assert_eq!(metrics.snapshot(Vec::new()).open_stagings, 0);
    }
}
