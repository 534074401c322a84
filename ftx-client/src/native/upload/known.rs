//! What was found out about a file on the way, kept for the next try: it does not have to read again
//! what the server has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ftx_core::native::blocks::{PartialManifest, block_count};
use ftx_io::blocking;
use ftx_store::ManifestCache;

use super::source::Source;
use super::{Open, Uploads, lock};

/// Blocks after which it is kept again. With large files it is a part of theirs, so that all that is
/// ever written for a file stays small.
const STEP: u64 = 256;
const PART: u64 = 16;

/// How many blocks are known of those that are kept.
#[derive(Debug)]
pub(super) struct Kept(AtomicU64);

impl Kept {
    pub(super) fn new(known: &PartialManifest) -> Self {
        Self(AtomicU64::new(known.known()))
    }

    /// Whether so many are worth to be kept; it is said to one connection only.
    fn is_due(&self, known: u64, size: u64) -> bool {
        let kept = self.0.load(Relaxed);
        let step = STEP.max(block_count(size) / PART);
        known >= kept.saturating_add(step)
            && self.0.compare_exchange(kept, known, Relaxed, Relaxed).is_ok()
    }
}

impl Uploads {
    /// What was kept of a file.
    pub(super) async fn known(&self, source: &Source) -> PartialManifest {
        let (manifests, identity) = (Arc::clone(&self.manifests), source.identity);
        let found = blocking(source.path(), move || Ok(manifests.partial(&identity))).await;
        // It is only about time.
        found.unwrap_or_else(|_| PartialManifest::new(identity.size))
    }

    /// Drops what was cached of a file that turns out to be outdated.
    pub(super) async fn distrust(&self, open: &Open) {
        let (manifests, identity) = (Arc::clone(&self.manifests), open.source.identity);
        let forgotten = blocking(open.source.path(), move || {
            manifests.forget(&identity);
            Ok(())
        });
        // Forgetting cannot fail.
        let _ = forgotten.await;
    }

    /// Keeps what is known of a file, if that is much more than before. After a SIGKILL this is what
    /// is left.
    pub(super) async fn keep_now_and_then(&self, open: &Arc<Open>) {
        let known = lock(&open.sender).own().known();
        if open.kept.is_due(known, open.source.identity.size) {
            self.keep(open).await;
        }
    }

    /// Keeps what is known of the files that are not done, at the end of a try.
    pub(in crate::native) async fn keep_all(&self) {
        for open in self.opened() {
            self.keep(&open).await;
        }
    }

    /// Keeps what is known of a file.
    pub(super) async fn keep(&self, open: &Arc<Open>) {
        let (manifests, keeping) = (Arc::clone(&self.manifests), Arc::clone(open));
        let kept = blocking(open.source.path(), move || {
            keep(&manifests, &keeping);
            Ok(())
        });
        let _ = kept.await;
    }
}

fn keep(manifests: &ManifestCache, open: &Open) {
    // What is known of its blocks may come from the same cache that was wrong about one of them.
    if open.distrusted.load(Relaxed) {
        return;
    }
    let known = lock(&open.sender).own().clone();
    let Source { snapshot, file, .. } = &open.source;
    // Asked after the bytes were read.
    if let Some(stable) = snapshot.confirm(file) {
        manifests.learn_part(&stable, known);
    }
}

#[cfg(test)]
mod tests {
    use ftx_core::native::blocks::{BLOCK_BYTES, PartialManifest};

    use super::Kept;

    #[test]
    fn what_is_written_for_a_file_is_little() {
        for (blocks, most) in [(255, 0), (256, 1), (2048, 8), (1 << 20, 16)] {
            let size = blocks * BLOCK_BYTES;
            let kept = Kept::new(&PartialManifest::new(size));
            let times = (1..=blocks).filter(|known| kept.is_due(*known, size)).count();
            assert_eq!(times, most, "{blocks}");
        }
    }
}
