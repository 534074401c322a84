//! What a proxy does to one connection.

use std::time::Duration;

/// Which way bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What is done to a connection; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    pub(super) cut: Option<(Direction, u64)>,
    pub(super) piece: Option<usize>,
    pub(super) rate: Option<u64>,
    pub(super) delay: Duration,
}

impl Plan {
    /// Cuts both sides once this many bytes have passed in a direction; what is behind them is
    /// lost.
    #[must_use]
    pub fn cut_after(mut self, direction: Direction, bytes: u64) -> Self {
        self.cut = Some((direction, bytes));
        self
    }

    /// Passes on at most this many bytes at a time.
    #[must_use]
    pub fn pieces_of(mut self, bytes: usize) -> Self {
        self.piece = Some(bytes);
        self
    }

    /// Passes on this many bytes a second in each direction.
    #[must_use]
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.rate = Some(bytes_per_second);
        self
    }

    /// Passes each piece on this much later, one after another.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl Direction {
    pub(super) fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}
