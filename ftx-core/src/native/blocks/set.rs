//! Sets of blocks.

use alloc::collections::BTreeMap;

use super::BlockRange;

/// A set of blocks, stored as ranges: memory grows with the number of ranges, not of blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockSet {
    /// Maps the first index of a range to the index behind its last. No range is empty, no two touch.
    ranges: BTreeMap<u64, u64>,
}

impl BlockSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: BTreeMap::new() }
    }

    /// The first `count` blocks of a file.
    #[must_use]
    pub fn whole(count: u64) -> Self {
        let mut set = Self::new();
        set.insert(BlockRange { first: 0, count });
        set
    }

    /// Adds blocks.
    pub fn insert(&mut self, range: BlockRange) {
        let (mut first, mut end) = (range.first, range.end());
        if first >= end {
            return;
        }
        // From the last range that begins at or before `end`, downwards, as long as they touch.
        while let Some((&known_first, &known_end)) = self.ranges.range(..=end).next_back() {
            if known_end < first {
                break;
            }
            first = first.min(known_first);
            end = end.max(known_end);
            self.ranges.remove(&known_first);
        }
        self.ranges.insert(first, end);
    }

    /// Removes blocks.
    pub fn remove(&mut self, range: BlockRange) {
        let (first, end) = (range.first, range.end());
        if first >= end {
            return;
        }
        while let Some((&known_first, &known_end)) = self.ranges.range(..end).next_back() {
            if known_end <= first {
                break;
            }
            self.ranges.remove(&known_first);
            if known_end > end {
                self.ranges.insert(end, known_end);
            }
            if known_first < first {
                self.ranges.insert(known_first, first);
            }
        }
    }

    /// Removes and returns the lowest contiguous blocks, at most `limit` of them.
    pub(in crate::native) fn take_lowest(&mut self, limit: u64) -> Option<BlockRange> {
        let (&first, &end) = self.ranges.first_key_value()?;
        let range = BlockRange { first, count: (end - first).min(limit) };
        self.remove(range);
        (range.count > 0).then_some(range)
    }

    /// The lowest block.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.ranges.first_key_value().map(|(first, _)| *first)
    }

    /// Whether the set contains a block.
    #[must_use]
    pub fn contains(&self, index: u64) -> bool {
        self.ranges.range(..=index).next_back().is_some_and(|(_, &end)| index < end)
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of blocks.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges().map(|range| range.count).sum()
    }

    /// The blocks as ranges in ascending order.
    pub fn ranges(&self) -> impl Iterator<Item = BlockRange> + '_ {
        self.ranges.iter().map(|(&first, &end)| BlockRange { first, count: end - first })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::BlockSet;
    use crate::native::blocks::BlockRange;

    #[test]
    fn the_lowest_blocks_come_first() {
        let mut set = BlockSet::new();
        set.insert(BlockRange { first: 7, count: 1 });
        set.insert(BlockRange { first: 2, count: 3 });
        assert_eq!(set.take_lowest(0), None);
        assert_eq!(set.take_lowest(2), Some(BlockRange { first: 2, count: 2 }));
        assert_eq!(set.take_lowest(2), Some(BlockRange { first: 4, count: 1 }));
        assert_eq!(set.take_lowest(2), Some(BlockRange { first: 7, count: 1 }));
        assert_eq!(set.take_lowest(2), None);
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), 0..24u64, 0..9u64), 0..40)) {
            let mut set = BlockSet::new();
            let mut model = BTreeSet::new();
            for (insert, first, count) in steps {
                let range = BlockRange { first, count };
                if insert {
                    set.insert(range);
                    model.extend(first..range.end());
                } else {
                    set.remove(range);
                    model.retain(|index| !(first..range.end()).contains(index));
                }
                let blocks: Vec<u64> =
                    set.ranges().flat_map(|range| range.first..range.end()).collect();
                prop_assert_eq!(&blocks, &model.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(set.len(), model.len() as u64);
                prop_assert!((0..40).all(|index| set.contains(index) == model.contains(&index)));
                // As few ranges as possible: none begins where another ends.
                let ends: BTreeSet<_> = set.ranges().map(BlockRange::end).collect();
                prop_assert!(set.ranges().all(|range| !ends.contains(&range.first)));
            }
        }
    }
}
