//! Trees that are sent again, by somebody who was interrupted or wants to have changed what changed.
//!
//! A small file is sent without a question, which is right for a new tree. But when the server says of
//! one that it was there already, others will be, too, so from then on it is asked first: that costs a
//! round trip that the next files do not wait for, and the bytes only where they are wanted.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// So many files in a row that the server wants, and it is asked no more. To ask takes far less than
/// to send what is there.
const PATIENCE: u32 = 64;

/// Whether the server is asked about small files first; shared by all connections of a try.
#[derive(Debug, Default)]
pub(super) struct Again(AtomicU32);

impl Again {
    /// The server had a file already.
    pub(super) fn had(&self) {
        self.0.store(PATIENCE, Relaxed);
    }

    /// The server wants one that it was asked about.
    pub(super) fn wants(&self) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
    }

    /// Whether it is to be asked about the next.
    pub(super) fn asks(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Again, PATIENCE};

    #[test]
    fn asks_from_the_first_file_that_was_there_until_many_were_not() {
        let again = Again::default();
        assert!(!again.asks());
        again.wants();
        assert!(!again.asks());
        again.had();
        for _ in 1..PATIENCE {
            again.wants();
        }
        assert!(again.asks());
        again.had();
        for left in (0..PATIENCE).rev() {
            again.wants();
            assert_eq!(again.asks(), left > 0);
        }
    }
}
