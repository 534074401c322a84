//! The blocks that a client requested last.

use std::collections::VecDeque;

use ftx_core::native::blocks::BlockRange;
use ftx_core::native::wire::Version;

/// The number of ranges that are remembered.
const MAX_RECENT_RANGES: usize = 64;

/// The ranges of one version of a file that a connection requested last.
#[derive(Debug, Default)]
pub(super) struct RecentRanges {
    version: Option<Version>,
    ranges: VecDeque<BlockRange>,
}

impl RecentRanges {
    /// Whether any of these blocks was requested before.
    pub(super) fn repeats(&self, version: Version, ranges: &[BlockRange]) -> bool {
        let overlap = |a: &BlockRange, b: &BlockRange| a.first < b.end() && b.first < a.end();
        self.version == Some(version)
            && ranges.iter().any(|range| self.ranges.iter().any(|recent| overlap(range, recent)))
    }

    /// Remembers a request.
    pub(super) fn record(&mut self, version: Version, ranges: &[BlockRange]) {
        if self.version != Some(version) {
            self.version = Some(version);
            self.ranges.clear();
        }
        self.ranges.extend(ranges.iter().take(MAX_RECENT_RANGES));
        let surplus = self.ranges.len().saturating_sub(MAX_RECENT_RANGES);
        self.ranges.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::{BlockRange, MAX_RECENT_RANGES, RecentRanges, Version};

    const ONE: Version = Version([1; 16]);
    const OTHER: Version = Version([2; 16]);

    fn range(first: u64, count: u64) -> BlockRange {
        BlockRange { first, count }
    }

    #[test]
    fn a_block_is_repeated_only_of_the_same_version() {
        let mut recent = RecentRanges::default();
        recent.record(ONE, &[range(0, 8), range(20, 1)]);
        for (first, count, is_repeated) in
            [(0, 1, true), (7, 5, true), (8, 12, false), (20, 1, true), (21, u64::MAX, false)]
        {
            let repeats = |version| recent.repeats(version, &[range(first, count)]);
            assert_eq!(repeats(ONE), is_repeated, "{first} {count}");
            assert!(!repeats(OTHER));
        }
        recent.record(OTHER, &[range(30, 1)]);
        assert!(!recent.repeats(OTHER, &[range(0, 8)]));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut recent = RecentRanges::default();
        for first in 0..1000 {
            recent.record(ONE, &[range(first, 1)]);
            assert!(recent.ranges.len() <= MAX_RECENT_RANGES);
        }
        assert!(recent.repeats(ONE, &[range(999, 1)]) && !recent.repeats(ONE, &[range(0, 1)]));
    }
}
