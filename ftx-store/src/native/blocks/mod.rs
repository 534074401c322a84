//! A staging of blocks: a data file that grows in any order of blocks, and its journal.
//!
//! ```text
//!   create ──> growing ── publish ──> the file has its name, both of ours are gone
//!              │  ^  └─── discard ──> both are gone
//!  suspend,    │  │ recover
//!  drop, crash v  │
//!              on the disk only
//! ```
//! Several threads may write to one staging at once, each to its own blocks. The order of effects
//! makes a crash harmless: the journal forgets a known block before its bytes change, and records
//! it again afterwards.
//!
//! The data file gets its length only when it is published. Until then the gaps between the blocks
//! are holes, which take no space.

mod copy;
mod hash;
mod log;
mod publish;
mod recover;
#[cfg(test)]
mod tests;
mod work;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, PartialManifest, block_len, block_offset};

pub use self::hash::hash_blocks;
use self::log::BlockLog;
pub use self::publish::PublishedBlocks;
pub use self::recover::{Recovered, StagingPurpose};
use crate::file::positioned::Positioned;
use crate::staging::cache_epoch::cache_epoch;
use crate::staging::locked_file::LockedFile;
use crate::{
    BootId, Durability, Journal, JournalRecord, StagedPrefix, StagingFiles, StoreError, sys,
};

/// A file in transit, block by block: created, written to, then published, discarded or suspended.
/// After a suspension or a crash it is recovered.
///
/// While it lives it holds locks on its files. Dropping it leaves it on the disk as a crash would,
/// except that it waits for a sync under way and records a failure of it.
///
/// Users who share one must ensure that no two write to one block at a time, and that no one writes
/// while it is published. Keeping it behind a read-write lock ensures both.
#[derive(Debug)]
pub struct BlockStaging {
    /// Dropped before the data file is unlocked, since it may have to write to the journal.
    log: BlockLog,
    name: String,
    size: u64,
    locked: LockedFile,
    positioned: Positioned,
    /// Held while bytes are written. The system lets one thread at a time write to a file anyway, but
    /// has the others spin, and the processor is needed.
    writing: Mutex<()>,
    durability: Durability,
}

impl BlockStaging {
    /// Starts an empty staging of a file of `size` bytes in `dir`, overwriting remains under the
    /// same names.
    ///
    /// [`recover`](Self::recover) returns `name` to the owner; it has at most 60 KiB.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another staging holds the files, [`StoreError::BadName`] when
    /// the names are not single components, and failures to create and write files.
    pub fn create(
        dir: &Dir,
        files: StagingFiles,
        name: &str,
        size: u64,
    ) -> Result<Self, StoreError> {
        Self::create_with(dir, files, name, size, BootId::current())
    }

    /// As [`create`](Self::create), with `boot` as the present kernel run. For tests, which cannot
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
        let purpose = StagingPurpose { name: name.to_owned(), principal: None };
        Self::create_purposed(dir, files, purpose, size, boot)
    }

    /// As [`create`](Self::create), for a principal of a server, which
    /// [`purpose_of`](Self::purpose_of) returns.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_for(
        dir: &Dir,
        files: StagingFiles,
        purpose: StagingPurpose,
        size: u64,
    ) -> Result<Self, StoreError> {
        Self::create_purposed(dir, files, purpose, size, BootId::current())
    }

    fn create_purposed(
        dir: &Dir,
        files: StagingFiles,
        purpose: StagingPurpose,
        size: u64,
        boot: Option<BootId>,
    ) -> Result<Self, StoreError> {
        files.check()?;
        let locked = LockedFile::create(dir, &files.data, &files.journal)?;
        let (name, epoch) = (purpose.name.clone(), cache_epoch(boot, locked.file()));
        match Self::begin_journal(dir, &files, purpose, size, epoch) {
            Ok(journal) => {
                let log = BlockLog::new(dir, files, journal, PartialManifest::new(size))?;
                Ok(Self::assemble(log, name, size, locked))
            }
            Err(error) => {
                // Still under the lock. Without a journal nobody would take the data for a staging.
                let _ = files.remove(dir);
                Err(error)
            }
        }
    }

    fn begin_journal(
        dir: &Dir,
        files: &StagingFiles,
        StagingPurpose { name, principal }: StagingPurpose,
        size: u64,
        boot: Option<BootId>,
    ) -> Result<Journal, StoreError> {
        let created_unix = sys::unix_now();
        // One record, so that no crash leaves the staging without its principal.
        let record = match principal {
            None => JournalRecord::Blocks { name, size, boot, created_unix },
            Some(principal) => {
                JournalRecord::OwnedBlocks { name, size, boot, created_unix, principal }
            }
        };
        Journal::begin(dir, &files.journal, &[record])
    }

    /// Chooses the durability that [`publish`](Self::publish) guarantees; the default is
    /// [`Durability::Full`].
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Writes `bytes` at `offset`, to one block or several. Known blocks are forgotten first, so
    /// the writer must mark them as [stored](Self::stored) again.
    ///
    /// # Errors
    /// Failures to write, after which the same bytes can be retried; [`StoreError::Io`] for bytes
    /// beyond the end; [`StoreError::Failed`] after a failed sync.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.forget_blocks(offset, bytes.len() as u64)?;
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.positioned.write_all_at(self.locked.file(), bytes, offset);
        written.map_err(|error| StoreError::io("write", self.data(), error))
    }

    /// Records that all bytes of block `index` are written, and that `cv` is their chaining value.
    /// From then on the block survives a crash of the process.
    ///
    /// # Errors
    /// Failures to write the journal, after which the block can be stored again; [`StoreError::Io`]
    /// for a block that the file does not have; and failures to sync, after which the staging
    /// returns only [`StoreError::Failed`] and must be dropped and [recovered](Self::recover).
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
            Durability::Full => self.log.wrote(self.locked.file(), len),
            Durability::None => Ok(()),
        }
    }

    /// Returns the blocks stored so far.
    #[must_use]
    pub fn block_map(&self) -> PartialManifest {
        self.log.any_entries().block_map.clone()
    }

    /// Whether a background sync is under way, so that [storing](Self::stored) a block may have to
    /// wait for the disk.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.log.is_syncing()
    }

    /// Opens the data for reading from its start, with its own handle. Only the bytes of
    /// [stored](Self::block_map) blocks are meaningful.
    ///
    /// # Errors
    /// Failures to open the file again.
    pub fn reader(&self) -> Result<File, StoreError> {
        let opened = self.log.dir().open(self.data());
        Ok(opened.map_err(|error| StoreError::io("open", self.data(), error))?.into_std())
    }

    /// Suspends the staging, so that [`recover`](Self::recover) resumes exactly here. Discards it
    /// if it has no block.
    ///
    /// # Errors
    /// Failures of a sync under way, and to remove files.
    pub fn suspend(self) -> Result<(), StoreError> {
        if self.log.entries()?.block_map.known() == 0 {
            return self.discard();
        }
        self.log.finish_sync(|| Ok(()))
    }

    /// Removes both files.
    ///
    /// # Errors
    /// Failures to remove them; a missing file is no error.
    pub fn discard(self) -> Result<(), StoreError> {
        self.log.discard()
    }

    /// Reduces the staging to the blocks before the first gap, for a staging of bytes. `None` if
    /// there are none; then both files are removed.
    ///
    /// # Errors
    /// Failures to remove files, and of a sync under way, after which the disk's contents are
    /// unknown.
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
        let (files, name, data) = (self.log.files().clone(), self.name, self.locked);
        Ok(Some(StagedPrefix { dir, files, name, data, len }))
    }

    /// Returns the name given at creation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the size of the whole file in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    fn assemble(log: BlockLog, name: String, size: u64, locked: LockedFile) -> Self {
        let (positioned, durability) = (Positioned::default(), Durability::default());
        Self { log, name, size, locked, positioned, writing: Mutex::default(), durability }
    }

    fn data(&self) -> &Path {
        &self.log.files().data
    }

    /// Forgets the blocks that contain these bytes, which are about to change.
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
