//! When a small file is probed before it is sent.
//!
//! A small file is sent at once, which is right for a new tree. When the server reports one as
//! unchanged, the tree was probably sent before, after an interruption or to update it. From then on
//! each file is probed by a `Check` first: the bytes go only where they are wanted, and the following
//! files do not wait for the round trip.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Wanted files in a row that end the probing. A probe costs far less than sending an unchanged file.
const MAX_WANTED_COUNT: u32 = 64;

/// Whether small files are probed. Shared by all connections of an attempt.
#[derive(Debug, Default)]
pub(super) struct ProbePolicy(AtomicU32);

impl ProbePolicy {
    /// The server already had a file.
    pub(super) fn on_unchanged(&self) {
        self.0.store(MAX_WANTED_COUNT, Relaxed);
    }

    /// The server wants a file that was probed.
    pub(super) fn on_wanted(&self) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
    }

    /// Whether to probe the next file.
    pub(super) fn probes_next(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_WANTED_COUNT, ProbePolicy};

    #[test]
    fn probes_from_the_first_unchanged_file_until_many_were_wanted() {
        let policy = ProbePolicy::default();
        assert!(!policy.probes_next());
        policy.on_wanted();
        assert!(!policy.probes_next());
        policy.on_unchanged();
        for _ in 1..MAX_WANTED_COUNT {
            policy.on_wanted();
        }
        assert!(policy.probes_next());
        policy.on_unchanged();
        for left in (0..MAX_WANTED_COUNT).rev() {
            policy.on_wanted();
            assert_eq!(policy.probes_next(), left > 0);
        }
    }
}
