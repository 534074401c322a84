//! The speed of the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// The time over which the speed is taken.
const WINDOW: Duration = Duration::from_secs(5);

/// Steps closer than this count as one.
const RESOLUTION: Duration = Duration::from_millis(100);

/// Steps that are kept however old they are, so that a slow connection, whose blocks arrive rarely, has a
/// speed as well.
const MIN_STEPS: usize = 4;

/// Silence of so many usual gaps between steps is a stall.
const STALL_GAPS: u32 = 3;

/// Bytes per second, over the last seconds. Times are counted from any fixed moment.
#[derive(Debug)]
pub(super) struct Speed {
    /// Oldest first; never empty.
    steps: VecDeque<SpeedStep>,
}

#[derive(Clone, Copy, Debug)]
struct SpeedStep {
    at: Duration,
    /// All bytes until then.
    total: u64,
}

impl Speed {
    pub(super) fn new(now: Duration) -> Self {
        Self { steps: VecDeque::from([SpeedStep { at: now, total: 0 }]) }
    }

    /// Counts bytes.
    pub(super) fn add(&mut self, bytes: u64, now: Duration) {
        if bytes == 0 {
            return;
        }
        let total = self.steps.back().map_or(0, |last| last.total).saturating_add(bytes);
        let before_last = self.steps.iter().rev().nth(1).copied();
        if before_last.is_some_and(|before| now.saturating_sub(before.at) < RESOLUTION) {
            self.steps.pop_back();
        }
        self.steps.push_back(SpeedStep { at: now, total });
        self.forget(now);
    }

    /// Bytes per second; 0 after a stall. `None` before the first bytes.
    pub(super) fn per_second(&mut self, now: Duration) -> Option<u64> {
        self.forget(now);
        let (first, last) = (self.steps.front()?, self.steps.back()?);
        let gaps = u32::try_from(self.steps.len() - 1).ok().filter(|gaps| *gaps > 0)?;
        let span = last.at.saturating_sub(first.at);
        let gap = span / gaps;
        if now.saturating_sub(last.at) > WINDOW.max(gap * STALL_GAPS) {
            return Some(0);
        }
        // The next step is not late before the usual gap has passed.
        let span = span.max(now.saturating_sub(first.at).saturating_sub(gap));
        let bytes = u128::from(last.total - first.total);
        let speed = (bytes * 1_000_000_000).checked_div(span.as_nanos())?;
        Some(u64::try_from(speed).unwrap_or(u64::MAX))
    }

    /// Drops the steps before the window, except for the last of them, where the window begins.
    fn forget(&mut self, now: Duration) {
        while self.steps.len() > MIN_STEPS
            && self.steps.get(1).is_some_and(|second| now.saturating_sub(second.at) >= WINDOW)
        {
            self.steps.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Speed;

    const MIB: u64 = 1 << 20;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Steps of `bytes` at these times, in milliseconds.
    fn stepped(bytes: u64, times: impl IntoIterator<Item = u64>) -> Speed {
        let mut speed = Speed::new(at(0));
        for time in times {
            speed.add(bytes, at(time));
        }
        speed
    }

    #[test]
    fn nothing_is_known_before_the_first_bytes() {
        assert_eq!(Speed::new(at(0)).per_second(at(9000)), None);
        assert_eq!(stepped(MIB, [0]).per_second(at(0)), None, "no time has passed");
    }

    #[test]
    fn it_is_that_of_the_last_seconds() {
        // 10 MiB/s for a minute, then 1 MiB/s.
        let mut speed = stepped(MIB, (1..=600).map(|step| step * 100));
        assert_eq!(speed.per_second(at(60_000)), Some(10 * MIB));
        for step in 1..=6 {
            speed.add(MIB, at(60_000 + step * 1000));
        }
        assert_eq!(speed.per_second(at(66_000)), Some(MIB));
    }

    #[test]
    fn blocks_that_arrive_rarely_have_a_steady_speed() {
        // A MiB in 8 seconds.
        let mut speed = stepped(MIB, [8000, 16_000, 24_000, 32_000]);
        for now in [32_000, 36_000, 39_999] {
            assert_eq!(speed.per_second(at(now)), Some(MIB / 8), "{now}");
        }
        assert!(speed.per_second(at(44_000)) < Some(MIB / 8), "the next block is late");
        assert_eq!(speed.per_second(at(56_001)), Some(0));
    }

    #[test]
    fn a_stall_shows_at_once_and_is_nothing_after_the_window() {
        let mut speed = stepped(MIB, (1..=100).map(|step| step * 100));
        let later = speed.per_second(at(12_000)).unwrap();
        assert!(later < 7 * MIB, "{later}");
        assert_eq!(speed.per_second(at(15_001)), Some(0));
        speed.add(5 * MIB, at(20_000));
        assert!(speed.per_second(at(20_000)) > Some(0), "it continues");
    }

    #[test]
    fn many_steps_cost_little() {
        let speed = stepped(1, 1..100_000);
        assert!(speed.steps.len() < 60, "{}", speed.steps.len());
    }
}
