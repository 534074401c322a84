//! Copying blocks from another version of the file.

use std::fs::File;

use ftx_core::native::blocks::{Cv, block_len, block_offset};

use super::BlockStaging;
use super::hash::hash_listed;
use crate::file::copy::copy_range;
use crate::{FileIdentity, StoreError};

/// The file to copy blocks from, whose chaining values are known.
#[derive(Clone, Copy, Debug)]
pub struct CopySource<'a> {
    /// The open file.
    pub file: &'a File,
    /// Its identity before and after it was hashed.
    pub identity: &'a FileIdentity,
}

impl BlockStaging {
    /// Copies blocks from the same places in `source`, where they should have these chaining
    /// values. The copies are hashed, since `source` may have changed invisibly. They count as
    /// [stored](Self::stored) only if all of them match.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when `source` has changed or is too short; those of
    /// [`write_at`](Self::write_at) and [`stored`](Self::stored).
    pub fn copy_blocks(
        &self,
        source: CopySource<'_>,
        blocks: &[(u64, Cv)],
    ) -> Result<(), StoreError> {
        let changed = || StoreError::Changed { path: self.name.clone().into() };
        for &(index, _) in blocks {
            let (offset, len) = (block_offset(index), block_len(self.size, index));
            self.forget_blocks(offset, len)?;
            let copied = copy_range(source.file, self.locked.file(), &self.positioned, offset, len)
                .map_err(|error| StoreError::io("write", self.data(), error))?;
            if !copied {
                return Err(changed());
            }
        }
        let now = FileIdentity::of_std(source.file)
            .map_err(|error| StoreError::io("look at", &*self.name, error))?;
        if !now.same_content(source.identity) {
            return Err(changed());
        }
        if !self.has(blocks)? {
            return Err(changed());
        }
        blocks.iter().try_for_each(|&(index, cv)| self.stored(index, cv))
    }

    /// Whether the bytes of these blocks have these chaining values.
    fn has(&self, blocks: &[(u64, Cv)]) -> Result<bool, StoreError> {
        let indices: Vec<u64> = blocks.iter().map(|&(index, _)| index).collect();
        let hashed = hash_listed(self.locked.file(), self.size, &indices, None, &mut |_| true)
            .map_err(|error| StoreError::io("read", self.data(), error))?;
        let cvs = hashed.unwrap_or_default();
        Ok(blocks.iter().map(|&(_, cv)| cv).eq(cvs))
    }
}
