//! Taking blocks over from another file of the same layout.

use std::fs::File;

use ftx_core::native::blocks::{Cv, block_len, block_offset};

use super::BlockStaging;
use super::hash::hash_listed;
use crate::file::copy::copy_range;
use crate::{FileIdentity, StoreError};

/// A file to take blocks over from, whose chaining values are known.
#[derive(Clone, Copy, Debug)]
pub struct CopySource<'a> {
    /// The open file.
    pub file: &'a File,
    /// What it was before and after it was hashed.
    pub identity: &'a FileIdentity,
}

impl BlockStaging {
    /// Takes over blocks from the same places in `source`, where they have these chaining values. The
    /// copies are hashed: what is known of `source` may be outdated without showing it. Any of them
    /// counts as [stored](Self::stored) only when all are right.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when `source` has changed or is shorter than that; those of
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
            let copied = copy_range(source.file, self.held.file(), &self.positioned, offset, len)
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
        let hashed = hash_listed(self.held.file(), self.size, &indices, None, &mut |_| true)
            .map_err(|error| StoreError::io("read", self.data(), error))?;
        let cvs = hashed.unwrap_or_default();
        Ok(blocks.iter().map(|&(_, cv)| cv).eq(cvs))
    }
}
