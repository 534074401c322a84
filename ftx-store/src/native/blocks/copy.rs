//! Copying blocks from another file.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;

use ftx_core::native::blocks::{BLOCK_BYTES, Cv, block_len, block_offset};

use super::BlockStaging;
use super::hash::{hash_listed, read_hashed};
use super::work::BlockWork;
use crate::file::copy::copy_range;
use crate::file::positioned::Positioned;
use crate::{FileIdentity, StoreError, sys};

/// Blocks that the file system copies and that are hashed together.
const SHARED_STEP_BLOCKS: usize = 64;

/// The size of a buffer for a whole block.
const BUFFER_BYTES: usize = 1 << 20;
const _: () = assert!(BUFFER_BYTES as u64 == BLOCK_BYTES);

/// A block, and the chaining value that it must have.
type WantedBlock = (u64, Cv);

/// Called with the bytes done so far. Returns whether to continue.
type KeepGoing<'a> = &'a mut dyn FnMut(u64) -> bool;

impl BlockStaging {
    /// Copies those of `blocks` that have these chaining values at the same places in `source`, records
    /// the copies as [stored](Self::stored), and returns their number. Copied bytes are always hashed,
    /// so neither the values nor `source` need be trusted.
    ///
    /// On a file system whose files may share their data, the system copies and the copies are hashed.
    /// Elsewhere each byte is read once: all cores read, hash and write, each one block at a time.
    /// `keep_going` is called now and then with the bytes done so far.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`] when `keep_going` returns `false`; blocks that were copied before stay
    /// stored. Failures to read `source`, but not that it ends early; those of
    /// [`write_at`](Self::write_at) and [`stored`](Self::stored).
    pub fn copy_blocks(
        &self,
        source: &File,
        blocks: &[WantedBlock],
        keep_going: KeepGoing<'_>,
    ) -> Result<usize, StoreError> {
        let identity = FileIdentity::of_std(source).map_err(|error| self.unreadable(error))?;
        let mut existing = Vec::with_capacity(blocks.len());
        for &(index, cv) in blocks {
            let len = self.block_len(index)?;
            if block_offset(index).saturating_add(len) <= identity.size {
                existing.push((index, cv));
            }
        }
        if sys::may_share_data(source, self.locked.file()) {
            self.copy_shared(source, &existing, keep_going)
        } else {
            self.copy_hashed(source, &existing, None, keep_going)
        }
    }

    /// Reads, hashes and writes block by block, with this number of threads or all cores.
    pub(super) fn copy_hashed(
        &self,
        source: &File,
        blocks: &[WantedBlock],
        threads: Option<NonZeroUsize>,
        keep_going: KeepGoing<'_>,
    ) -> Result<usize, StoreError> {
        let positioned = Positioned::default();
        let work = BlockWork::new(blocks, self.total_len(blocks));
        let copied =
            work.run(threads, BUFFER_BYTES, keep_going, |&(index, cv), buffer, advance| {
                match read_hashed((source, &positioned), self.size, index, buffer, advance) {
                    Ok(Some(found)) if found == cv => {}
                    Ok(Some(_)) => return Ok(Some(false)),
                    Ok(None) => return Ok(None),
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                        return Ok(Some(false));
                    }
                    Err(error) => return Err(self.unreadable(error)),
                }
                let len = usize::try_from(self.block_len(index)?).unwrap_or(BUFFER_BYTES);
                self.write_at(block_offset(index), buffer.get(..len).unwrap_or_default())?;
                self.stored(index, cv)?;
                Ok(Some(true))
            });
        let copied = copied?.ok_or_else(|| self.cancelled())?;
        Ok(copied.into_iter().filter(|&is_copied| is_copied).count())
    }

    /// Has the system copy, and hashes the copies.
    pub(super) fn copy_shared(
        &self,
        source: &File,
        blocks: &[WantedBlock],
        keep_going: KeepGoing<'_>,
    ) -> Result<usize, StoreError> {
        let (mut done, mut count) = (0, 0);
        for step in blocks.chunks(SHARED_STEP_BLOCKS) {
            let mut copied = Vec::with_capacity(step.len());
            for &(index, _) in step {
                let (offset, len) = (block_offset(index), self.block_len(index)?);
                self.forget_blocks(offset, len)?;
                let is_whole =
                    copy_range(source, self.locked.file(), &self.positioned, offset, len)
                        .map_err(|error| StoreError::io("write", self.data(), error))?;
                if is_whole {
                    copied.push(index);
                }
            }
            let mut keep_going = |hashed| keep_going(done + hashed);
            let cvs = hash_listed(self.locked.file(), self.size, &copied, None, &mut keep_going)
                .map_err(|error| StoreError::io("read", self.data(), error))?
                .ok_or_else(|| self.cancelled())?;
            for (index, found) in copied.into_iter().zip(cvs) {
                if step.contains(&(index, found)) {
                    self.stored(index, found)?;
                    count += 1;
                }
            }
            done += self.total_len(step);
        }
        Ok(count)
    }

    fn total_len(&self, blocks: &[WantedBlock]) -> u64 {
        blocks.iter().map(|&(index, _)| block_len(self.size, index)).sum()
    }

    /// The length of an existing block.
    fn block_len(&self, index: u64) -> Result<u64, StoreError> {
        match block_len(self.size, index) {
            0 => Err(self.beyond_the_end()),
            len => Ok(len),
        }
    }

    fn unreadable(&self, error: io::Error) -> StoreError {
        StoreError::io("read", &*self.name, error)
    }

    fn cancelled(&self) -> StoreError {
        StoreError::Cancelled { path: self.name.clone().into() }
    }
}
