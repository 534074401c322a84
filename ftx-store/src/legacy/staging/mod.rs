//! A file that grows until it is whole: data file and journal, in one directory.
//!
//! ```text
//!   create, adopt ──> growing ── publish ──> the file has its name, both of ours are gone
//!                     │  ^  └─── discard ──> both are gone
//!    suspend, drop or │  │ recover
//!    the process dies v  │
//!                     on the disk only
//! ```
//! While a staging lives, it holds a lock on its data file, so that no second one, here or in
//! another process, writes to the same. The lock goes with the process, never stale.

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

/// How many bytes lie between two points from which a staging can be gone on with, and so what
/// a crash costs at most, beyond the size of one write.
pub const CHECKPOINT_BYTES: u64 = 4 * 1024 * 1024;

/// A file on its way: created or adopted, written to, then published, discarded or suspended; what
/// was suspended, or left by a crash, is recovered.
///
/// While it lives it holds its files for itself. Dropping it leaves it on the disk as a crash would, but
/// for a sync under way: that is waited for, and noted if it fails.
#[derive(Debug)]
pub struct Staging {
    dir: Dir,
    files: StagingFiles,
    name: String,
    data: DataFile,
    /// How many bytes are in the data file.
    len: u64,
    /// Has taken in the first of them, not always all.
    hasher: PrefixHasher,
    journal: Option<Journal>,
    /// The length at the newest checkpoint.
    saved: u64,
    /// The length at which the next checkpoint is due.
    checkpoint_at: u64,
    flusher: Flusher,
    durability: Durability,
    boot: Option<BootId>,
    /// A sync failed: the kernel reports that once and then calls the lost pages clean.
    failed: bool,
    /// It holds a copy and nothing else, and no journal: going on from all of it would leave a
    /// sender with nothing to send, so it is not kept.
    only_copied: bool,
}

impl Staging {
    /// Starts an empty staging in `dir`; leftovers under the same names are overwritten.
    ///
    /// `name` is for the owner, who gets it back from [`recover`](Self::recover); at most 60 KiB.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another staging holds the files, [`StoreError::BadName`] when
    /// the names are not single components, and those of creating files.
    pub fn create(dir: &Dir, files: StagingFiles, name: &str) -> Result<Self, StoreError> {
        files.check()?;
        let data = DataFile::create(dir, &files)?;
        let dir = dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        Ok(Self::assemble(dir, files, name.to_owned(), data, PrefixHasher::new()))
    }

    /// Chooses what [`publish`](Self::publish) promises; [`Durability::Full`] if never chosen.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Starts the journal at once, not only when there is much to lose: on a disk that is full later
    /// it could not be started, and what had arrived by then would be lost.
    ///
    /// # Errors
    /// Those of creating and writing the journal.
    pub fn journalled(mut self) -> Result<Self, StoreError> {
        if self.journal.is_none() && !self.only_copied {
            self.checkpoint()?;
        }
        Ok(self)
    }

    /// Takes `boot` for the present kernel run. For tests, which cannot reboot.
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

    /// Appends `bytes`, all or nothing, for a caller who hashes them elsewhere at the same time and
    /// says so with [`hashed`](Self::hashed).
    ///
    /// # Errors
    /// Those of writing, after which the staging is as before and the same bytes can be tried
    /// again; and those of syncing, after which it only answers [`StoreError::Failed`] and must be
    /// dropped and [recovered](Self::recover).
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_not_failed()?;
        let synced = self.flusher.check();
        self.note_sync(synced)?;

        let written = self.data.append(self.len, bytes);
        written.map_err(|error| StoreError::io("write", &self.files.data, error))?;
        self.len += bytes.len() as u64;
        let copied = std::mem::take(&mut self.only_copied);
        if self.journal.is_none() && (copied || self.len >= CHECKPOINT_BYTES) {
            // Hashing may be far behind. From here on a crash does not lose what is written.
            self.checkpoint_or_warn();
        }

        if self.durability == Durability::Full {
            let synced = self.flusher.wrote(self.data.file(), bytes.len() as u64);
            self.note_sync(synced)?;
        }
        Ok(())
    }

    /// Takes note of what has been hashed of the bytes that were appended, and makes a checkpoint
    /// there if one is due.
    pub fn hashed(&mut self, hasher: PrefixHasher) {
        self.hasher = hasher;
        self.checkpoint_if_due();
    }

    /// Hashes what was appended and is not hashed yet, by reading it again. `keep_going` is called now and
    /// then with the bytes hashed so far; `false` when it said so.
    ///
    /// # Errors
    /// Those of reading.
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

    /// Goes back to the bytes that `hasher` has taken in, which are its first ones: what comes next
    /// goes behind these.
    ///
    /// A single byte beyond them, which is what is never offered, stays on the disk until the next
    /// one replaces it: if none comes, the staging is as it was, and what was offered of it is still
    /// not all of it.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it does not have so many, and those of cutting the data and of
    /// writing the journal anew.
    pub fn rewound(mut self, hasher: PrefixHasher) -> Result<Self, StoreError> {
        if hasher.len() > self.len {
            return Err(StoreError::Changed { path: self.name.clone().into() });
        }
        if hasher.len() + 1 == self.len && self.saved <= hasher.len() {
            self.data.cut_later();
            self.len = hasher.len();
            self.hasher = hasher;
        } else if hasher.len() < self.len {
            // Checkpoints beyond must not come back when the data grows again.
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

    /// The data, to be read from where hashing stopped, through a handle of its own.
    ///
    /// # Errors
    /// Those of opening the file again.
    pub fn reader(&self) -> Result<File, StoreError> {
        let mut file = self.open_data()?;
        file.seek(SeekFrom::Start(self.hasher.len()))
            .map_err(|error| StoreError::io("read", &self.files.data, error))?;
        Ok(file)
    }

    /// The data, to be read from its start, through a handle of its own.
    fn open_data(&self) -> Result<File, StoreError> {
        let opened = self.dir.open(&self.files.data);
        Ok(opened.map_err(|error| StoreError::io("read", &self.files.data, error))?.into_std())
    }

    /// Puts the staging away so that [`recover`](Self::recover) goes on exactly here. One that
    /// [holds nothing new](Self::holds_nothing_new) is discarded.
    ///
    /// # Errors
    /// Those of writing the journal and of a sync under way; what was journalled before stays.
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
    /// Those of removing files; a file that is gone already is no error.
    pub fn discard(mut self) -> Result<(), StoreError> {
        self.files.remove(&self.dir)?;
        self.flusher.forget();
        Ok(())
    }

    /// The name given when it was created.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no byte yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether nothing was ever appended to it, be it empty or a [copy](Self::adopt).
    #[must_use]
    pub fn holds_nothing_new(&self) -> bool {
        self.is_empty() || self.only_copied
    }

    /// The digest of the bytes that are hashed so far.
    #[must_use]
    pub fn digest(&self) -> Md5Digest {
        self.hasher.digest()
    }

    /// The hasher of the bytes so far: of all that were [written](Self::write), and of those that
    /// were [appended](Self::append) as far as they were said to be [hashed](Self::hashed).
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
        // It would say of bytes that may be lost that they are there.
        self.check_not_failed()?;
        let boot = cache_epoch(self.boot, self.data.file());
        let record = JournalRecord::Checkpoint { boot, hasher: self.hasher.save() };
        match &mut self.journal {
            Some(journal) => journal.append(&record)?,
            None => {
                let mut journal = Journal::create(&self.dir, &self.files.journal)?;
                journal.append(&JournalRecord::Begin {
                    name: self.name.clone(),
                    boot,
                    created_unix: sys::unix_now(),
                })?;
                journal.append(&record)?;
                self.journal = Some(journal);
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

    /// Without a checkpoint the transfer itself is still right, so it goes on.
    fn checkpoint_or_warn(&mut self) {
        self.checkpoint_at = self.hasher.len().saturating_add(CHECKPOINT_BYTES);
        if self.failed || self.holds_nothing_new() {
            return;
        }
        if let Err(error) = self.checkpoint() {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, name = self.name, "a crash would now cost more to resume");
        }
    }

    fn check_not_failed(&self) -> Result<(), StoreError> {
        if self.failed { Err(StoreError::Failed { path: self.files.data.clone() }) } else { Ok(()) }
    }

    /// After a failed sync nothing in memory tells what is on the disk.
    fn note_sync(&mut self, synced: io::Result<()>) -> Result<(), StoreError> {
        let Err(error) = synced else { return Ok(()) };
        self.failed = true;
        self.files.distrust(&self.dir, self.journal.as_mut())?;
        Err(StoreError::io("sync", &self.files.data, error))
    }
}

impl Drop for Staging {
    /// The kernel tells once that a sync has failed: what nobody heard of would be believed by the next
    /// one who goes on with the staging.
    fn drop(&mut self) {
        let synced = self.flusher.wait();
        if let Err(error) = self.note_sync(synced) {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, name = self.name, "what was written last may be lost");
        }
    }
}
