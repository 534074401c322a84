//! The number of connections to a distant server, which grows while the speed grows with it.
//!
//! ```text
//!   Ramping ── the rate is steady ─▶ Probing twice as many ── steadily faster by a tenth ─▶ Probing ...
//!                                        └── otherwise ─▶ as many as before, for the rest of the attempt
//! ```
//!
//! A large file has 16 from its beginning, and all others 8: small files are bound by the processor.
//!
//! New connections cost: they overflow the queue of a full line for a second or two. So they are tried only in a
//! transfer that is long enough for it.
//!
//! A connection is bound by the system's buffers on a long line, and by each loss on a line that loses
//! packets. More of them help in both cases, and are in each other's way where the line is full.

use std::time::Duration;

use ftx_core::native::blocks::BLOCK_BYTES;

/// Round trips between two looks at the rate.
const SAMPLE_ROUND_TRIPS: u32 = 4;

/// Blocks of each connection that a sample needs: they arrive one by one.
const SAMPLE_BLOCKS: u64 = 2;

/// The size from which a file is large, and the connections for it: as many as are needed to fill a line of
/// 3 Gbit/s and 100 ms within the usual send buffers of 4 MiB.
pub(super) const LARGE_FILE_BYTES: u64 = 64 * 1024 * 1024;
pub(super) const LARGE_FILE_STREAM_COUNT: usize = 16;

/// The least time that a transfer must have left for more connections to be tried. If its length is not known, it must have taken
/// as long already.
const MIN_TIME_LEFT: Duration = Duration::from_secs(15);

/// The number of connections of an attempt.
#[derive(Debug)]
pub(super) struct StreamCount {
    count: usize,
    max: usize,
    interval: Duration,
    /// The bytes of the files, if they are known.
    total: Option<u64>,
    /// The time and the delivered bytes at the beginning of the sample.
    begun: (Duration, u64),
    /// The rate of the sample before, in bytes a second.
    last_rate: u64,
    /// The number before the last growth, and the rate then.
    before: Option<(usize, u64)>,
    is_settled: bool,
}

impl StreamCount {
    /// Begins with `count` connections, and grows up to `max`.
    pub(super) fn new(count: usize, max: usize, round_trip: Duration, total: Option<u64>) -> Self {
        Self {
            count,
            max: max.max(count),
            interval: round_trip * SAMPLE_ROUND_TRIPS,
            total,
            begun: (Duration::ZERO, 0),
            last_rate: 0,
            before: None,
            is_settled: count >= max,
        }
    }

    /// When to look again. `None` if the number stays.
    pub(super) fn interval(&self) -> Option<Duration> {
        (!self.is_settled).then_some(self.interval)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A large file has begun. The count may change.
    pub(super) fn on_large_file(&mut self) {
        let most = LARGE_FILE_STREAM_COUNT.min(self.max);
        if self.count < most && self.before.is_none() {
            self.count = most;
            self.last_rate = 0;
        }
    }

    /// Takes the bytes that have arrived by `now`, both since the beginning. The count may change.
    pub(super) fn on_delivered(&mut self, now: Duration, bytes: u64) {
        let (begun, before) = self.begun;
        let (time, sample) = (now.saturating_sub(begun), bytes.saturating_sub(before));
        if time < self.interval || sample < self.min_sample() {
            return;
        }
        self.begun = (now, bytes);
        let rate = bytes_a_second(sample, time);
        let last_rate = std::mem::replace(&mut self.last_rate, rate);
        // The first sample has the slow start, and after a growth that of the new connections.
        if last_rate == 0 || is_faster(rate, last_rate) {
            return;
        }
        self.on_steady(rate.max(last_rate));
    }

    fn on_steady(&mut self, rate: u64) {
        match self.before {
            Some((count, slower)) if !is_faster(rate, slower) => {
                self.count = count;
                self.is_settled = true;
            }
            _ if self.count == self.max => self.is_settled = true,
            _ if !self.is_long(rate) => {}
            _ => {
                self.before = Some((self.count, rate));
                self.count = self.count.saturating_mul(2).min(self.max);
                self.last_rate = 0;
            }
        }
    }

    /// Whether the transfer is long enough to try more connections at this rate.
    fn is_long(&self, rate: u64) -> bool {
        let (now, delivered) = self.begun;
        match self.total {
            Some(total) => total.saturating_sub(delivered) / rate.max(1) >= MIN_TIME_LEFT.as_secs(),
            None => now >= MIN_TIME_LEFT,
        }
    }

    fn min_sample(&self) -> u64 {
        let blocks = u64::try_from(self.count).unwrap_or(u64::MAX).saturating_mul(SAMPLE_BLOCKS);
        blocks.saturating_mul(BLOCK_BYTES)
    }
}

/// By at least a tenth.
fn is_faster(rate: u64, than: u64) -> bool {
    rate / 11 >= than / 10
}

fn bytes_a_second(bytes: u64, time: Duration) -> u64 {
    let rate = (u128::from(bytes) * 1_000_000).checked_div(time.as_micros());
    rate.and_then(|rate| u64::try_from(rate).ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(100);
    const MB: u64 = 1_000_000;

    /// The numbers of connections over a line with this rate for each number, in bytes a second.
    fn counts(max: usize, rate: impl Fn(usize) -> u64) -> Vec<usize> {
        let mut streams = StreamCount::new(8, max, ROUND_TRIP, None);
        let (mut now, mut bytes, mut counts) = (Duration::ZERO, 0, vec![8]);
        while let Some(interval) = streams.interval() {
            now += interval;
            bytes += rate(streams.count()) * 4 / 10;
            streams.on_delivered(now, bytes);
            if counts.last() != Some(&streams.count()) {
                counts.push(streams.count());
            }
            assert!(now < Duration::from_secs(100), "{counts:?}");
        }
        counts
    }

    #[test]
    fn connections_are_added_while_each_adds_its_rate() {
        assert_eq!(counts(32, |count| 10 * MB * count as u64), [8, 16, 32]);
        assert_eq!(counts(20, |count| 10 * MB * count as u64), [8, 16, 20]);
        assert_eq!(counts(8, |count| 10 * MB * count as u64), [8]);
    }

    #[test]
    fn a_large_file_has_more_connections_from_the_beginning() {
        let count_of = |count, max| {
            let mut streams = StreamCount::new(count, max, ROUND_TRIP, None);
            streams.on_large_file();
            streams.count()
        };
        assert_eq!(
            [(8, 32), (8, 12), (2, 2), (16, 32), (32, 32)].map(|(c, m)| count_of(c, m)),
            [16, 12, 2, 16, 32]
        );
    }

    #[test]
    fn a_large_file_brings_no_connections_back() {
        let mut streams = StreamCount::new(8, 32, ROUND_TRIP, None);
        for number in 1..200 {
            streams.on_delivered(ROUND_TRIP * 4 * number, u64::from(number) * 40 * MB);
        }
        streams.on_large_file();
        assert_eq!(streams.count(), 8);
    }

    #[test]
    fn connections_that_add_nothing_are_given_back() {
        assert_eq!(counts(32, |_| 120 * MB), [8, 16, 8]);
        assert_eq!(counts(32, |count| 10 * MB * count.min(16) as u64), [8, 16, 32, 16]);
        assert_eq!(counts(32, |count| 960 * MB / count as u64), [8, 16, 8]);
    }

    #[test]
    fn a_slow_start_is_not_taken_for_the_speed_of_the_line() {
        let mut streams = StreamCount::new(8, 32, ROUND_TRIP, Some(u64::MAX));
        let mut bytes = 0;
        for (number, rate) in (1..).zip([20, 40, 80, 160, 170]) {
            assert_eq!(streams.count(), 8, "sample {number}");
            bytes += rate * MB * 4 / 10;
            streams.on_delivered(ROUND_TRIP * 4 * number, bytes);
        }
        assert_eq!(streams.count(), 16);
    }

    #[test]
    fn a_slow_line_is_not_judged_by_a_few_blocks() {
        let mut streams = StreamCount::new(8, 32, ROUND_TRIP, Some(u64::MAX));
        // Two samples of 16 blocks, with one block each 400 ms.
        let grown = (1..100).find(|number| {
            streams.on_delivered(ROUND_TRIP * 4 * *number, u64::from(*number) * BLOCK_BYTES);
            streams.count() > 8
        });
        assert_eq!(grown, Some(32));
    }

    #[test]
    fn more_connections_are_tried_only_if_there_is_time_for_it() {
        let first_growth = |total| {
            let mut streams = StreamCount::new(8, 32, ROUND_TRIP, total);
            (1..100).find(|number| {
                streams.on_delivered(ROUND_TRIP * 4 * *number, u64::from(*number) * 40 * MB);
                streams.count() > 8
            })
        };
        // 100 MB/s: 15 s are 1,500 MB.
        assert_eq!(first_growth(Some(1570 * MB)), None);
        assert_eq!(first_growth(Some(1590 * MB)), Some(2));
        assert_eq!(first_growth(None), Some(38));
    }
}
