//! What is known of the blocks of files, by the files' identity, so that they need not be read again.
//!
//! In memory lie complete and partial manifests, those that were asked for last; on the disk lie those
//! of files of more than a block that are complete or were handed in as a whole. Nothing here is needed for anything to be right:
//! whatever is lost, or could not be written, is found out again by reading the file.
//!
//! What is learned of a file is kept by its [stable identity](StableIdentity), so a file that could change
//! without showing it is never taken in.

mod disk;
mod memory;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, Manifest, PartialManifest};

use self::disk::ManifestFiles;
use self::memory::{CachedManifest, ManifestMemory};
use crate::{FileIdentity, StableIdentity, StoreError};

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
    memory: Mutex<ManifestMemory>,
    disk: Option<ManifestFiles>,
    /// How often something was dropped on request.
    forgotten: AtomicU64,
}

impl ManifestCache {
    /// An empty one that lives as long as the process.
    #[must_use]
    pub fn in_memory(limits: ManifestLimits) -> Self {
        let forgotten = AtomicU64::new(0);
        Self { memory: Mutex::new(ManifestMemory::new(limits)), disk: None, forgotten }
    }

    /// One that keeps manifests in `dir`, too, where nothing else may lie, and knows those that
    /// are there.
    ///
    /// # Errors
    /// Those of duplicating the handle and of reading the directory.
    pub fn in_dir(dir: &Dir, limits: ManifestLimits) -> Result<Self, StoreError> {
        let disk = ManifestFiles::open(dir, limits.files)
            .map_err(|error| StoreError::io("read", "manifests", error))?;
        Ok(Self { disk: Some(disk), ..Self::in_memory(limits) })
    }

    /// Takes note of the chaining value `cv` of block `index`. A block that such a file does not have is
    /// not taken in.
    pub fn learn(&self, stable: &StableIdentity, index: u64, cv: Cv) {
        let identity = stable.identity();
        let completed = self.memory().learn(identity, index, cv);
        if let Some(manifest) = completed {
            self.keep(identity, &CachedManifest::Whole(manifest));
        }
    }

    /// As [`learn`](Self::learn), for all blocks at once. Nothing is taken in of a manifest whose
    /// size is not that of the file.
    pub fn learn_all(&self, stable: &StableIdentity, manifest: &Arc<Manifest>) {
        let identity = stable.identity();
        if manifest.size() != identity.size {
            return;
        }
        let entry = CachedManifest::Whole(Arc::clone(manifest));
        self.keep(identity, &entry);
        self.memory().put(identity, entry);
    }

    /// As [`learn_all`](Self::learn_all), for what is known of a file that is not read to its end, in
    /// place of what was known before, unless that was everything. It is written to the disk, too, so
    /// call it seldom.
    pub fn learn_part(&self, stable: &StableIdentity, partial: PartialManifest) {
        if let Some(manifest) = partial.complete() {
            return self.learn_all(stable, &Arc::new(manifest));
        }
        let identity = stable.identity();
        if partial.size() != identity.size {
            return;
        }
        if matches!(self.memory().get(identity), Some(CachedManifest::Whole(_))) {
            return;
        }
        let entry = CachedManifest::Part(partial);
        self.keep(identity, &entry);
        self.memory().put(identity, entry);
    }

    /// The manifest of the file of this identity, if all its blocks are known.
    #[must_use]
    pub fn manifest(&self, identity: &FileIdentity) -> Option<Arc<Manifest>> {
        match self.memory().get(identity) {
            Some(CachedManifest::Whole(manifest)) => return Some(Arc::clone(manifest)),
            Some(CachedManifest::Part(_)) => return None,
            None => {}
        }
        match self.load(identity)? {
            CachedManifest::Whole(manifest) => Some(manifest),
            CachedManifest::Part(_) => None,
        }
    }

    /// What is known of the blocks of the file of this identity, which may be nothing.
    #[must_use]
    pub fn partial(&self, identity: &FileIdentity) -> PartialManifest {
        let known = self.memory().get(identity).cloned();
        match known.or_else(|| self.load(identity)) {
            Some(CachedManifest::Part(partial)) => partial,
            Some(CachedManifest::Whole(manifest)) => PartialManifest::from(&*manifest),
            None => PartialManifest::new(identity.size),
        }
    }

    /// Drops what is known of the file of this identity: the file is no more, or was found to be another
    /// than it is known to be.
    pub fn forget(&self, identity: &FileIdentity) {
        self.memory().remove(identity);
        if let Some(disk) = self.disk.as_ref().filter(|_| is_kept(identity)) {
            disk.remove(identity);
        }
        self.forgotten.fetch_add(1, Ordering::Release);
    }

    /// How often [`forget`](Self::forget) was called: what was taken from the cache before the last time
    /// may be what was dropped.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }

    /// What the disk has. Not under the lock of the memory: others need not wait for the disk.
    fn load(&self, identity: &FileIdentity) -> Option<CachedManifest> {
        let disk = self.disk.as_ref().filter(|_| is_kept(identity))?;
        let entry = disk.load(identity)?;
        self.memory().put(identity, entry.clone());
        Some(entry)
    }

    fn memory(&self) -> MutexGuard<'_, ManifestMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, identity: &FileIdentity, entry: &CachedManifest) {
        if let Some(disk) = self.disk.as_ref().filter(|_| is_kept(identity)) {
            disk.store(identity, entry);
        }
    }
}

/// Reading one block takes less time than finding out where its chaining value lies.
fn is_kept(identity: &FileIdentity) -> bool {
    identity.size > BLOCK_BYTES
}
