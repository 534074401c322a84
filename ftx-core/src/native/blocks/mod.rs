//! Blocks of a file and their chaining values.
//!
//! A block is an aligned 1 MiB of a file: 2^10 chunks of BLAKE3, and so a whole subtree of the file's
//! hash tree. Its chaining value ([`Cv`]) depends only on its bytes and its place, and the chaining
//! values of all blocks join to the digest of the file.
//!
//! A file of at most one block has no tree above that block, so its chaining value *is* the digest.
//! Equal chaining values mean equal bytes and equal lengths.

mod hasher;
mod manifest;
mod partial;
mod set;

use serde::{Deserialize, Serialize};

pub use hasher::{BlockHasher, WrongLength, block_cv};
pub use manifest::{Manifest, WrongCount};
pub use partial::PartialManifest;
pub use set::BlockSet;

use super::hex::{debug_in_hex, in_hex};

/// Bytes of a block; only the last one of a file may be shorter.
pub const BLOCK_BYTES: u64 = 1 << 20;

/// The chaining value of a block: the 32-byte hash of its subtree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cv(pub [u8; 32]);

in_hex!(Cv);
debug_in_hex!(Cv);

/// The BLAKE3 hash of a whole file, as printed by `b3sum`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

in_hex!(Digest);
debug_in_hex!(Digest);

impl Digest {
    /// The digest of a file in memory. For a file in blocks, [`Manifest::digest`] joins the chaining
    /// values.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// `count` blocks from the index `first` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockRange {
    /// Index of the first block.
    pub first: u64,
    /// How many blocks.
    pub count: u64,
}

impl BlockRange {
    /// The index behind the last block, saturating: a range from a peer may be invalid.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

/// Number of blocks of a file of `size` bytes; 0 for an empty file.
#[must_use]
pub const fn block_count(size: u64) -> u64 {
    size.div_ceil(BLOCK_BYTES)
}

/// Length in bytes of the block `index` of a file of `size` bytes, or 0 beyond the end.
#[must_use]
pub const fn block_len(size: u64, index: u64) -> u64 {
    let left = size.saturating_sub(block_offset(index));
    if left < BLOCK_BYTES { left } else { BLOCK_BYTES }
}

/// Offset in bytes of the block `index`, saturating.
#[must_use]
pub const fn block_offset(index: u64) -> u64 {
    index.saturating_mul(BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, BlockRange, block_count, block_len};

    #[test]
    fn only_the_last_block_is_shorter() {
        assert_eq!((block_count(0), block_len(0, 0)), (0, 0));
        assert_eq!((block_count(1), block_len(1, 0)), (1, 1));
        assert_eq!(
            (block_count(BLOCK_BYTES), block_len(BLOCK_BYTES, 0), block_len(BLOCK_BYTES, 1)),
            (1, BLOCK_BYTES, 0)
        );
        let size = 3 * BLOCK_BYTES + 5;
        assert_eq!(block_count(size), 4);
        assert_eq!([2, 3, 4].map(|index| block_len(size, index)), [BLOCK_BYTES, 5, 0]);
    }

    #[test]
    fn no_number_overflows() {
        assert_eq!(block_count(u64::MAX), 1 << 44);
        assert_eq!(block_len(u64::MAX, (1 << 44) - 1), BLOCK_BYTES - 1);
        assert_eq!(block_len(u64::MAX, u64::MAX), 0);
        assert_eq!(BlockRange { first: 2, count: u64::MAX }.end(), u64::MAX);
    }
}
