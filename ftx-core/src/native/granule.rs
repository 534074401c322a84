//! The durable unit of a store.

use serde::Serialize;

use super::blocks::{BLOCK_BYTES, BlockRange};

/// The longest durable unit, in blocks.
pub const MAX_GRANULE_BLOCKS: u32 = 1024;

/// The number of consecutive blocks that a store makes durable together: 1 for files, more for a store
/// whose smallest part is larger than a block. The first unit begins at block 0; the last one of a file
/// may be shorter.
///
/// A client sends each unit over one connection, in order, and completely or not at all. The server
/// answers its blocks with `Stored` when all of them are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "u32")]
pub struct Granule(u32);

/// No store has a durable unit of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a granule of {blocks} blocks; it must have 1 to {MAX_GRANULE_BLOCKS}")]
pub struct GranuleError {
    /// The length in blocks.
    pub blocks: u32,
}

impl Granule {
    /// Each block is durable on its own.
    pub const ONE: Self = Self(1);

    /// A unit of this many blocks.
    ///
    /// # Errors
    /// The number is 0, or above [`MAX_GRANULE_BLOCKS`].
    pub const fn new(blocks: u32) -> Result<Self, GranuleError> {
        match blocks {
            1..=MAX_GRANULE_BLOCKS => Ok(Self(blocks)),
            _ => Err(GranuleError { blocks }),
        }
    }

    /// The length in blocks.
    #[must_use]
    pub const fn blocks(self) -> u64 {
        self.0 as u64
    }

    /// Whether each block is durable on its own.
    #[must_use]
    pub const fn is_one(&self) -> bool {
        self.0 == 1
    }

    /// The smallest window in bytes that such units do not stop: one is sent while another one becomes
    /// durable.
    #[must_use]
    pub const fn min_window_bytes(self) -> u64 {
        2 * self.blocks() * BLOCK_BYTES
    }

    /// The unit of a block, in a file of `count` blocks.
    #[must_use]
    pub const fn around(self, index: u64, count: u64) -> BlockRange {
        let first = index - index % self.blocks();
        let left = count.saturating_sub(first);
        let own = self.blocks();
        BlockRange { first, count: if left < own { left } else { own } }
    }
}

impl From<Granule> for u32 {
    fn from(granule: Granule) -> Self {
        granule.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Granule, GranuleError, MAX_GRANULE_BLOCKS};
    use crate::native::blocks::{BLOCK_BYTES, BlockRange};

    #[test]
    fn a_length_is_bounded() {
        for blocks in [0, MAX_GRANULE_BLOCKS + 1, u32::MAX] {
            assert_eq!(Granule::new(blocks), Err(GranuleError { blocks }));
        }
        for blocks in [1, MAX_GRANULE_BLOCKS] {
            assert_eq!(Granule::new(blocks).map(u32::from), Ok(blocks));
        }
        assert_eq!(Granule::new(8).unwrap().min_window_bytes(), 16 * BLOCK_BYTES);
    }

    #[test]
    fn the_last_unit_is_shorter() {
        let granule = Granule::new(8).unwrap();
        for (index, first, count) in [(0, 0, 8), (7, 0, 8), (8, 8, 2), (9, 8, 2)] {
            assert_eq!(granule.around(index, 10), BlockRange { first, count }, "{index}");
        }
        assert_eq!(granule.around(u64::MAX, u64::MAX).end(), u64::MAX);
    }
}
