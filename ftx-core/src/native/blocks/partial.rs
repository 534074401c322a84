//! The chaining values of some blocks of a file.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{BLOCK_BYTES, BlockRange, BlockSet, Cv, Manifest, block_count};

/// The chaining values of some blocks of a file.
///
/// Memory grows with the known blocks, about 50 bytes each, not with the size: a peer may announce any
/// size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialManifest {
    size: u64,
    cvs: BTreeMap<u64, Cv>,
}

impl PartialManifest {
    /// A partial manifest of a file of `size` bytes, without any block.
    #[must_use]
    pub const fn new(size: u64) -> Self {
        Self { size, cvs: BTreeMap::new() }
    }

    /// Sets the chaining value of a block. Returns `false`, and sets nothing, if the file has no such
    /// block.
    #[must_use = "a block beyond the end is not set"]
    pub fn set(&mut self, index: u64, cv: Cv) -> bool {
        let exists = index < self.block_count();
        if exists {
            self.cvs.insert(index, cv);
        }
        exists
    }

    /// Sets or removes the chaining value of an existing block.
    pub(in crate::native) fn note(&mut self, index: u64, cv: Option<Cv>) {
        match cv {
            Some(cv) => self.cvs.insert(index, cv),
            None => self.cvs.remove(&index),
        };
    }

    /// The blocks that are valid for a file of another size with the same bytes at the same offsets:
    /// all full blocks, or none if one of the two files has at most one block.
    #[must_use]
    pub fn resized(&self, size: u64) -> Self {
        if size == self.size {
            return self.clone();
        }
        let whole = if size <= BLOCK_BYTES || self.size <= BLOCK_BYTES {
            0
        } else {
            size.min(self.size) / BLOCK_BYTES
        };
        Self { size, cvs: self.cvs.range(..whole).map(|(index, cv)| (*index, *cv)).collect() }
    }

    /// Removes a block and returns its chaining value.
    pub fn forget(&mut self, index: u64) -> Option<Cv> {
        self.cvs.remove(&index)
    }

    /// The chaining value of a block, if it is known.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<Cv> {
        self.cvs.get(&index).copied()
    }

    /// The known blocks from the index `first` on, in their order.
    pub fn known_from(&self, first: u64) -> impl Iterator<Item = (u64, Cv)> + '_ {
        self.cvs.range(first..).map(|(index, cv)| (*index, *cv))
    }

    /// Size of the file in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Number of blocks of the file, known or not.
    #[must_use]
    pub const fn block_count(&self) -> u64 {
        block_count(self.size)
    }

    /// Number of known blocks.
    #[must_use]
    pub fn known(&self) -> u64 {
        u64::try_from(self.cvs.len()).unwrap_or(u64::MAX)
    }

    /// The unknown blocks.
    #[must_use]
    pub fn missing(&self) -> BlockSet {
        let mut missing = BlockSet::new();
        let mut next = 0;
        for index in self.cvs.keys().copied() {
            missing.insert(BlockRange { first: next, count: index - next });
            next = index + 1;
        }
        missing.insert(BlockRange { first: next, count: self.block_count() - next });
        missing
    }

    /// Whether every block is known.
    pub(in crate::native) fn is_complete(&self) -> bool {
        self.known() == self.block_count()
    }

    /// The manifest, if every block is known.
    #[must_use]
    pub fn complete(&self) -> Option<Manifest> {
        if !self.is_complete() {
            return None;
        }
        Manifest::new(self.size, self.cvs.values().copied().collect::<Vec<_>>()).ok()
    }
}

impl From<&Manifest> for PartialManifest {
    fn from(manifest: &Manifest) -> Self {
        Self { size: manifest.size(), cvs: (0..).zip(manifest.cvs().iter().copied()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::PartialManifest;
    use crate::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Manifest};

    fn missing(partial: &PartialManifest) -> Vec<(u64, u64)> {
        partial.missing().ranges().map(|BlockRange { first, count }| (first, count)).collect()
    }

    #[test]
    fn it_is_complete_when_every_block_is_known() {
        let size = 3 * BLOCK_BYTES;
        let mut partial = PartialManifest::new(size);
        assert_eq!(missing(&partial), [(0, 3)]);
        assert!(partial.set(1, Cv([1; 32])));
        assert_eq!(missing(&partial), [(0, 1), (2, 1)]);
        assert!(partial.set(2, Cv([2; 32])) && !partial.set(3, Cv([3; 32])));
        assert_eq!((partial.complete(), partial.known()), (None, 2));
        assert!(partial.set(0, Cv([0; 32])));
        let manifest = Manifest::new(size, [0, 1, 2].map(|byte| Cv([byte; 32])).into()).unwrap();
        assert_eq!(PartialManifest::from(&manifest), partial);
        assert_eq!(partial.complete(), Some(manifest));
        assert_eq!((partial.forget(0), partial.forget(0)), (Some(Cv([0; 32])), None));
        assert_eq!((missing(&partial), partial.complete()), (Vec::from([(0, 1)]), None));
    }

    #[test]
    fn an_empty_file_is_known_at_once() {
        let empty = PartialManifest::new(0);
        assert_eq!(missing(&empty), []);
        assert_eq!(empty.complete().unwrap().digest().0, *blake3::hash(&[]).as_bytes());
    }

    #[test]
    fn whole_blocks_are_the_same_in_files_of_other_sizes() {
        let manifest =
            Manifest::new(2 * BLOCK_BYTES + 1, [0, 1, 2].map(|byte| Cv([byte; 32])).into());
        let partial = PartialManifest::from(&manifest.unwrap());
        assert_eq!(partial.resized(partial.size()), partial);
        for (size, known) in
            [(4 * BLOCK_BYTES, 2), (2 * BLOCK_BYTES, 2), (2 * BLOCK_BYTES - 1, 1), (BLOCK_BYTES, 0)]
        {
            let resized = partial.resized(size);
            assert_eq!((resized.size(), resized.known()), (size, known));
            assert!(
                resized.known_from(0).eq(partial.known_from(0).take_while(|(i, _)| *i < known))
            );
        }
        let mut single = PartialManifest::new(BLOCK_BYTES);
        assert!(single.set(0, Cv([0; 32])));
        assert_eq!(single.resized(2 * BLOCK_BYTES).known(), 0);
    }

    #[test]
    fn a_size_alone_takes_no_memory() {
        let mut partial = PartialManifest::new(u64::MAX);
        assert!(partial.set((1 << 44) - 1, Cv([0; 32])));
        assert_eq!(missing(&partial), [(0, (1 << 44) - 1)]);
    }
}
