//! The block log: a staging's known blocks, its journal, and the syncs that both rely on.
//!
//! The kernel reports a failed sync once, and then treats the lost pages as clean. So dropping a
//! staging, for any reason, waits for a sync under way: an unnoticed failure would make the next
//! recovery believe lost blocks.

use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use cap_std::fs::Dir;
use ftx_core::native::blocks::PartialManifest;

use crate::staging::flusher::Flusher;
use crate::{Journal, StagingFiles, StoreError};

/// The journal and the known blocks of a staging, and its background syncs.
#[derive(Debug)]
pub(super) struct BlockLog {
    dir: Dir,
    files: StagingFiles,
    pub(super) entries: Mutex<BlockEntries>,
    /// Separate from the entries, so that waiting for the disk does not hold up other writers.
    pub(super) flusher: Mutex<Flusher>,
}

/// The known blocks and their journal.
#[derive(Debug)]
pub(super) struct BlockEntries {
    pub(super) journal: Journal,
    pub(super) block_map: PartialManifest,
    /// A sync failed, so the known blocks may be lost.
    failed: bool,
}

impl BlockLog {
    /// Creates the log of the staging in `files`, whose journal records the blocks in `block_map`.
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

    /// Returns the entries, unless a sync has failed.
    pub(super) fn entries(&self) -> Result<MutexGuard<'_, BlockEntries>, StoreError> {
        let entries = self.any_entries();
        if entries.failed {
            return Err(StoreError::Failed { path: self.files.data.clone() });
        }
        Ok(entries)
    }

    /// Returns the entries, even after a failed sync.
    pub(super) fn any_entries(&self) -> MutexGuard<'_, BlockEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `bytes` more in `data`; syncs in the background when it is time.
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

    /// Waits for the sync under way, then runs `sync`.
    pub(super) fn finish_sync(
        &self,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let waited = self.flusher().wait();
        self.note_sync(waited.and_then(|()| sync()))
    }

    /// Records a failed sync: from then on, memory does not reflect the disk.
    pub(super) fn note_sync(&self, synced: io::Result<()>) -> Result<(), StoreError> {
        let Err(error) = synced else { return Ok(()) };
        let mut entries = self.any_entries();
        entries.failed = true;
        self.files.distrust(&self.dir, Some(&mut entries.journal))?;
        Err(StoreError::io("sync", &self.files.data, error))
    }

    /// Removes both files. The outcome of a sync under way no longer matters.
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
            tracing::warn!(%error, cause, "the latest writes may be lost");
        }
    }
}
