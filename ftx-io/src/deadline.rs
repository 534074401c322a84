//! Deadlines from time limits.

use std::time::{Duration, Instant};

/// Longer than any real wait.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Returns the instant `limit` from now. A limit beyond the clock's range, such as one that means
/// "none", becomes a hundred years.
#[must_use]
pub fn deadline_after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit.min(FOREVER)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, deadline_after};

    #[test]
    fn any_limit_has_an_end() {
        let soon = Duration::from_secs(5);
        assert!(deadline_after(soon) >= Instant::now() + Duration::from_secs(4));
        for endless in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
            assert!(deadline_after(endless) > Instant::now() + Duration::from_secs(1 << 31));
        }
    }
}
