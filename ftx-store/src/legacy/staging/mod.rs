//! A staging of bytes: a data file that grows at its end, and its journal, in one directory.
//!
//! ```text
//!   create, adopt ──> growing ── publish ──> the file has its name, both of ours are gone
//!                     │  ^  └─── discard ──> both are gone
//!    suspend, drop or │  │ recover
//!    the process dies v  │
//!                     on the disk only
//! ```
//! A living staging holds a lock on its data file, so that no other staging, here or in another
//! process, writes to it. The lock ends with the process, so it is never stale.

mod adopt;
mod data;
mod from_prefix;
mod publish;
mod recover;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};

use cap_std::fs::Dir;
use ftx_core::legacy::Md5Digest;

use self::data::DataFile;
pub use self::publish::PublishedStaging;
use crate::legacy::hash::hash_up_to;
use crate::staging::cache_epoch::cache_epoch;
use crate::staging::flusher::Flusher;
use crate::staging::private_file::remove;
use crate::{
    BootId, Durability, Journal, JournalRecord, PrefixHasher, StagingFiles, StoreError, sys,
};

/// The distance between checkpoints, and so the loss in a crash, apart from the size of one write.
pub const CHECKPOINT_BYTES: u64 = 4 * 1024 * 1024;

/// A file in transit: created or adopted, written to, then published, discarded or suspended. After
/// a suspension or a crash it is recovered.
///
/// While it lives it holds locks on its files. Dropping it leaves it on the disk as a crash would,
/// except that it waits for a sync under way and records a failure of it.
#[derive(Debug)]
pub struct PrefixStaging {
    dir: Dir,
    files: StagingFiles,
    name: String,
    data: DataFile,
    /// The number of bytes in the data file.
    len: u64,
    /// Has hashed the first of these bytes, not always all.
    hasher: PrefixHasher,
    journal: Option<Journal>,
    /// The length at the newest checkpoint.
    saved: u64,
    /// The length at which the next checkpoint is due.
    checkpoint_at: u64,
    flusher: Flusher,
    durability: Durability,
    boot: Option<BootId>,
    /// A sync failed: the kernel reports that once and then treats the lost pages as clean.
    failed: bool,
    /// It holds only a copy, without a journal. Resuming behind the whole copy would leave the
    /// sender with nothing to send, so it is not kept.
    only_copied: bool,
}

impl PrefixStaging {
    /// Starts an empty staging in `dir`, overwriting remains under the same names.
    ///
    /// [`recover`](Self::recover) returns `name` to the owner; it has at most 60 KiB.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another staging holds the files, [`StoreError::BadName`] when
    /// the names are not single components, and failures to create files.
    pub fn create(dir: &Dir, files: StagingFiles, name: &str) -> Result<Self, StoreError> {
        files.check()?;
        let data = DataFile::create(dir, &files)?;
        let dir = dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        Ok(Self::assemble(dir, files, name.to_owned(), data, PrefixHasher::new()))
    }

    /// Chooses the durability that [`publish`](Self::publish) guarantees; the default is
    /// [`Durability::Full`].
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Starts the journal at once, instead of at the first checkpoint: it could not be started
    /// later on a full disk, and the data received until then would be lost.
    ///
    /// # Errors
    /// Failures to create and write the journal.
    pub fn journalled(mut self) -> Result<Self, StoreError> {
        if self.journal.is_none() && !self.only_copied {
            self.checkpoint()?;
        }
        Ok(self)
    }

    /// Uses `boot` as the present kernel run. For tests, which cannot reboot.
    #[must_use]
    pub fn with_boot(mut self, boot: Option<BootId>) -> Self {
        self.boot = boot;
        self
    }

    /// Appends `bytes`, all or nothing, and hashes them.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.hasher.len() < self.len {
            self.catch_up(&mut |_| true)?;
        }
        self.append(bytes)?;
        self.hasher.update(bytes);
        self.checkpoint_if_due();
        Ok(())
    }

    /// Appends `bytes`, all or nothing, for a caller who hashes them concurrently and reports that
    /// with [`hashed`](Self::hashed).
    ///
    /// # Errors
    /// Failures to write, after which the staging is as before and the same bytes can be retried;
    /// and failures to sync, after which it returns only [`StoreError::Failed`] and must be dropped
    /// and [recovered](Self::recover).
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_not_failed()?;
        let synced = self.flusher.check();
        self.note_sync(synced)?;

        let written = self.data.append(self.len, bytes);
        written.map_err(|error| StoreError::io("write", &self.files.data, error))?;
        self.len += bytes.len() as u64;
        let copied = std::mem::take(&mut self.only_copied);
        if self.journal.is_none() && (copied || self.len >= CHECKPOINT_BYTES) {
            // Hashing may be far behind. From here on, a crash does not lose the written bytes.
            self.checkpoint_or_warn();
        }

        if self.durability == Durability::Full {
            let synced = self.flusher.wrote(self.data.file(), bytes.len() as u64);
            self.note_sync(synced)?;
        }
        Ok(())
    }

    /// Records how far the appended bytes are hashed, and writes a checkpoint there if one is due.
    pub fn hashed(&mut self, hasher: PrefixHasher) {
        self.hasher = hasher;
        self.checkpoint_if_due();
    }

    /// Hashes the appended bytes that are not hashed yet, by reading them again. Calls `keep_going`
    /// now and then with the bytes hashed so far; returns `false` when it does.
    ///
    /// # Errors
    /// Read errors.
    pub fn catch_up(
        &mut self,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<bool, StoreError> {
        self.catch_up_to(self.len, keep_going)
    }

    fn catch_up_to(
        &mut self,
        len: u64,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<bool, StoreError> {
        let mut file = self.reader()?;
        let mut hasher = self.hasher.clone();
        let done = hash_up_to(&mut hasher, &mut file, len, keep_going)
            .map_err(|error| StoreError::io("read", &self.files.data, error))?;
        self.hashed(hasher);
        Ok(done)
    }

    /// Goes back to the bytes hashed by `hasher`, which must be the first ones: the next bytes go
    /// behind these.
    ///
    /// A single byte beyond them, the one that is never offered, stays on the disk until the next
    /// byte replaces it. If none comes, the staging is unchanged, and the offered bytes are still
    /// not all of it.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it has fewer bytes, and failures to cut the data and to rewrite
    /// the journal.
    pub fn rewound(mut self, hasher: PrefixHasher) -> Result<Self, StoreError> {
        if hasher.len() > self.len {
            return Err(StoreError::Changed { path: self.name.clone().into() });
        }
        if hasher.len() + 1 == self.len && self.saved <= hasher.len() {
            self.data.cut_later();
            self.len = hasher.len();
            self.hasher = hasher;
        } else if hasher.len() < self.len {
            // Checkpoints beyond must not become valid again when the data grows.
            self.journal = None;
            remove(&self.dir, &self.files.journal)?;
            let cut = self.data.cut(hasher.len());
            cut.map_err(|error| StoreError::io("truncate", &self.files.data, error))?;
            self.len = hasher.len();
            self.hasher = hasher;
            self.checkpoint_or_warn();
        }
        Ok(self)
    }

    /// Opens the data for reading from where hashing stopped, with its own handle.
    ///
    /// # Errors
    /// Failures to open the file again.
    pub fn reader(&self) -> Result<File, StoreError> {
        let mut file = self.open_data()?;
        file.seek(SeekFrom::Start(self.hasher.len()))
            .map_err(|error| StoreError::io("read", &self.files.data, error))?;
        Ok(file)
    }

    /// Opens the data for reading from its start, with its own handle.
    fn open_data(&self) -> Result<File, StoreError> {
        let opened = self.dir.open(&self.files.data);
        Ok(opened.map_err(|error| StoreError::io("read", &self.files.data, error))?.into_std())
    }

    /// Suspends the staging, so that [`recover`](Self::recover) resumes exactly here. Discards it
    /// if it [holds nothing new](Self::holds_nothing_new).
    ///
    /// # Errors
    /// Failures to write the journal, and of a sync under way; earlier records stay.
    pub fn suspend(mut self) -> Result<(), StoreError> {
        self.check_not_failed()?;
        if self.holds_nothing_new() {
            return self.discard();
        }
        let synced = self.flusher.wait();
        self.note_sync(synced)?;
        let told = self.journal.is_some() && self.saved == self.hasher.len();
        if told { Ok(()) } else { self.checkpoint() }
    }

    /// Removes both files.
    ///
    /// # Errors
    /// Failures to remove them; a missing file is no error.
    pub fn discard(mut self) -> Result<(), StoreError> {
        self.files.remove(&self.dir)?;
        self.flusher.forget();
        Ok(())
    }

    /// Returns the name given at creation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of bytes it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no byte yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether nothing was ever appended: it is empty or a [copy](Self::adopt).
    #[must_use]
    pub fn holds_nothing_new(&self) -> bool {
        self.is_empty() || self.only_copied
    }

    /// Returns the digest of the bytes hashed so far.
    #[must_use]
    pub fn digest(&self) -> Md5Digest {
        self.hasher.digest()
    }

    /// Returns the hasher of the bytes so far: of all [written](Self::write) ones, and of the
    /// [appended](Self::append) ones as far as they were reported as [hashed](Self::hashed).
    #[must_use]
    pub fn hasher(&self) -> &PrefixHasher {
        &self.hasher
    }

    fn assemble(
        dir: Dir,
        files: StagingFiles,
        name: String,
        data: DataFile,
        hasher: PrefixHasher,
    ) -> Self {
        Self {
            saved: 0,
            len: hasher.len(),
            checkpoint_at: hasher.len().saturating_add(CHECKPOINT_BYTES),
            dir,
            files,
            name,
            data,
            hasher,
            journal: None,
            flusher: Flusher::default(),
            durability: Durability::default(),
            boot: BootId::current(),
            failed: false,
            only_copied: false,
        }
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        // It would claim bytes that may be lost.
        self.check_not_failed()?;
        let boot = cache_epoch(self.boot, self.data.file());
        let record = JournalRecord::Checkpoint { boot, hasher: self.hasher.save() };
        match &mut self.journal {
            Some(journal) => journal.append(&record)?,
            None => {
                let name = self.name.clone();
                let begin = JournalRecord::Begin { name, boot, created_unix: sys::unix_now() };
                let records = [begin, record];
                self.journal = Some(Journal::begin(&self.dir, &self.files.journal, &records)?);
            }
        }
        self.saved = self.hasher.len();
        Ok(())
    }

    fn checkpoint_if_due(&mut self) {
        if self.hasher.len() >= self.checkpoint_at {
            self.checkpoint_or_warn();
        }
    }

    /// The transfer is correct without a checkpoint, so it continues.
    fn checkpoint_or_warn(&mut self) {
        self.checkpoint_at = self.hasher.len().saturating_add(CHECKPOINT_BYTES);
        if self.failed || self.holds_nothing_new() {
            return;
        }
        if let Err(error) = self.checkpoint() {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, name = self.name, "the journal cannot be written; resuming after a crash would cost more");
        }
    }

    fn check_not_failed(&self) -> Result<(), StoreError> {
        if self.failed { Err(StoreError::Failed { path: self.files.data.clone() }) } else { Ok(()) }
    }

    /// Records a failed sync: from then on, memory does not reflect the disk.
    fn note_sync(&mut self, synced: io::Result<()>) -> Result<(), StoreError> {
        let Err(error) = synced else { return Ok(()) };
        self.failed = true;
        self.files.distrust(&self.dir, self.journal.as_mut())?;
        Err(StoreError::io("sync", &self.files.data, error))
    }
}

impl Drop for PrefixStaging {
    /// The kernel reports a failed sync once: an unnoticed failure would make the next recovery
    /// believe lost bytes.
    fn drop(&mut self) {
        let synced = self.flusher.wait();
        if let Err(error) = self.note_sync(synced) {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, name = self.name, "the latest writes may be lost");
        }
    }
}
