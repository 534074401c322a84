//! A throttle for log lines about failures that may occur a thousand times a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The least time between two lines about the same failure.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Counts the occurrences of a failure and limits how often it is logged.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<Occurrences>);

#[derive(Debug, Default)]
struct Occurrences {
    logged: Option<Instant>,
    /// Since it was last logged.
    count: u64,
}

impl LogThrottle {
    /// Counts one occurrence. Returns the number of occurrences since the last line if a line is due.
    pub(crate) fn count(&self) -> Option<u64> {
        self.count_at(Instant::now())
    }

    fn count_at(&self, now: Instant) -> Option<u64> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.count = seen.count.saturating_add(1);
        if seen.logged.is_some_and(|at| now.saturating_duration_since(at) < LINE_INTERVAL) {
            return None;
        }
        seen.logged = Some(now);
        Some(std::mem::take(&mut seen.count))
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, LINE_INTERVAL, LogThrottle};

    #[test]
    fn a_line_is_due_once_a_second_with_a_count() {
        let (throttle, start) = (LogThrottle::default(), Instant::now());
        assert_eq!(throttle.count_at(start), Some(1));
        for _ in 0..5 {
            assert_eq!(throttle.count_at(start + LINE_INTERVAL / 2), None);
        }
        assert_eq!(throttle.count_at(start + LINE_INTERVAL), Some(6));
        assert_eq!(throttle.count_at(start + 3 * LINE_INTERVAL), Some(1));
    }
}
