//! Size, chaining values and digest of one version of a file.

use alloc::vec::Vec;

use blake3::hazmat::{Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::{Cv, Digest, block_count};

/// The number of chaining values differs from the number of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file of {size} bytes has {expected} chaining values, not {got}; ask for all of them")]
pub struct WrongCount {
    /// Size of the file in bytes.
    pub size: u64,
    /// Number of blocks.
    pub expected: u64,
    /// Number of chaining values.
    pub got: u64,
}

/// Size, chaining values and digest of one version of a file: 32 KiB for each GiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    size: u64,
    cvs: Vec<Cv>,
    digest: Digest,
}

impl Manifest {
    /// Creates the manifest of a file of `size` bytes from the chaining values of its blocks.
    ///
    /// # Errors
    /// [`WrongCount`] unless there is one value for each block.
    pub fn new(size: u64, cvs: Vec<Cv>) -> Result<Self, WrongCount> {
        let expected = block_count(size);
        let got = u64::try_from(cvs.len()).unwrap_or(u64::MAX);
        if got != expected {
            return Err(WrongCount { size, expected, got });
        }
        let digest = join(&cvs);
        Ok(Self { size, cvs, digest })
    }

    /// The manifest of an empty file.
    #[must_use]
    pub fn empty() -> Self {
        Self { size: 0, cvs: Vec::new(), digest: join(&[]) }
    }

    /// Size of the file in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The chaining values, one for each block.
    #[must_use]
    pub fn cvs(&self) -> &[Cv] {
        &self.cvs
    }

    /// The digest of the file, joined from the chaining values.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

fn join(cvs: &[Cv]) -> Digest {
    // Complete subtrees, the largest first. A subtree is merged as soon as a later block proves that
    // it is not the root: as in a binary counter, once for each bit that turns to 0.
    let mut trees: Vec<[u8; 32]> = Vec::new();
    for (index, cv) in cvs.iter().enumerate() {
        for _ in 0..index.trailing_zeros() {
            merge_last(&mut trees);
        }
        trees.push(cv.0);
    }
    while trees.len() > 2 {
        merge_last(&mut trees);
    }
    Digest(match *trees {
        [left, right] => *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes(),
        [whole] => whole,
        _ => *blake3::hash(&[]).as_bytes(),
    })
}

/// Joins the last two subtrees, if there are two.
fn merge_last(trees: &mut Vec<[u8; 32]>) {
    let (Some(right), Some(left)) = (trees.pop(), trees.pop()) else { return };
    trees.push(merge_subtrees_non_root(&left, &right, Mode::Hash));
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::{Manifest, WrongCount};
    use crate::native::blocks::{BLOCK_BYTES, Cv, block_cv};

    fn bytes(size: u64, seed: u64) -> Vec<u8> {
        let mut xof = blake3::Hasher::new();
        let mut bytes = std::vec![0; usize::try_from(size).unwrap()];
        xof.update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    /// The digest is that of the bytes.
    fn joins(size: u64, seed: u64) {
        let bytes = bytes(size, seed);
        let blocks = bytes.chunks(usize::try_from(BLOCK_BYTES).unwrap());
        let cvs = (0..).zip(blocks).map(|(index, block)| block_cv(size, index, block).unwrap());
        let manifest = Manifest::new(size, cvs.collect()).unwrap();
        assert_eq!(manifest.digest().0, *blake3::hash(&bytes).as_bytes(), "{size}");
    }

    #[test]
    fn the_digest_is_that_of_the_file() {
        for size in [0, 1, 1023, 1024, 1025, 2048, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1] {
            joins(size, size);
        }
        for blocks in 2..=9 {
            for size in [blocks * BLOCK_BYTES - 1, blocks * BLOCK_BYTES, blocks * BLOCK_BYTES + 1] {
                joins(size, size);
            }
        }
    }

    #[test]
    fn there_is_one_value_for_each_block() {
        let cvs = std::vec![Cv([0; 32]); 2];
        let wrong = WrongCount { size: 5, expected: 1, got: 2 };
        assert_eq!(Manifest::new(5, cvs.clone()), Err(wrong));
        assert!(Manifest::new(BLOCK_BYTES + 1, cvs).is_ok());
        let absurd = Manifest::new(u64::MAX, Vec::new());
        assert_eq!(absurd, Err(WrongCount { size: u64::MAX, expected: 1 << 44, got: 0 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_digest_of_any_file_is_joined(size in 0..24 * BLOCK_BYTES, seed: u64) {
            joins(size, seed);
        }
    }
}
