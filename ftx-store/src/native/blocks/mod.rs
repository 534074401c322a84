//! A file that grows in any order of blocks until it is whole: data file and journal.
//!
//! ```text
//!   create ──> growing ── publish ──> the file has its name, both of ours are gone
//!              │  ^  └─── discard ──> both are gone
//!  suspend,    │  │ recover
//!  drop, crash v  │
//!              on the disk only
//! ```
//! Several threads may write to one staging at once, each to blocks of its own. The order of effects
//! is what makes a crash harmless: a block that is known is forgotten in the journal before its bytes
//! change, and it is known again when they have.
//!
//! The data file has its length only when it is published. Until then what lies between the blocks
//! that arrived are holes, which take no space.

mod copy;
mod hash;
mod log;
mod publish;
mod recover;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, PartialManifest, block_len, block_offset};

pub use self::copy::CopySource;
pub use self::hash::hash_blocks;
use self::log::BlockLog;
pub use self::publish::PublishedBlocks;
pub use self::recover::Recovered;
use crate::file::positioned::Positioned;
use crate::staging::cache_epoch::cache_epoch;
use crate::staging::locked_file::LockedFile;
use crate::{
    BootId, Durability, Journal, JournalRecord, StagedPrefix, StagingFiles, StoreError, sys,
};

/// A file on its way, block by block: created, written to, then published, discarded or suspended;
/// what was suspended, or left by a crash, is recovered.
///
/// While it lives it holds its files for itself. Dropping it leaves it on the disk as a crash would, but
/// for a sync under way: that is waited for, and noted if it fails.
///
/// Whoever shares one must see to it that no two write to one block at a time, and that nobody
/// writes any more when it is published: the lock that it is taken out of does for both.
#[derive(Debug)]
pub struct BlockStaging {
    /// Dropped before the data file is let go of, since it may have to note something.
    log: BlockLog,
    name: String,
    size: u64,
    held: LockedFile,
    positioned: Positioned,
    durability: Durability,
}

impl BlockStaging {
    /// Starts an empty staging of a file of `size` bytes in `dir`; leftovers under the same names
    /// are overwritten.
    ///
    /// `name` is for the owner, who gets it back from [`recover`](Self::recover); at most 60 KiB.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another staging holds the files, [`StoreError::BadName`] when
    /// the names are not single components, and those of creating and writing files.
    pub fn create(
        dir: &Dir,
        files: StagingFiles,
        name: &str,
        size: u64,
    ) -> Result<Self, StoreError> {
        Self::create_with(dir, files, name, size, BootId::current())
    }

    /// As [`create`](Self::create), with `boot` for the present kernel run. For tests, which cannot
    /// reboot.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_with(
        dir: &Dir,
        files: StagingFiles,
        name: &str,
        size: u64,
        boot: Option<BootId>,
    ) -> Result<Self, StoreError> {
        files.check()?;
        let held = LockedFile::create(dir, &files.data, &files.journal)?;
        let mut journal = Journal::create(dir, &files.journal)?;
        let (boot, created_unix) = (cache_epoch(boot, held.file()), sys::unix_now());
        journal.append(&JournalRecord::Blocks {
            name: name.to_owned(),
            size,
            boot,
            created_unix,
        })?;
        let log = BlockLog::new(dir, files, journal, PartialManifest::new(size))?;
        Ok(Self::assemble(log, name.to_owned(), size, held))
    }

    /// Chooses what [`publish`](Self::publish) promises; [`Durability::Full`] if never chosen.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Writes `bytes` at `offset`, of one block or of several. Blocks that are known are forgotten
    /// first, so whoever writes says anew that they are [stored](Self::stored).
    ///
    /// # Errors
    /// Those of writing, after which the same bytes can be tried again; [`StoreError::Io`] for bytes
    /// beyond the end; [`StoreError::Failed`] after a failed sync.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.forget_blocks(offset, bytes.len() as u64)?;
        let written = self.positioned.write_all_at(self.held.file(), bytes, offset);
        written.map_err(|error| StoreError::io("write", self.data(), error))
    }

    /// Takes note that the bytes of block `index` are all written, and that `cv` is their chaining
    /// value. A crash of the process does not lose the block any more.
    ///
    /// # Errors
    /// Those of writing the journal, after which the block can be stored again; [`StoreError::Io`]
    /// for a block that the file does not have; and those of syncing, after which the staging only
    /// answers [`StoreError::Failed`] and must be dropped and [recovered](Self::recover).
    pub fn stored(&self, index: u64, cv: Cv) -> Result<(), StoreError> {
        let len = block_len(self.size, index);
        if len == 0 {
            return Err(self.beyond_the_end());
        }
        {
            let mut entries = self.log.entries()?;
            entries.journal.append(&JournalRecord::Block { index, cv })?;
            let _ = entries.block_map.set(index, cv);
        }
        match self.durability {
            Durability::Full => self.log.wrote(self.held.file(), len),
            Durability::None => Ok(()),
        }
    }

    /// The blocks that are stored now.
    #[must_use]
    pub fn block_map(&self) -> PartialManifest {
        self.log.any_entries().block_map.clone()
    }

    /// Whether bytes are being made durable in the background, so that whoever [stores](Self::stored)
    /// a block may have to wait for the disk.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.log.is_syncing()
    }

    /// The data, to be read from its start, through a handle of its own. Only the bytes of blocks
    /// that are [stored](Self::block_map) mean anything.
    ///
    /// # Errors
    /// Those of opening the file again.
    pub fn reader(&self) -> Result<File, StoreError> {
        let opened = self.log.dir().open(self.data());
        Ok(opened.map_err(|error| StoreError::io("open", self.data(), error))?.into_std())
    }

    /// Puts the staging away so that [`recover`](Self::recover) goes on exactly here. One without
    /// any block is discarded.
    ///
    /// # Errors
    /// Those of a sync under way, and of removing files.
    pub fn suspend(self) -> Result<(), StoreError> {
        if self.log.entries()?.block_map.known() == 0 {
            return self.discard();
        }
        self.log.finish_sync(|| Ok(()))
    }

    /// Removes both files.
    ///
    /// # Errors
    /// Those of removing files; a file that is gone already is no error.
    pub fn discard(self) -> Result<(), StoreError> {
        self.log.discard()
    }

    /// Reduces the staging to the blocks before the first gap, for a staging of bytes. `None` if there are
    /// none; then both files are removed.
    ///
    /// # Errors
    /// Those of removing files, and of a sync under way, after which nobody knows which bytes the disk
    /// holds.
    pub fn into_prefix(self) -> Result<Option<StagedPrefix>, StoreError> {
        let gap = self.block_map().missing().ranges().next().map(|range| range.first);
        let len = gap.map_or(self.size, block_offset);
        if len == 0 {
            self.discard()?;
            return Ok(None);
        }
        self.log.finish_sync(|| Ok(()))?;
        let dir = self.log.dir().try_clone();
        let dir = dir.map_err(|error| StoreError::io("open", ".", error))?;
        let (files, name, data) = (self.log.files().clone(), self.name, self.held);
        Ok(Some(StagedPrefix { dir, files, name, data, len }))
    }

    /// The name given when it was created.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes the whole file has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    fn assemble(log: BlockLog, name: String, size: u64, held: LockedFile) -> Self {
        let (positioned, durability) = (Positioned::default(), Durability::default());
        Self { log, name, size, held, positioned, durability }
    }

    fn data(&self) -> &Path {
        &self.log.files().data
    }

    /// Forgets the blocks that these bytes belong to, which are about to change.
    fn forget_blocks(&self, offset: u64, len: u64) -> Result<(), StoreError> {
        let Some(end) = offset.checked_add(len).filter(|&end| end <= self.size) else {
            return Err(self.beyond_the_end());
        };
        if len == 0 {
            return Ok(());
        }
        let mut entries = self.log.entries()?;
        for index in offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES) {
            if entries.block_map.get(index).is_some() {
                entries.journal.append(&JournalRecord::Forget { index })?;
                entries.block_map.forget(index);
            }
        }
        Ok(())
    }

    fn beyond_the_end(&self) -> StoreError {
        let text = format!("the file ends after {} bytes", self.size);
        let source = io::Error::new(ErrorKind::InvalidInput, text);
        StoreError::Io { op: "write", path: self.data().to_path_buf(), source }
    }
}
