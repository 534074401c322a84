//! The line of one connection, as its deliveries show it.

use std::time::Duration;

use ftx_core::native::AdaptiveWindow;
use tokio::time::Instant;

use super::attempt::Attempt;

/// Feeds the window of a connection with the time, and counts the bytes of the attempt.
#[derive(Debug)]
pub(super) struct LineMeter {
    begun: Instant,
    window: AdaptiveWindow,
}

impl LineMeter {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), window: AdaptiveWindow::new() }
    }

    /// Bytes of a request are sent or requested: a block, or a whole file (index 0).
    pub(super) fn sent(&mut self, request: u32, index: u64, bytes: u64) {
        self.window.sent(self.now(), (request, index), bytes);
    }

    /// They have arrived.
    pub(super) fn delivered(&mut self, attempt: &Attempt, request: u32, index: u64) {
        let before = self.window.delivered_bytes();
        self.window.delivered(self.now(), (request, index));
        attempt.delivered(self.window.delivered_bytes() - before);
    }

    /// A request has ended: the rest of its bytes will not arrive.
    pub(super) fn ended(&mut self, request: u32) {
        self.window.ended(request);
    }

    /// The window in bytes.
    pub(super) fn window(&self, attempt: &Attempt) -> u64 {
        self.window.bytes(attempt.stream_count())
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }
}
