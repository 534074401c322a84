//! Durations, counted in buckets.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The longest durations of the buckets; one more bucket counts the longer ones.
pub const BUCKET_LIMITS: [Duration; 5] = [
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(10),
];

/// All buckets, with the one of the longest durations.
const BUCKETS: usize = BUCKET_LIMITS.len() + 1;

#[derive(Debug, Default)]
pub(super) struct DurationHistogram {
    buckets: [AtomicU64; BUCKETS],
    total_micros: AtomicU64,
}

/// The number of durations in each bucket, and their sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DurationSnapshot {
    /// The number of durations above the limit of the bucket before, up to that of [`BUCKET_LIMITS`]; at
    /// the end, of those above all limits.
    pub buckets: [u64; BUCKETS],
    /// The sum of all durations.
    pub total: Duration,
}

impl DurationHistogram {
    pub(super) fn add(&self, duration: Duration) {
        let longer = BUCKET_LIMITS.iter().take_while(|&&limit| duration > limit).count();
        if let Some(bucket) = self.buckets.get(longer) {
            bucket.fetch_add(1, Relaxed);
        }
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.total_micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn snapshot(&self) -> DurationSnapshot {
        let buckets = self.buckets.each_ref().map(|bucket| bucket.load(Relaxed));
        let total = Duration::from_micros(self.total_micros.load(Relaxed));
        DurationSnapshot { buckets, total }
    }
}

impl DurationSnapshot {
    /// The number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// Shows the count, the sum, and for each limit the number of durations within it.
impl fmt::Display for DurationSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "count={} seconds={:.3}", self.count(), self.total.as_secs_f64())?;
        let mut within = 0;
        for (limit, count) in BUCKET_LIMITS.iter().zip(self.buckets) {
            within += count;
            write!(f, " within_{}={within}", humantime::format_duration(*limit))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_belongs_to_its_bucket() {
        let histogram = DurationHistogram::default();
        assert_eq!(histogram.snapshot().count(), 0);
        for limit in BUCKET_LIMITS {
            histogram.add(limit);
        }
        assert_eq!(histogram.snapshot().buckets, [1, 1, 1, 1, 1, 0]);
        for limit in BUCKET_LIMITS {
            histogram.add(limit + Duration::from_micros(1));
        }
        assert_eq!(histogram.snapshot().buckets, [1, 2, 2, 2, 2, 1]);
        let total = 2 * BUCKET_LIMITS.iter().sum::<Duration>() + Duration::from_micros(5);
        assert_eq!((histogram.snapshot().count(), histogram.snapshot().total), (10, total));
    }

    #[test]
    fn the_text_counts_up() {
        let histogram = DurationHistogram::default();
        for millis in [1, 2, 2, 20_000] {
            histogram.add(Duration::from_millis(millis));
        }
        let text = "count=4 seconds=20.005 within_1ms=1 within_10ms=3 within_100ms=3 within_1s=3 within_10s=3";
        assert_eq!(histogram.snapshot().to_string(), text);
    }
}
