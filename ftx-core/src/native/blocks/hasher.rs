//! Computes chaining values from the bytes of a block.

use alloc::boxed::Box;

use blake3::hazmat::HasherExt as _;

use super::{Cv, block_len, block_offset};

/// A block was hashed with too many or too few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {index} has {expected} bytes, not {got}; the file has changed or ends early")]
pub struct WrongLength {
    /// Index of the block.
    pub index: u64,
    /// Length of the block in bytes.
    pub expected: u64,
    /// Bytes passed to the hasher.
    pub got: u64,
}

/// Computes the chaining value of one block from pieces of any length.
#[derive(Clone, Debug)]
pub struct BlockHasher {
    /// Boxed, because it has two kilobytes and is moved often.
    hasher: Box<blake3::Hasher>,
    whole_file: bool,
    index: u64,
    expected: u64,
    got: u64,
}

impl BlockHasher {
    /// A hasher for the block `index` of a file of `size` bytes.
    ///
    /// A block beyond the end has no bytes and no chaining value.
    #[must_use]
    pub fn new(size: u64, index: u64) -> Self {
        let expected = block_len(size, index);
        let mut hasher = Box::new(blake3::Hasher::new());
        if expected > 0 {
            hasher.set_input_offset(block_offset(index));
        }
        let whole_file = index == 0 && expected == size;
        Self { hasher, whole_file, index, expected, got: 0 }
    }

    /// Hashes the next bytes of the block.
    pub fn update(&mut self, bytes: &[u8]) {
        self.got = self.got.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        // Bytes beyond the block have no valid tree; `finish` returns an error.
        if self.got <= self.expected {
            self.hasher.update(bytes);
        }
    }

    /// Bytes still missing.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.expected.saturating_sub(self.got)
    }

    /// Returns the chaining value.
    ///
    /// # Errors
    /// [`WrongLength`] for too many or too few bytes, or a block beyond the end.
    pub fn finish(&self) -> Result<Cv, WrongLength> {
        if self.got != self.expected || self.expected == 0 {
            let Self { index, expected, got, .. } = *self;
            return Err(WrongLength { index, expected, got });
        }
        Ok(Cv(if self.whole_file {
            *self.hasher.finalize().as_bytes()
        } else {
            self.hasher.finalize_non_root()
        }))
    }
}

/// Computes the chaining value of the block `index` of a file of `size` bytes.
///
/// # Errors
/// [`WrongLength`] if `bytes` is longer or shorter than the block.
pub fn block_cv(size: u64, index: u64, bytes: &[u8]) -> Result<Cv, WrongLength> {
    let mut hasher = BlockHasher::new(size, index);
    hasher.update(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::{BlockHasher, WrongLength, block_cv};
    use crate::native::blocks::BLOCK_BYTES;

    #[test]
    fn pieces_make_no_difference() {
        let size = 2 * BLOCK_BYTES + 3000;
        let bytes = vec![7; 3000];
        let whole = block_cv(size, 2, &bytes);
        for piece in [1, 64, 1000, 1024, 2999] {
            let mut hasher = BlockHasher::new(size, 2);
            bytes.chunks(piece).for_each(|piece| hasher.update(piece));
            assert_eq!((hasher.finish(), hasher.left()), (whole, 0), "{piece}");
        }
    }

    #[test]
    fn a_block_that_is_the_file_has_the_digest_of_the_file() {
        let bytes = [1, 2, 3];
        assert_eq!(block_cv(3, 0, &bytes).unwrap().0, *blake3::hash(&bytes).as_bytes());
    }

    #[test]
    fn place_and_size_of_the_file_are_part_of_the_value() {
        let bytes = vec![0; usize::try_from(BLOCK_BYTES).unwrap()];
        let [alone, first, second] = [(BLOCK_BYTES, 0), (2 * BLOCK_BYTES, 0), (2 * BLOCK_BYTES, 1)]
            .map(|(size, index)| block_cv(size, index, &bytes).unwrap());
        assert!(alone != first && first != second && second != alone);
        assert_eq!(block_cv(9 * BLOCK_BYTES + 1, 1, &bytes), Ok(second));
    }

    #[test]
    fn another_number_of_bytes_is_an_error_and_no_panic() {
        let wrong = |index, expected, got| Err(WrongLength { index, expected, got });
        assert_eq!(block_cv(5, 0, &[0; 4]), wrong(0, 5, 4));
        assert_eq!(block_cv(5, 0, &[0; 6]), wrong(0, 5, 6));
        assert_eq!(block_cv(BLOCK_BYTES + 1, 1, &[0; 2]), wrong(1, 1, 2));
        assert_eq!(block_cv(0, 0, &[]), wrong(0, 0, 0));
        assert_eq!(block_cv(5, u64::MAX, &[1]), wrong(u64::MAX, 0, 1));
        let mut hasher = BlockHasher::new(5, 0);
        (0..3).for_each(|_| hasher.update(&[0; 3]));
        assert_eq!((hasher.finish(), hasher.left()), (wrong(0, 5, 9), 0));
    }
}
