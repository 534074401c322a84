//! The treatment of one connection by a proxy.

use std::time::Duration;

/// Which way bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// The treatment of a connection; the default passes everything through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    pub(super) cut: Option<(Direction, u64)>,
    pub(super) hang: Option<(Direction, u64)>,
    pub(super) flip: Option<(Direction, u64)>,
    pub(super) piece: Option<usize>,
    pub(super) rate: Option<u64>,
    pub(super) delay: Duration,
}

impl Plan {
    /// Cuts both sides once this many bytes have passed in a direction; bytes behind them are lost.
    #[must_use]
    pub fn cut_after(mut self, direction: Direction, bytes: u64) -> Self {
        self.cut = Some((direction, bytes));
        self
    }

    /// Stops both directions once this many bytes have passed in one of them. Each side stays open, even
    /// if the other ends.
    #[must_use]
    pub fn hang_after(mut self, direction: Direction, bytes: u64) -> Self {
        self.hang = Some((direction, bytes));
        self
    }

    /// Changes the byte behind this many bytes in a direction, as a faulty line does.
    #[must_use]
    pub fn flip_after(mut self, direction: Direction, bytes: u64) -> Self {
        self.flip = Some((direction, bytes));
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

    /// Delays everything by this much in each direction, as a long line does: new bytes do not wait for
    /// bytes in flight.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The place, among bytes of which `passed` others came before, of the one that changes.
    pub(super) fn flipped(&self, direction: Direction, passed: u64, count: usize) -> Option<usize> {
        let (_, at) = self.flip.filter(|(way, _)| *way == direction)?;
        let place = usize::try_from(at.checked_sub(passed)?).ok()?;
        (place < count).then_some(place)
    }

    /// After how many bytes nothing passes any more in a direction, if it is this one.
    pub(super) fn end(&self, direction: Direction) -> u64 {
        let ends = [self.cut, self.hang].into_iter().flatten();
        ends.filter(|(way, _)| *way == direction).map(|(_, bytes)| bytes).min().unwrap_or(u64::MAX)
    }
}

impl Direction {
    /// The other way.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}
