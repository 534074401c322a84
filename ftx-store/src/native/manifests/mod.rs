//! A cache of chaining values by file identity, so that files need not be read again.
//!
//! Memory holds the most recently used complete and partial manifests. The disk holds those of
//! files larger than a block that are complete or were stored as a whole. Nothing depends on the
//! cache for correctness: a lost entry only costs reading the file again.
//!
//! Entries are keyed by [stable identity](StableIdentity), so a file that could change invisibly is
//! never cached.

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

/// The limits of a [`ManifestCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestLimits {
    /// The number of files in memory.
    pub memory_files: usize,
    /// The approximate bytes of the chaining values in memory.
    pub memory_bytes: usize,
    /// The number of manifests on the disk.
    pub disk_files: usize,
}

impl Default for ManifestLimits {
    /// 16,384 files with 64 MiB, which is 2 TiB of contents, and as many on the disk.
    fn default() -> Self {
        Self { memory_files: 16_384, memory_bytes: 64 << 20, disk_files: 16_384 }
    }
}

/// Chaining values of blocks by the identity of their file. All methods are thread-safe.
#[derive(Debug)]
pub struct ManifestCache {
    memory: Mutex<ManifestMemory>,
    disk: Option<ManifestFiles>,
    /// The number of calls of `forget`.
    forgotten: AtomicU64,
}

impl ManifestCache {
    /// Creates an empty cache that lives as long as the process.
    #[must_use]
    pub fn in_memory(limits: ManifestLimits) -> Self {
        let forgotten = AtomicU64::new(0);
        Self { memory: Mutex::new(ManifestMemory::new(limits)), disk: None, forgotten }
    }

    /// Creates a cache that also keeps manifests in `dir`, which it must own, and reads those
    /// stored there before.
    ///
    /// # Errors
    /// Failures to duplicate the handle and to read the directory.
    pub fn in_dir(dir: &Dir, limits: ManifestLimits) -> Result<Self, StoreError> {
        let disk = ManifestFiles::open(dir, limits.disk_files)
            .map_err(|error| StoreError::io("read", "manifests", error))?;
        Ok(Self { disk: Some(disk), ..Self::in_memory(limits) })
    }

    /// Adds the chaining value `cv` of block `index`. A block that the file does not have is
    /// ignored.
    pub fn learn(&self, stable: &StableIdentity, index: u64, cv: Cv) {
        let identity = stable.identity();
        let completed = self.memory().learn(identity, index, cv);
        if let Some(manifest) = completed {
            self.keep(identity, &CachedManifest::Whole(manifest));
        }
    }

    /// As [`learn`](Self::learn), for all blocks at once. A manifest of another size than the
    /// file's is ignored.
    pub fn learn_all(&self, stable: &StableIdentity, manifest: &Arc<Manifest>) {
        let identity = stable.identity();
        if manifest.size() != identity.size {
            return;
        }
        let entry = CachedManifest::Whole(Arc::clone(manifest));
        self.keep(identity, &entry);
        self.memory().put(identity, entry);
    }

    /// As [`learn_all`](Self::learn_all), for a file that was only partly read. It replaces the
    /// earlier entry, unless that is complete. It also writes to the disk, so call it rarely.
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

    /// Returns the manifest for this identity, if all its blocks are known.
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

    /// Returns the known blocks for this identity, possibly none.
    #[must_use]
    pub fn partial(&self, identity: &FileIdentity) -> PartialManifest {
        let known = self.memory().get(identity).cloned();
        match known.or_else(|| self.load(identity)) {
            Some(CachedManifest::Part(partial)) => partial,
            Some(CachedManifest::Whole(manifest)) => PartialManifest::from(&*manifest),
            None => PartialManifest::new(identity.size),
        }
    }

    /// Drops the entry for this identity: the file is gone, or turned out to differ from it.
    pub fn forget(&self, identity: &FileIdentity) {
        self.memory().remove(identity);
        if let Some(disk) = self.disk.as_ref().filter(|_| is_kept(identity)) {
            disk.remove(identity);
        }
        self.forgotten.fetch_add(1, Ordering::Release);
    }

    /// Returns the number of calls of [`forget`](Self::forget). Entries read before the latest call
    /// may have been dropped by it.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Reads the entry from the disk, without locking the memory, so that other users need not
    /// wait.
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

/// For a single block, reading it is faster than looking up its chaining value.
fn is_kept(identity: &FileIdentity) -> bool {
    identity.size > BLOCK_BYTES
}
