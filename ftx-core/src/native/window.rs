//! A connection's window, which follows the bandwidth-delay product of its line.
//!
//! ```text
//!   sent ─▶ bytes on their way ─▶ delivered ─▶ delivery rate ─┐
//!                                          └─▶ latency ───────┴─▶ 2 × rate × latency = window
//! ```
//!
//! The samples are those of BBR: the rate of a delivery is the bytes delivered since it was sent, by the
//! time since the delivery before that. The highest recent rate and the lowest latency
//! count, so a pause does not shrink the window, and a queue does not widen it.
//!
//! Twice the product keeps a line busy from one answer to the next. More would only fill buffers, cost
//! more when a connection is cut, and keep the last blocks of a file on its slowest connections.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::blocks::BLOCK_BYTES;

/// The window until the line is measured, in bytes.
pub const INITIAL_WINDOW_BYTES: u64 = 8 * BLOCK_BYTES;

/// The smallest window, in bytes: one block is on its way while another one is answered.
pub const MIN_WINDOW_BYTES: u64 = 2 * BLOCK_BYTES;

/// The most bytes that all connections of a session have on their way together. A cut costs no more.
pub const MAX_SESSION_BYTES: u64 = 64 * BLOCK_BYTES;

/// The lowest latency that counts: disks and threads take some milliseconds now and then.
const MIN_LATENCY: Duration = Duration::from_millis(8);

/// How long a sample counts at least. Two periods are kept.
const MIN_PERIOD: Duration = Duration::from_millis(250);

/// The period, in latencies.
const PERIOD_LATENCIES: u32 = 4;

/// Bytes on their way, and the deliveries before them.
#[derive(Clone, Copy, Debug)]
struct Flight {
    bytes: u64,
    sent: Duration,
    delivered: u64,
    /// The delivery before it, or the start after a pause.
    since: Duration,
}

/// The window of one connection. Times count from any moment that the caller chooses.
#[derive(Clone, Debug)]
pub struct AdaptiveWindow {
    on_their_way: BTreeMap<(u32, u64), Flight>,
    delivered: u64,
    last_delivery: Duration,
    /// The lowest one. It does not age: a window that fills a queue would measure its own queue.
    latency: Option<Duration>,
    /// The beginning of the period.
    period: Duration,
    /// The highest rate of the period and of the one before, in bytes a second.
    rate: u64,
    rate_before: u64,
    /// The rate has stopped to grow: the line is measured.
    is_full: bool,
}

impl Default for AdaptiveWindow {
    fn default() -> Self {
        Self::new()
    }
}

impl AdaptiveWindow {
    /// The window of a line that is not measured.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            on_their_way: BTreeMap::new(),
            delivered: 0,
            last_delivery: Duration::ZERO,
            latency: None,
            period: Duration::ZERO,
            rate: 0,
            rate_before: 0,
            is_full: false,
        }
    }

    /// Records that `bytes` of a block or file are sent or requested. `key` is the request, and the index of the
    /// block.
    pub fn sent(&mut self, now: Duration, key: (u32, u64), bytes: u64) {
        if self.on_their_way.is_empty() {
            self.last_delivery = now;
        }
        let (delivered, since) = (self.delivered, self.last_delivery);
        self.on_their_way.insert(key, Flight { bytes, sent: now, delivered, since });
    }

    /// Records that they have arrived.
    pub fn delivered(&mut self, now: Duration, key: (u32, u64)) {
        let Some(flight) = self.on_their_way.remove(&key) else { return };
        self.delivered = self.delivered.saturating_add(flight.bytes);
        self.last_delivery = now;
        self.turn_period(now);
        let latency = now.saturating_sub(flight.sent).max(MIN_LATENCY);
        self.latency = Some(self.latency.map_or(latency, |least| least.min(latency)));
        let interval = now.saturating_sub(flight.since);
        let bytes = self.delivered.saturating_sub(flight.delivered);
        if let Some(rate) = rate(bytes, interval) {
            self.rate = self.rate.max(rate);
        }
    }

    /// Forgets the bytes of a request that has ended.
    pub fn ended(&mut self, request: u32) {
        self.on_their_way.retain(|(of, _), _| *of != request);
    }

    /// The bytes that have arrived.
    #[must_use]
    pub const fn delivered_bytes(&self) -> u64 {
        self.delivered
    }

    /// The window in bytes, of a session with this many connections.
    #[must_use]
    pub fn bytes(&self, connections: usize) -> u64 {
        let connections = u64::try_from(connections).unwrap_or(u64::MAX).max(1);
        let share = (MAX_SESSION_BYTES / connections).max(MIN_WINDOW_BYTES);
        let product = self.latency.map_or(0, |latency| self.rate_within(latency));
        let window = product.saturating_mul(2);
        let least = if self.is_full { MIN_WINDOW_BYTES } else { INITIAL_WINDOW_BYTES };
        window.max(least).min(share)
    }

    /// The bytes that arrive within `time` at the highest recent rate.
    fn rate_within(&self, time: Duration) -> u64 {
        let rate = self.rate.max(self.rate_before);
        let bytes = u128::from(rate) * time.as_micros() / Duration::from_secs(1).as_micros();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn turn_period(&mut self, now: Duration) {
        let length = self.latency.map_or(MIN_PERIOD, |latency| latency * PERIOD_LATENCIES);
        if now.saturating_sub(self.period) < length.max(MIN_PERIOD) {
            return;
        }
        // Grown by less than a quarter, as in BBR.
        let grows = self.rate / 5 >= self.rate_before / 4;
        self.is_full |= self.rate_before > 0 && self.rate > 0 && !grows;
        (self.rate_before, self.rate) = (self.rate, 0);
        self.period = now;
    }
}

/// Bytes a second. `None` for no time.
fn rate(bytes: u64, time: Duration) -> Option<u64> {
    let rate =
        (u128::from(bytes) * Duration::from_secs(1).as_micros()).checked_div(time.as_micros())?;
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;

    use super::*;

    const MB: u64 = 1_000_000;
    const SECOND: Duration = Duration::from_secs(1);

    /// A line with a rate in bytes a second, and a latency behind it.
    struct Line {
        rate: u64,
        latency: Duration,
        now: Duration,
        window: AdaptiveWindow,
        connections: usize,
        /// The index of each block on its way, and the time of its arrival.
        on_their_way: VecDeque<(u64, Duration)>,
        next: u64,
        free_at: Duration,
    }

    impl Line {
        fn new(rate: u64, latency: Duration) -> Self {
            Self {
                rate,
                latency,
                now: Duration::ZERO,
                window: AdaptiveWindow::new(),
                connections: 1,
                on_their_way: VecDeque::new(),
                next: 0,
                free_at: Duration::ZERO,
            }
        }

        fn window(&self) -> u64 {
            self.window.bytes(self.connections)
        }

        /// Sends as the window allows. Returns the bytes that arrive meanwhile.
        fn run(&mut self, time: Duration) -> u64 {
            let (end, before) = (self.now + time, self.window.delivered_bytes());
            while self.now < end {
                let used = self.on_their_way.len() as u64 * BLOCK_BYTES;
                if used + BLOCK_BYTES <= self.window() {
                    self.window.sent(self.now, (1, self.next), BLOCK_BYTES);
                    let sending = Duration::from_micros(BLOCK_BYTES * 1_000_000 / self.rate);
                    self.free_at = self.free_at.max(self.now) + sending;
                    self.on_their_way.push_back((self.next, self.free_at + self.latency));
                    self.next += 1;
                } else {
                    let (index, at) = self.on_their_way.pop_front().unwrap();
                    self.now = self.now.max(at);
                    self.window.delivered(self.now, (1, index));
                }
            }
            self.window.delivered_bytes() - before
        }

        fn product(&self) -> u64 {
            self.rate * u64::try_from(self.latency.as_millis()).unwrap() / 1000
        }
    }

    #[test]
    fn the_window_follows_the_line() {
        for (rate, latency_ms) in [(20 * MB, 50), (100 * MB, 50), (100 * MB, 100), (50 * MB, 300)] {
            let mut line = Line::new(rate, Duration::from_millis(latency_ms));
            line.run(10 * SECOND);
            let (window, product) = (line.window(), line.product());
            // The latency of a block includes its own time on the line.
            let most = 2 * (product + BLOCK_BYTES) + MB;
            assert!((product * 9 / 5..most).contains(&window), "{rate} {latency_ms}: {window}");
            let arrived = line.run(10 * SECOND);
            assert!(arrived > rate * 19 / 2, "{rate} {latency_ms}: {arrived}");
        }
    }

    #[test]
    fn a_slow_line_has_two_blocks_on_their_way() {
        let mut line = Line::new(MB, Duration::from_millis(10));
        assert_eq!(line.window(), INITIAL_WINDOW_BYTES);
        line.run(60 * SECOND);
        assert_eq!(line.window() / BLOCK_BYTES, 2);
        assert!(line.run(60 * SECOND) > 57 * MB);
    }

    #[test]
    fn it_grows_and_shrinks_with_the_line() {
        let mut line = Line::new(10 * MB, Duration::from_millis(100));
        line.run(10 * SECOND);
        let slow = line.window();
        line.rate = 100 * MB;
        line.run(10 * SECOND);
        let fast = line.window();
        assert!(fast > 5 * slow, "{slow} {fast}");
        line.rate = 10 * MB;
        line.run(10 * SECOND);
        assert!(line.window() < fast / 3, "{}", line.window());
    }

    #[test]
    fn a_pause_is_no_slow_line() {
        let mut line = Line::new(100 * MB, Duration::from_millis(100));
        line.run(10 * SECOND);
        let before = line.window();
        while let Some((index, at)) = line.on_their_way.pop_front() {
            line.now = line.now.max(at);
            line.window.delivered(line.now, (1, index));
        }
        line.now += Duration::from_millis(600);
        line.run(Duration::from_millis(500));
        assert!(line.window() > before * 3 / 4, "{before} {}", line.window());
    }

    #[test]
    fn all_connections_of_a_session_have_a_bound() {
        let mut line = Line::new(10_000 * MB, Duration::from_millis(300));
        line.run(20 * SECOND);
        assert_eq!(line.window(), MAX_SESSION_BYTES);
        for connections in [1, 2, 8, 32] {
            let all = line.window.bytes(connections) * connections as u64;
            assert_eq!(all, MAX_SESSION_BYTES, "{connections}");
        }
        assert_eq!(line.window.bytes(1000), MIN_WINDOW_BYTES);
    }

    #[test]
    fn unknown_and_ended_requests_are_harmless() {
        let mut window = AdaptiveWindow::new();
        window.delivered(SECOND, (1, 1));
        window.sent(SECOND, (1, 1), BLOCK_BYTES);
        window.sent(SECOND, (2, 1), BLOCK_BYTES);
        window.ended(1);
        window.delivered(SECOND, (1, 1));
        assert_eq!(window.delivered_bytes(), 0);
        window.delivered(SECOND, (2, 1));
        assert_eq!(
            (window.delivered_bytes(), window.bytes(1)),
            (BLOCK_BYTES, INITIAL_WINDOW_BYTES)
        );
    }
}
