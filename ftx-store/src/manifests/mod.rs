//! What is known of the blocks of files, by the files' identity, so that they need not be read again.
//!
//! In memory lie complete and partial manifests, those that were asked for last; on the disk lie those
//! of files of more than a block that are complete or were handed in as a whole. Nothing here is needed for anything to be right:
//! whatever is lost, or could not be written, is found out again by reading the file.
//!
//! # Files that have only just changed
//! A file system tells the time in ticks, so a write in the same tick as the one before changes
//! neither time nor, if it is of the same length, anything else of the identity. What was read
//! between the two would be taken for the contents ever after. Version control systems know this of
//! their index, and compare the contents of a file again whose time is not older than the index.
//! Here such knowledge is worth nothing then, so it is not taken in to begin with: what is learned
//! must have been read a tick or more after the file changed last.

mod disk;
mod memory;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK, Cv, Manifest, PartialManifest};

use self::disk::Disk;
use self::memory::{Entry, Memory};
use crate::{FileIdentity, StoreError};

/// How much a [`ManifestCache`] may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestLimits {
    /// Files in memory.
    pub entries: usize,
    /// Bytes that the chaining values in memory take, roughly.
    pub bytes: usize,
    /// Manifests on the disk.
    pub files: usize,
}

impl Default for ManifestLimits {
    /// 16,384 files with 64 MiB, which is 2 TiB of contents, and as many on the disk.
    fn default() -> Self {
        Self { entries: 16_384, bytes: 64 << 20, files: 16_384 }
    }
}

/// Chaining values of blocks by the identity of their file. All methods may be called by several
/// threads at once.
#[derive(Debug)]
pub struct ManifestCache {
    memory: Mutex<Memory>,
    disk: Option<Disk>,
}

impl ManifestCache {
    /// An empty one that lives as long as the process.
    #[must_use]
    pub fn in_memory(limits: ManifestLimits) -> Self {
        Self { memory: Mutex::new(Memory::new(limits)), disk: None }
    }

    /// One that keeps manifests in `dir`, too, where nothing else may lie, and knows those that
    /// are there.
    ///
    /// # Errors
    /// Those of duplicating the handle and of reading the directory.
    pub fn in_dir(dir: &Dir, limits: ManifestLimits) -> Result<Self, StoreError> {
        let disk = Disk::open(dir, limits.files)
            .map_err(|error| StoreError::io("read", "manifests", error))?;
        Ok(Self { disk: Some(disk), ..Self::in_memory(limits) })
    }

    /// Takes note of the chaining value `cv` of block `index` of the file that had this identity
    /// before and after the block was read; `read_since` is a moment before the reading began.
    ///
    /// What was read too soon after the file changed is not taken in, nor is a block that such a
    /// file does not have.
    pub fn learn(&self, identity: &FileIdentity, index: u64, cv: Cv, read_since: SystemTime) {
        if !identity.is_settled(read_since) {
            return;
        }
        let completed = self.memory().learn(identity, index, cv);
        if let Some(manifest) = completed {
            self.keep(identity, &Entry::Whole(manifest));
        }
    }

    /// As [`learn`](Self::learn), for all blocks at once. Nothing is taken in of a manifest whose
    /// size is not that of the file.
    ///
    /// For a file that was just published, `read_since` is the present: nobody else could write to
    /// it before. If it was given a time of long ago, a write shows by that, and it is taken in.
    pub fn learn_all(
        &self,
        identity: &FileIdentity,
        manifest: &Arc<Manifest>,
        read_since: SystemTime,
    ) {
        if manifest.size() != identity.size || !identity.is_settled(read_since) {
            return;
        }
        let entry = Entry::Whole(Arc::clone(manifest));
        self.keep(identity, &entry);
        self.memory().put(identity, entry);
    }

    /// As [`learn_all`](Self::learn_all), for what is known of a file that is not read to its end, in
    /// place of what was known before, unless that was everything. It is kept on the disk, too, so do it
    /// now and then only.
    pub fn learn_part(
        &self,
        identity: &FileIdentity,
        partial: PartialManifest,
        read_since: SystemTime,
    ) {
        if let Some(manifest) = partial.complete() {
            return self.learn_all(identity, &Arc::new(manifest), read_since);
        }
        if partial.size() != identity.size || !identity.is_settled(read_since) {
            return;
        }
        if matches!(self.memory().get(identity), Some(Entry::Whole(_))) {
            return;
        }
        let entry = Entry::Part(partial);
        self.keep(identity, &entry);
        self.memory().put(identity, entry);
    }

    /// The manifest of the file of this identity, if all its blocks are known.
    #[must_use]
    pub fn manifest(&self, identity: &FileIdentity) -> Option<Arc<Manifest>> {
        match self.memory().get(identity) {
            Some(Entry::Whole(manifest)) => return Some(Arc::clone(manifest)),
            Some(Entry::Part(_)) => return None,
            None => {}
        }
        match self.load(identity)? {
            Entry::Whole(manifest) => Some(manifest),
            Entry::Part(_) => None,
        }
    }

    /// What is known of the blocks of the file of this identity, which may be nothing.
    #[must_use]
    pub fn partial(&self, identity: &FileIdentity) -> PartialManifest {
        let known = self.memory().get(identity).cloned();
        match known.or_else(|| self.load(identity)) {
            Some(Entry::Part(partial)) => partial,
            Some(Entry::Whole(manifest)) => PartialManifest::from(&*manifest),
            None => PartialManifest::new(identity.size),
        }
    }

    /// Gives up what is known of the file of this identity, which is no more.
    pub fn forget(&self, identity: &FileIdentity) {
        self.memory().remove(identity);
        if let Some(disk) = self.disk.as_ref().filter(|_| is_kept(identity)) {
            disk.remove(identity);
        }
    }

    /// What the disk has. Not under the lock of the memory: others need not wait for the disk.
    fn load(&self, identity: &FileIdentity) -> Option<Entry> {
        let disk = self.disk.as_ref().filter(|_| is_kept(identity))?;
        let entry = disk.load(identity)?;
        self.memory().put(identity, entry.clone());
        Some(entry)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, identity: &FileIdentity, entry: &Entry) {
        if let Some(disk) = self.disk.as_ref().filter(|_| is_kept(identity)) {
            disk.store(identity, entry);
        }
    }
}

/// Reading one block takes less time than finding out where its chaining value lies.
fn is_kept(identity: &FileIdentity) -> bool {
    identity.size > BLOCK
}
