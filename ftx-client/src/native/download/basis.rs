//! A local file whose blocks a download can share.

use std::sync::Arc;

use ftx_core::native::blocks::{BlockRange, Cv, PartialManifest, block_count};
use ftx_core::native::wire::Meta;
use ftx_store::{
    BlockStaging, CopySource, FileIdentity, ReadSnapshot, StagingFiles, StoreError, apply_meta,
    hash_blocks,
};

use super::target::DownloadTarget;

/// Blocks that are copied between two checks for cancellation.
const COPY_BLOCKS: usize = 64;

/// A file to copy blocks from.
pub(super) struct LocalBasis {
    pub(super) file: std::fs::File,
    pub(super) identity: FileIdentity,
    /// The staging files that a download in the other dialect left; `None` if it is the target itself.
    pub(super) foreign: Option<StagingFiles>,
}

impl LocalBasis {
    /// Copies the blocks with these chaining values to the same places in `staging`. If the file turns
    /// out to have other bytes, its manifest is dropped and the server sends the remaining blocks.
    pub(super) fn copy_to(
        &self,
        target: &DownloadTarget,
        staging: &BlockStaging,
        blocks: &[(u64, Cv)],
        on_hashed: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<(), StoreError> {
        let (size, source) =
            (staging.size(), CopySource { file: &self.file, identity: &self.identity });
        for some in blocks.chunks(COPY_BLOCKS) {
            match staging.copy_blocks(source, some) {
                Err(StoreError::Changed { .. }) => {
                    target.manifests.forget(&self.identity);
                    return Ok(());
                }
                taken => taken?,
            }
            if !on_hashed(size, size) {
                return Err(StoreError::Cancelled { path: target.paths.path().to_owned() });
            }
        }
        Ok(())
    }

    /// Gives the up-to-date file at the target its metadata, and makes it durable.
    pub(super) fn keep(&self, target: &DownloadTarget, meta: &Meta) -> Result<(), StoreError> {
        apply_meta(meta, &self.file, target.path());
        // Its times have changed.
        let now = FileIdentity::of_std(&self.file);
        let now = now.map_err(|error| StoreError::io("look at", target.path(), error))?;
        target.paths.keep(&self.file, &now)
    }

    /// The chaining values of the blocks that a file of `wanted` bytes can share: from the cache, or by
    /// reading the file. None for a file that changes meanwhile.
    pub(super) fn block_map(
        &self,
        target: &DownloadTarget,
        wanted: u64,
        on_hashed: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<PartialManifest, StoreError> {
        if let Some(manifest) = target.manifests.manifest(&self.identity) {
            return Ok(PartialManifest::from(&*manifest));
        }
        let failed = |error| StoreError::io("look at", target.path(), error);
        let snapshot = ReadSnapshot::take(&self.file).map_err(failed)?;
        let size = self.identity.size;
        let total = size.min(wanted);
        let range = BlockRange { first: 0, count: block_count(total) };
        let stopped = || StoreError::Cancelled { path: target.paths.path().to_owned() };
        if !on_hashed(0, total) {
            return Err(stopped());
        }
        let hashed = hash_blocks(&self.file, size, range, None, &mut |done| {
            on_hashed(done.min(total), total)
        });
        let hashed = hashed.map_err(|error| StoreError::io("read", target.paths.path(), error))?;
        let mut block_map = PartialManifest::new(size);
        for (index, cv) in (0..).zip(hashed.ok_or_else(stopped)?) {
            let _ = block_map.set(index, cv);
        }
        on_hashed(total, total);
        if FileIdentity::of_std(&self.file).map_err(failed)? != self.identity {
            return Ok(PartialManifest::new(size));
        }
        if let (Some(stable), Some(manifest)) = (snapshot.confirm(&self.file), block_map.complete())
        {
            target.manifests.learn_all(&stable, &Arc::new(manifest));
        }
        Ok(block_map)
    }
}
