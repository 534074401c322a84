//! The counts at one moment.

use std::fmt;

use ftx_core::native::Reason;

use super::DurationSnapshot;
use crate::limits::Limit;

/// The counts at one moment. Displays as lines of `key=value`: one `thread=I active=N` for each reactor
/// thread, like the original server's monitor, then the details, and one line of totals at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// Active connections of each reactor thread.
    pub active: Vec<usize>,
    /// Connections accepted since the start.
    pub connections: u64,
    /// Connections closed before they were served: too many at one time, a dialect that is not served or
    /// not admitted, or no first message in time.
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
    /// The part of the native dialect.
    pub native: DialectSnapshot,
    /// The part of the legacy dialect.
    pub legacy: DialectSnapshot,
    /// The errors by their reasons, without those that never occurred. Unknown reasons count as one.
    pub failures: Vec<(Reason, u64)>,
    /// How often each limit kept a client out, ended its connection or refused its request, without those
    /// that were never met.
    pub limits: Vec<(Limit, u64)>,
    /// The waits of slow jobs for a permit; those that got theirs at once are not counted.
    pub permit_waits: DurationSnapshot,
    /// The durations of publishing: one for each file, or batch of small files.
    pub publishes: DurationSnapshot,
    /// Moves of busy connections to dedicated threads.
    pub dedicated: u64,
    /// Requests of busy connections that found no dedicated thread free.
    pub without_dedicated: u64,
    /// Stagings that are open now.
    pub open_stagings: u64,
    /// Bytes of memory that are reserved now for granules that are not durable.
    pub granule_bytes: u64,
    /// Reloads of the configuration that took effect.
    pub reloads: u64,
    /// Reloads that changed nothing, because something was wrong.
    pub failed_reloads: u64,
    /// The last reload failed, so the configuration in force is older than the file.
    pub is_configuration_stale: bool,
}

/// The counts of one dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialectSnapshot {
    /// Connections that spoke the dialect.
    pub connections: u64,
    /// Uploads published.
    pub uploads: u64,
    /// Downloads, as in [`MetricsSnapshot::downloads`].
    pub downloads: u64,
    /// Bytes of files received.
    pub bytes_in: u64,
    /// Bytes of files sent.
    pub bytes_out: u64,
    /// Bytes of uploads that interrupted uploads had left here, so that they were not sent again.
    pub bytes_resumed: u64,
}

impl fmt::Display for MetricsSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (thread, active) in self.active.iter().enumerate() {
            writeln!(f, "thread={thread} active={active}")?;
        }
        writeln!(f, "dialect=native {}", self.native)?;
        writeln!(f, "dialect=legacy {}", self.legacy)?;
        for (reason, count) in &self.failures {
            writeln!(f, "reason={} errors={count}", reason.name())?;
        }
        for (limit, count) in &self.limits {
            writeln!(f, "limit={} met={count}", limit.key())?;
        }
        writeln!(f, "duration=publish {}", self.publishes)?;
        writeln!(f, "duration=permit_wait {}", self.permit_waits)?;
        let (dedicated, without) = (self.dedicated, self.without_dedicated);
        writeln!(f, "dedicated moves={dedicated} none_free={without}")?;
        writeln!(f, "stagings open={}", self.open_stagings)?;
        writeln!(f, "granules bytes={}", self.granule_bytes)?;
        let (reloads, failed, stale) =
            (self.reloads, self.failed_reloads, u8::from(self.is_configuration_stale));
        writeln!(f, "configuration reloads={reloads} failed={failed} stale={stale}")?;
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

impl fmt::Display for DialectSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "connections={} uploads={} downloads={} bytes_in={} bytes_out={} bytes_resumed={}",
            self.connections,
            self.uploads,
            self.downloads,
            self.bytes_in,
            self.bytes_out,
            self.bytes_resumed
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ftx_core::dialect::Dialect;
    use ftx_core::native::Reason;

    use crate::metrics::Metrics;

    #[test]
    fn the_report_names_everything_that_is_counted() {
        let metrics = Metrics::default();
        metrics.accepted();
        metrics.refused();
        metrics.serves(Dialect::Native);
        metrics.resumed(Dialect::Native, 7);
        metrics.sent(Dialect::Legacy, 5);
        metrics.failed(Reason::NoSpace);
        metrics.failed(Reason::NoSpace);
        metrics.published(Duration::from_millis(2));
        metrics.waited_for_permit(Duration::from_millis(20));
        metrics.dedicated();
        metrics.without_dedicated();
        let (_open, _granule) = (metrics.open_staging(), metrics.granule_bytes(8));
        [true, true, false].into_iter().for_each(|is_done| metrics.reloaded(is_done));
        let report = metrics.snapshot(vec![2, 0]).to_string();
        let expected = "\
thread=0 active=2
thread=1 active=0
dialect=native connections=1 uploads=0 downloads=0 bytes_in=0 bytes_out=0 bytes_resumed=7
dialect=legacy connections=0 uploads=0 downloads=0 bytes_in=0 bytes_out=5 bytes_resumed=0
reason=NO_SPACE errors=2
duration=publish count=1 seconds=0.002 within_1ms=0 within_10ms=1 within_100ms=1 within_1s=1 within_10s=1
duration=permit_wait count=1 seconds=0.020 within_1ms=0 within_10ms=0 within_100ms=1 within_1s=1 within_10s=1
dedicated moves=1 none_free=1
stagings open=1
granules bytes=8
configuration reloads=2 failed=1 stale=1
total connections=1 refused=1 uploads=0 downloads=0 bytes_in=0 bytes_out=5 errors=2";
        assert_eq!(report, expected);
    }
}
