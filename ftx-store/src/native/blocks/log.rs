//! What is known of a staging's data, and said in its journal; and the syncs that this rests on.
//!
//! The kernel tells once that a sync has failed, and then calls the lost pages clean. So whoever drops
//! a staging, however that comes about, waits here for a sync under way: what nobody heard of would be
//! believed by the next one.

use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use cap_std::fs::Dir;
use ftx_core::native::blocks::PartialManifest;

use crate::staging::flusher::Flusher;
use crate::{Journal, StagingFiles, StoreError};

/// The journal and the table of a staging, and its syncs in the background.
#[derive(Debug)]
pub(super) struct BlockLog {
    dir: Dir,
    files: StagingFiles,
    pub(super) entries: Mutex<BlockEntries>,
    /// Apart from the entries, so that whoever waits for the disk does not hold up the others' writes.
    pub(super) flusher: Mutex<Flusher>,
}

/// What is known of the data.
#[derive(Debug)]
pub(super) struct BlockEntries {
    pub(super) journal: Journal,
    pub(super) block_map: PartialManifest,
    /// A sync failed: nobody knows any more what the rest is worth.
    failed: bool,
}

impl BlockLog {
    /// That of the staging in `files`, of whose data the journal tells what `table` holds.
    pub(super) fn new(
        dir: &Dir,
        files: StagingFiles,
        journal: Journal,
        block_map: PartialManifest,
    ) -> Result<Self, StoreError> {
        let dir = dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        let entries = Mutex::new(BlockEntries { journal, block_map, failed: false });
        Ok(Self { dir, files, entries, flusher: Mutex::default() })
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn files(&self) -> &StagingFiles {
        &self.files
    }

    /// The entries, unless nobody knows any more what they are worth.
    pub(super) fn entries(&self) -> Result<MutexGuard<'_, BlockEntries>, StoreError> {
        let entries = self.any_entries();
        if entries.failed {
            return Err(StoreError::Failed { path: self.files.data.clone() });
        }
        Ok(entries)
    }

    /// The entries, whatever they are worth.
    pub(super) fn any_entries(&self) -> MutexGuard<'_, BlockEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of `bytes` more in `data`; syncs in the background when it is time.
    pub(super) fn wrote(&self, data: &File, bytes: u64) -> Result<(), StoreError> {
        let synced = {
            let mut flusher = self.flusher();
            flusher.check().and_then(|()| flusher.wrote(data, bytes))
        };
        self.note_sync(synced)
    }

    /// Whether a sync is under way.
    pub(super) fn is_syncing(&self) -> bool {
        match self.flusher.try_lock() {
            Ok(flusher) => flusher.is_busy(),
            Err(TryLockError::Poisoned(_)) => false,
            Err(TryLockError::WouldBlock) => true,
        }
    }

    /// Waits for the sync under way, then does what `sync` does.
    pub(super) fn finish_sync(
        &self,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let waited = self.flusher().wait();
        self.note_sync(waited.and_then(|()| sync()))
    }

    /// After a failed sync nothing in memory tells what is on the disk.
    pub(super) fn note_sync(&self, synced: io::Result<()>) -> Result<(), StoreError> {
        let Err(error) = synced else { return Ok(()) };
        let mut entries = self.any_entries();
        entries.failed = true;
        self.files.distrust(&self.dir, Some(&mut entries.journal))?;
        Err(StoreError::io("sync", &self.files.data, error))
    }

    /// Removes both files. What becomes of a sync under way is of no concern then.
    pub(super) fn discard(&self) -> Result<(), StoreError> {
        self.files.remove(&self.dir)?;
        self.flusher().forget();
        Ok(())
    }

    fn flusher(&self) -> MutexGuard<'_, Flusher> {
        self.flusher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for BlockLog {
    fn drop(&mut self) {
        if let Err(error) = self.finish_sync(|| Ok(())) {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "what was written last may be lost");
        }
    }
}
