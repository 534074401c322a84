//! The most recently used manifests, in memory.

use std::sync::Arc;

use ftx_core::native::blocks::{Cv, Manifest, PartialManifest};
use lru::LruCache;

use super::ManifestLimits;
use crate::FileIdentity;

/// The memory of an entry without its chaining values.
const ENTRY_BYTES: usize = 256;
/// The memory of a chaining value in a complete manifest.
const COMPLETE_CV_BYTES: usize = size_of::<Cv>();
/// The memory of a chaining value in a partial manifest.
const PARTIAL_CV_BYTES: usize = 50;

/// The known blocks of a file.
#[derive(Clone, Debug)]
pub(super) enum CachedManifest {
    /// All blocks.
    Whole(Arc<Manifest>),
    /// Some blocks.
    Part(PartialManifest),
}

impl CachedManifest {
    fn bytes(&self) -> usize {
        ENTRY_BYTES.saturating_add(match self {
            Self::Whole(manifest) => manifest.cvs().len().saturating_mul(COMPLETE_CV_BYTES),
            Self::Part(partial) => usize::try_from(partial.known())
                .unwrap_or(usize::MAX)
                .saturating_mul(PARTIAL_CV_BYTES),
        })
    }
}

#[derive(Debug)]
pub(super) struct ManifestMemory {
    entries: LruCache<FileIdentity, CachedManifest>,
    /// The memory of all entries.
    bytes: usize,
    limits: ManifestLimits,
}

impl ManifestMemory {
    pub(super) fn new(limits: ManifestLimits) -> Self {
        Self { entries: LruCache::unbounded(), bytes: 0, limits }
    }

    pub(super) fn get(&mut self, identity: &FileIdentity) -> Option<&CachedManifest> {
        self.entries.get(identity)
    }

    /// Adds one block; returns the manifest if it completes it.
    pub(super) fn learn(
        &mut self,
        identity: &FileIdentity,
        index: u64,
        cv: Cv,
    ) -> Option<Arc<Manifest>> {
        let mut partial = match self.remove(identity) {
            // Equal identities mean equal contents.
            Some(whole @ CachedManifest::Whole(_)) => {
                self.put(identity, whole);
                return None;
            }
            Some(CachedManifest::Part(partial)) => partial,
            None => PartialManifest::new(identity.size),
        };
        // A block beyond the end is ignored.
        let _ = partial.set(index, cv);
        let completed = partial.complete().map(Arc::new);
        if let Some(manifest) = &completed {
            self.put(identity, CachedManifest::Whole(Arc::clone(manifest)));
        } else if partial.known() > 0 {
            self.put(identity, CachedManifest::Part(partial));
        }
        completed
    }

    /// Inserts or replaces an entry, evicting the least recently used ones. An entry that exceeds
    /// the limit is not inserted.
    pub(super) fn put(&mut self, identity: &FileIdentity, entry: CachedManifest) {
        self.remove(identity);
        let bytes = entry.bytes();
        if bytes > self.limits.memory_bytes || self.limits.memory_files == 0 {
            return;
        }
        self.entries.put(*identity, entry);
        self.bytes = self.bytes.saturating_add(bytes);
        while self.bytes > self.limits.memory_bytes || self.entries.len() > self.limits.memory_files
        {
            let Some((_, entry)) = self.entries.pop_lru() else { return };
            self.bytes = self.bytes.saturating_sub(entry.bytes());
        }
    }

    pub(super) fn remove(&mut self, identity: &FileIdentity) -> Option<CachedManifest> {
        let entry = self.entries.pop(identity)?;
        self.bytes = self.bytes.saturating_sub(entry.bytes());
        Some(entry)
    }

    /// The number of files, and their bytes as counted.
    #[cfg(test)]
    pub(super) fn usage(&self) -> (usize, usize) {
        let bytes: usize = self.entries.iter().map(|(_, entry)| entry.bytes()).sum();
        assert_eq!(bytes, self.bytes);
        (self.entries.len(), bytes)
    }
}
