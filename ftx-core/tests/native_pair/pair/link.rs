//! One direction of a connection.

use std::collections::VecDeque;

use super::Bytes;

/// Virtual time.
pub(crate) type Millis = u64;

/// Bytes on their way, above which a sender waits: more than a window.
const ROOM_BYTES: u64 = 16 << 20;

/// Carries bytes to one side.
#[derive(Debug, Default)]
pub(crate) struct Link {
    delay: Millis,
    on_their_way: VecDeque<(Millis, Bytes)>,
    /// Bytes until the cut.
    left: Option<u64>,
    /// Bytes until the silence.
    heard: Option<u64>,
    is_closed: bool,
}

impl Link {
    pub(crate) fn new(delay: Millis, cut_after: Option<u64>, silent_after: Option<u64>) -> Self {
        Self { delay, left: cut_after, heard: silent_after, ..Self::default() }
    }

    /// Sends bytes. Those behind the cut or the silence never arrive.
    pub(crate) fn push(&mut self, now: Millis, mut bytes: Bytes) {
        if self.is_closed {
            return;
        }
        if let Some(heard) = &mut self.heard {
            bytes = bytes.take(*heard);
            *heard -= bytes.len();
        }
        if let Some(left) = &mut self.left {
            let all = bytes.len();
            bytes = bytes.take(*left);
            *left -= bytes.len();
            self.is_closed = bytes.len() < all;
        }
        if bytes.len() > 0 {
            self.on_their_way.push_back((now + self.delay, bytes));
        }
    }

    /// Whether the sender may prepare more.
    pub(crate) fn has_room(&self) -> bool {
        self.on_their_way.iter().map(|(_, bytes)| bytes.len()).sum::<u64>() < ROOM_BYTES
    }

    /// Sends nothing more. Bytes on their way still arrive, then the end.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Drops the bytes on their way.
    pub(crate) fn clear(&mut self) {
        self.on_their_way.clear();
    }

    /// The time at which bytes or the end arrive.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        match self.on_their_way.front() {
            Some((due, _)) => Some(*due),
            None => self.is_closed.then_some(0),
        }
    }

    pub(crate) fn is_due(&self, now: Millis) -> bool {
        self.next_due().is_some_and(|due| due <= now)
    }

    /// Takes at most `limit` bytes that have arrived; `None` at the end.
    pub(crate) fn take(&mut self, now: Millis, limit: u64) -> Option<Bytes> {
        let mut taken = Bytes::default();
        while taken.len() < limit
            && let Some((due, bytes)) = self.on_their_way.front_mut()
            && *due <= now
        {
            taken.append(bytes.take(limit - taken.len()));
            if bytes.len() == 0 {
                self.on_their_way.pop_front();
            }
        }
        (taken.len() > 0).then_some(taken)
    }
}
