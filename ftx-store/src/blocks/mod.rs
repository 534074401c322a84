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
mod publish;
mod recover;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK, Cv, PartialManifest, block_len};

pub use self::copy::CopySource;
pub use self::hash::hash_blocks;
pub use self::publish::PublishedBlocks;
pub use self::recover::Recovered;
use crate::flush::Flusher;
use crate::held::HeldFile;
use crate::positioned::Positioned;
use crate::{BootId, Durability, Journal, Record, StagingFiles, StoreError, sys};

/// A file on its way, block by block: created, written to, then published, discarded or suspended;
/// what was suspended, or left by a crash, is recovered.
///
/// While it lives it holds its files for itself. Dropping it leaves it on the disk as a crash would.
///
/// Whoever shares one must see to it that no two write to one block at a time, and that nobody
/// writes any more when it is published: the lock that it is taken out of does for both.
#[derive(Debug)]
pub struct BlockStaging {
    dir: Dir,
    files: StagingFiles,
    name: String,
    size: u64,
    held: HeldFile,
    positioned: Positioned,
    log: Mutex<Log>,
    /// Apart from the log, so that whoever waits for the disk does not hold up the others' writes.
    flusher: Mutex<Flusher>,
    durability: Durability,
}

/// What is known of the data, and said in the journal.
#[derive(Debug)]
struct Log {
    journal: Journal,
    table: PartialManifest,
    /// A sync failed: the kernel reports that once and then calls the lost pages clean.
    failed: bool,
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
        let held = HeldFile::create(dir, &files.data, &files.journal)?;
        let mut journal = Journal::create(dir, &files.journal)?;
        let created_unix = sys::unix_now();
        journal.append(&Record::Blocks { name: name.to_owned(), size, boot, created_unix })?;
        let dir = dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        let table = PartialManifest::new(size);
        Ok(Self::assemble(dir, files, name.to_owned(), held, journal, table))
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
        self.give_up(offset, bytes.len() as u64)?;
        let written = self.positioned.write_all_at(self.held.file(), bytes, offset);
        written.map_err(|error| StoreError::io("write", &self.files.data, error))
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
            let mut log = self.log()?;
            log.journal.append(&Record::Block { index, cv })?;
            let _ = log.table.set(index, cv);
        }
        if self.durability == Durability::Full {
            let mut flusher = self.flusher.lock().unwrap_or_else(PoisonError::into_inner);
            let synced = flusher.check().and_then(|()| flusher.wrote(self.held.file(), len));
            drop(flusher);
            self.note_sync(synced)?;
        }
        Ok(())
    }

    /// The blocks that are stored now.
    #[must_use]
    pub fn table(&self) -> PartialManifest {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).table.clone()
    }

    /// Whether bytes are being made durable in the background, so that whoever [stores](Self::stored)
    /// a block may have to wait for the disk.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        match self.flusher.try_lock() {
            Ok(flusher) => flusher.is_busy(),
            Err(TryLockError::Poisoned(_)) => false,
            Err(TryLockError::WouldBlock) => true,
        }
    }

    /// The data, to be read from its start, through a handle of its own. Only the bytes of blocks
    /// that are [stored](Self::table) mean anything.
    ///
    /// # Errors
    /// Those of opening the file again.
    pub fn reader(&self) -> Result<File, StoreError> {
        let opened = self.dir.open(&self.files.data);
        Ok(opened.map_err(|error| StoreError::io("open", &self.files.data, error))?.into_std())
    }

    /// Puts the staging away so that [`recover`](Self::recover) goes on exactly here. One without
    /// any block is discarded.
    ///
    /// # Errors
    /// Those of a sync under way, and of removing files.
    pub fn suspend(self) -> Result<(), StoreError> {
        if self.log()?.table.known() == 0 {
            return self.discard();
        }
        self.finish_sync(|_| Ok(()))
    }

    /// Removes both files.
    ///
    /// # Errors
    /// Those of removing files; a file that is gone already is no error.
    pub fn discard(self) -> Result<(), StoreError> {
        self.files.remove(&self.dir)
    }

    /// What is on the disk of it, still held, for another kind of staging.
    pub(crate) fn into_parts(self) -> (Dir, StagingFiles, String, HeldFile) {
        (self.dir, self.files, self.name, self.held)
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

    fn assemble(
        dir: Dir,
        files: StagingFiles,
        name: String,
        held: HeldFile,
        journal: Journal,
        table: PartialManifest,
    ) -> Self {
        Self {
            dir,
            files,
            name,
            size: table.size(),
            held,
            positioned: Positioned::default(),
            log: Mutex::new(Log { journal, table, failed: false }),
            flusher: Mutex::default(),
            durability: Durability::default(),
        }
    }

    /// The log, unless nobody knows any more what it is worth.
    fn log(&self) -> Result<MutexGuard<'_, Log>, StoreError> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.failed {
            return Err(StoreError::Failed { path: self.files.data.clone() });
        }
        Ok(log)
    }

    /// Forgets the blocks that these bytes belong to, which are about to change.
    fn give_up(&self, offset: u64, len: u64) -> Result<(), StoreError> {
        let Some(end) = offset.checked_add(len).filter(|&end| end <= self.size) else {
            return Err(self.beyond_the_end());
        };
        if len == 0 {
            return Ok(());
        }
        let mut log = self.log()?;
        for index in offset / BLOCK..end.div_ceil(BLOCK) {
            if log.table.get(index).is_some() {
                log.journal.append(&Record::Forget { index })?;
                log.table.forget(index);
            }
        }
        Ok(())
    }

    /// Waits for the sync under way, then does what `sync` does.
    fn finish_sync(&self, sync: impl FnOnce(&File) -> io::Result<()>) -> Result<(), StoreError> {
        let waited = self.flusher.lock().unwrap_or_else(PoisonError::into_inner).wait();
        self.note_sync(waited.and_then(|()| sync(self.held.file())))
    }

    /// After a failed sync nothing in memory tells what is on the disk.
    fn note_sync(&self, synced: io::Result<()>) -> Result<(), StoreError> {
        let Err(error) = synced else { return Ok(()) };
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.failed = true;
        self.files.distrust(&self.dir, Some(&mut log.journal))?;
        Err(StoreError::io("sync", &self.files.data, error))
    }

    fn beyond_the_end(&self) -> StoreError {
        let text = format!("the file ends after {} bytes", self.size);
        let source = io::Error::new(ErrorKind::InvalidInput, text);
        StoreError::Io { op: "write", path: self.files.data.clone(), source }
    }
}
