//! Saves the chaining values that an upload computed, so that the next attempt does not read the
//! blocks that the server has again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ftx_core::native::blocks::{PartialManifest, block_count};
use ftx_io::Executor;
use ftx_store::ManifestCache;

use super::source::UploadSource;
use super::{OpenUpload, UploadWorkload, lock};

/// New blocks that justify another save, and the greatest number of saves of a large file: the total
/// written for one file stays small.
const SAVE_STEP_BLOCKS: u64 = 256;
const MAX_SAVES_COUNT: u64 = 16;

/// The number of known blocks at the last save.
#[derive(Debug)]
pub(super) struct SaveThrottle(AtomicU64);

impl SaveThrottle {
    pub(super) fn new(known: &PartialManifest) -> Self {
        Self(AtomicU64::new(known.known()))
    }

    /// Whether to save now that `known` blocks are known. Returns true to one connection only.
    fn is_due(&self, known: u64, size: u64) -> bool {
        let saved = self.0.load(Relaxed);
        let step = SAVE_STEP_BLOCKS.max(block_count(size) / MAX_SAVES_COUNT);
        known >= saved.saturating_add(step)
            && self.0.compare_exchange(saved, known, Relaxed, Relaxed).is_ok()
    }
}

impl UploadWorkload {
    /// The saved chaining values of a file.
    pub(super) async fn known(
        &self,
        executor: &Executor,
        source: &UploadSource,
    ) -> PartialManifest {
        let (manifests, identity) = (Arc::clone(&self.manifests), source.identity);
        let found = executor.run(move || manifests.partial(&identity)).await;
        // Without them the file is just read again.
        found.unwrap_or_else(|_| PartialManifest::new(identity.size))
    }

    /// Drops the cached manifest of a file, which has turned out to be outdated.
    pub(super) async fn forget_manifest(&self, executor: &Executor, open: &OpenUpload) {
        let (manifests, identity) = (Arc::clone(&self.manifests), open.source.identity);
        // Forgetting cannot fail.
        let _ = executor.run(move || manifests.forget(&identity)).await;
    }

    /// Saves the chaining values of a file if there are many new ones. They survive a SIGKILL.
    pub(super) async fn save_if_due(&self, executor: &Executor, open: &Arc<OpenUpload>) {
        let known = lock(&self.requests).own(open.request).map(PartialManifest::known);
        if known.is_some_and(|known| open.saves.is_due(known, open.source.identity.size)) {
            self.save_known(executor, open).await;
        }
    }

    /// Saves the chaining values of all unfinished files, at the end of an attempt.
    pub(in crate::native) async fn save_all(&self, executor: &Executor) {
        for open in self.opened() {
            self.save_known(executor, &open).await;
        }
    }

    /// Saves the chaining values of an unfinished file, unless some of them are wrong.
    async fn save_known(&self, executor: &Executor, open: &Arc<OpenUpload>) {
        let known = lock(&self.requests).own(open.request).cloned();
        if let Some(known) = known {
            self.save(executor, open, known).await;
        }
    }

    /// Saves the chaining values of a file.
    pub(super) async fn save(
        &self,
        executor: &Executor,
        open: &Arc<OpenUpload>,
        known: PartialManifest,
    ) {
        let (manifests, keeping) = (Arc::clone(&self.manifests), Arc::clone(open));
        let _ = executor.run(move || save(&manifests, &keeping, known)).await;
    }
}

fn save(manifests: &ManifestCache, open: &OpenUpload, known: PartialManifest) {
    let UploadSource { snapshot, file, .. } = &open.source;
    // Confirmed after the bytes were read.
    if let Some(stable) = snapshot.confirm(file) {
        manifests.learn_part(&stable, known);
    }
}

#[cfg(test)]
mod tests {
    use ftx_core::native::blocks::{BLOCK_BYTES, PartialManifest};

    use super::SaveThrottle;

    #[test]
    fn a_file_is_saved_a_few_times_only() {
        for (blocks, most) in [(255, 0), (256, 1), (2048, 8), (1 << 20, 16)] {
            let size = blocks * BLOCK_BYTES;
            let saves = SaveThrottle::new(&PartialManifest::new(size));
            let times = (1..=blocks).filter(|known| saves.is_due(*known, size)).count();
            assert_eq!(times, most, "{blocks}");
        }
    }
}
