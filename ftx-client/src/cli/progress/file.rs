//! A file under way.

use std::time::Duration;

use ftx_core::native::blocks::BLOCK_BYTES;

use super::view::{Amount, FileState};

/// A file that takes longer is shown, unless it is sent whole, without a progress of its own.
const SLOW: Duration = Duration::from_secs(1);

/// A file under way.
#[derive(Debug)]
pub(super) struct ActiveFile {
    pub(super) name: String,
    /// When it began, or its bytes did.
    pub(super) since: Duration,
    pub(super) state: FileState,
    pub(super) size: Option<u64>,
    /// Bytes in place.
    pub(super) done: u64,
    /// Bytes of earlier attempts, and of this one, that went over the network.
    pub(super) moved_before: u64,
    pub(super) moved: u64,
    /// When bytes were last in place, and when they last went over the network.
    pub(super) done_at: Duration,
    pub(super) moved_at: Duration,
    /// Bytes hashed, and bytes to hash.
    pub(super) hashed: Amount,
    /// Bytes still to read, of a cancelled file.
    pub(super) draining: u64,
}

impl ActiveFile {
    pub(super) fn new(name: &str, size: Option<u64>, now: Duration) -> Self {
        Self {
            name: name.to_owned(),
            since: now,
            state: FileState::Begun,
            size,
            done: 0,
            moved_before: 0,
            moved: 0,
            done_at: now,
            moved_at: now,
            hashed: Amount::default(),
            draining: 0,
        }
    }

    /// Whether the second line shows the file.
    pub(super) fn is_shown(&self, is_only: bool, now: Duration) -> bool {
        match self.state_at(now) {
            FileState::Begun => false,
            // The first line shows the only file.
            FileState::Moving if is_only || self.size <= Some(BLOCK_BYTES) => false,
            FileState::Hashing | FileState::Waiting | FileState::Moving | FileState::Comparing => {
                now.saturating_sub(self.since) >= SLOW
            }
            FileState::Finishing => now.saturating_sub(self.done_at) >= SLOW,
            FileState::Draining => true,
        }
    }

    pub(super) fn left(&self) -> u64 {
        self.size.unwrap_or(0).saturating_sub(self.done)
    }

    pub(super) fn state_at(&self, now: Duration) -> FileState {
        let ago = |time| now.saturating_sub(time);
        match self.state {
            // Smaller files are in place only when they have ended.
            FileState::Moving if self.size > Some(BLOCK_BYTES) && self.left() == 0 => {
                FileState::Finishing
            }
            FileState::Moving if ago(self.moved_at) >= SLOW && ago(self.done_at) < SLOW => {
                FileState::Comparing
            }
            state => state,
        }
    }

    pub(super) fn amount(&self) -> Amount {
        match self.state {
            FileState::Hashing => self.hashed,
            FileState::Draining => Amount::of(0, self.draining),
            FileState::Begun
            | FileState::Waiting
            | FileState::Moving
            | FileState::Comparing
            | FileState::Finishing => Amount { done: self.done, total: self.size },
        }
    }
}
