//! The manifest that a session's client was sent last: to send its blocks, they are not hashed again.
//!
//! A client that has a manifest accepts no other bytes than those it describes, so a file that has changed
//! without a trace since then shows at the client, as a wrong cache would.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftx_core::native::blocks::{Cv, Manifest};
use ftx_core::native::wire::Version;

/// The longest manifest that is kept: 128 KiB.
const MAX_KEPT_BLOCKS: usize = 4096;

/// A manifest, and the version of the file that it describes.
#[derive(Debug, Default)]
pub(super) struct SentManifest(Mutex<Option<(Version, Arc<Manifest>)>>);

impl SentManifest {
    /// Keeps a manifest in place of the one before, unless it is too long.
    pub(super) fn keep(&self, version: Version, manifest: &Arc<Manifest>) {
        let is_short = manifest.cvs().len() <= MAX_KEPT_BLOCKS;
        *self.lock() = is_short.then(|| (version, Arc::clone(manifest)));
    }

    /// Drops the manifest, which the client may have found wrong.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    /// The chaining value of this block of this version, if it was sent.
    pub(super) fn cv(&self, version: Version, index: u64) -> Option<Cv> {
        let kept = self.lock();
        let (_, manifest) = kept.as_ref().filter(|(kept, _)| *kept == version)?;
        manifest.cvs().get(usize::try_from(index).ok()?).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Version, Arc<Manifest>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ftx_core::native::blocks::BLOCK_BYTES;

    use super::{Arc, Cv, MAX_KEPT_BLOCKS, Manifest, SentManifest, Version};

    const ONE: Version = Version([1; 16]);
    const OTHER: Version = Version([2; 16]);

    fn manifest(blocks: usize) -> Arc<Manifest> {
        let size = blocks as u64 * BLOCK_BYTES;
        Arc::new(Manifest::new(size, vec![Cv([7; 32]); blocks]).unwrap())
    }

    #[test]
    fn only_the_blocks_of_the_last_version_are_known() {
        let sent = SentManifest::default();
        assert_eq!(sent.cv(ONE, 0), None);
        sent.keep(ONE, &manifest(3));
        assert_eq!((sent.cv(ONE, 2), sent.cv(ONE, 3)), (Some(Cv([7; 32])), None));
        assert_eq!(sent.cv(OTHER, 0), None);
        sent.keep(OTHER, &manifest(1));
        assert_eq!((sent.cv(ONE, 0), sent.cv(OTHER, 0)), (None, Some(Cv([7; 32]))));
        sent.forget();
        assert_eq!(sent.cv(OTHER, 0), None);
    }

    #[test]
    fn a_long_manifest_is_not_kept() {
        let sent = SentManifest::default();
        for (blocks, is_kept) in [(MAX_KEPT_BLOCKS, true), (MAX_KEPT_BLOCKS + 1, false)] {
            sent.keep(ONE, &manifest(blocks));
            assert_eq!(sent.cv(ONE, 0).is_some(), is_kept);
        }
    }
}
