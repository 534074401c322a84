//! When a small file is probed before it is sent.
//!
//! A small file is sent at once, which is right for a new tree. When the server reports one as
//! unchanged, the tree was probably sent before, after an interruption or to update it. From then on
//! each file is probed by a `Check` first: the bytes go only where they are wanted, and the following
//! files do not wait for the round trip.

/// Wanted files in a row that end the probing. A probe costs far less than sending an unchanged file.
const MAX_WANTED_COUNT: u32 = 64;

/// Whether small files are probed. All connections of an attempt share it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProbePolicy {
    /// Wanted files until the probing ends.
    left: u32,
}

impl ProbePolicy {
    /// The server already had a file.
    pub(super) const fn on_unchanged(&mut self) {
        self.left = MAX_WANTED_COUNT;
    }

    /// The server wants a file that was probed.
    pub(super) const fn on_wanted(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// Whether to probe the next file.
    pub(super) const fn probes_next(self) -> bool {
        self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_WANTED_COUNT, ProbePolicy};

    #[test]
    fn probes_from_the_first_unchanged_file_until_many_were_wanted() {
        let mut policy = ProbePolicy::default();
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
