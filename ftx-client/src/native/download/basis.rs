//! A local file whose blocks a download can share.

use std::sync::Arc;

use ftx_core::native::blocks::{
    BlockRange, Cv, Manifest, PartialManifest, block_len, block_offset,
};
use ftx_core::native::wire::Meta;
use ftx_store::{
    BlockStaging, FileIdentity, ReadSnapshot, StagingFiles, StoreError, apply_meta, hash_blocks,
};

use super::target::DownloadTarget;

/// Blocks that are hashed between two comparisons with the manifest.
const COMPARE_STEP_BLOCKS: usize = 64;

/// A file to copy blocks from.
pub(super) struct LocalBasis {
    pub(super) file: std::fs::File,
    pub(super) identity: FileIdentity,
    /// The staging files that a download in the other dialect left; `None` if it is the target itself.
    pub(super) foreign: Option<StagingFiles>,
}

/// What a basis has of a file.
pub(super) enum BasisMatch {
    /// All of it, and nothing else.
    UpToDate,
    /// Perhaps these blocks.
    Blocks(Vec<(u64, Cv)>),
}

/// Called with the bytes hashed so far and their total. Returns whether to continue.
type HashProgress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

impl LocalBasis {
    /// Compares the file with a manifest, as far as that takes to learn whether it is up to date: the
    /// blocks of another version are hashed when they are [copied](Self::copy_to).
    pub(super) fn compare(
        &self,
        target: &DownloadTarget,
        manifest: &Manifest,
        on_hashed: HashProgress<'_>,
    ) -> Result<BasisMatch, StoreError> {
        let size = manifest.size();
        let is_candidate = |index: u64| {
            block_offset(index).saturating_add(block_len(size, index)) <= self.identity.size
        };
        let wanted = (0..).zip(manifest.cvs().iter().copied());
        let wanted: Vec<(u64, Cv)> = wanted.filter(|&(index, _)| is_candidate(index)).collect();
        let has_size = self.foreign.is_none() && self.identity.size == size;
        if let Some(known) = target.manifests.manifest(&self.identity) {
            if has_size && known.digest() == manifest.digest() {
                return Ok(BasisMatch::UpToDate);
            }
            let known = PartialManifest::from(&*known).resized(size);
            let is_equal = |&(index, cv): &(u64, Cv)| known.get(index) == Some(cv);
            return Ok(BasisMatch::Blocks(wanted.into_iter().filter(is_equal).collect()));
        }
        if self.foreign.is_some() {
            // The new staging takes its place, so it is read before: a cancellation must lose nothing.
            return self.equal_blocks(target, size, wanted, on_hashed).map(BasisMatch::Blocks);
        }
        if has_size && self.is_up_to_date(target, manifest, on_hashed)? {
            return Ok(BasisMatch::UpToDate);
        }
        Ok(BasisMatch::Blocks(wanted))
    }

    /// Reads the first blocks of the file, which `wanted` lists, and returns those that it has.
    fn equal_blocks(
        &self,
        target: &DownloadTarget,
        size: u64,
        wanted: Vec<(u64, Cv)>,
        on_hashed: HashProgress<'_>,
    ) -> Result<Vec<(u64, Cv)>, StoreError> {
        let total = wanted.iter().map(|&(index, _)| block_len(size, index)).sum();
        let range = BlockRange { first: 0, count: wanted.len() as u64 };
        let hashed = hash_blocks(&self.file, size, range, None, &mut |done| on_hashed(done, total));
        let hashed = hashed.map_err(|error| StoreError::io("read", target.path(), error))?;
        let stopped = || StoreError::Cancelled { path: target.path().to_owned() };
        let found = wanted.into_iter().zip(hashed.ok_or_else(stopped)?);
        Ok(found.filter(|((_, cv), found)| cv == found).map(|(block, _)| block).collect())
    }

    /// Whether the file has exactly these blocks. Reads it up to the first difference.
    fn is_up_to_date(
        &self,
        target: &DownloadTarget,
        manifest: &Manifest,
        on_hashed: HashProgress<'_>,
    ) -> Result<bool, StoreError> {
        let failed = |error| StoreError::io("look at", target.path(), error);
        let snapshot = ReadSnapshot::take(&self.file).map_err(failed)?;
        let size = manifest.size();
        let stopped = || StoreError::Cancelled { path: target.path().to_owned() };
        if !on_hashed(0, size) {
            return Err(stopped());
        }
        let mut first = 0;
        for theirs in manifest.cvs().chunks(COMPARE_STEP_BLOCKS) {
            let range = BlockRange { first, count: theirs.len() as u64 };
            let before = block_offset(first);
            let mut go_on = |done: u64| on_hashed(before.saturating_add(done).min(size), size);
            let hashed = hash_blocks(&self.file, size, range, None, &mut go_on)
                .map_err(|error| StoreError::io("read", target.path(), error))?;
            if hashed.ok_or_else(stopped)? != theirs {
                return Ok(false);
            }
            first = range.end();
        }
        on_hashed(size, size);
        if FileIdentity::of_std(&self.file).map_err(failed)? != self.identity {
            return Ok(false);
        }
        if let Some(stable) = snapshot.confirm(&self.file) {
            target.manifests.learn_all(&stable, &Arc::new(manifest.clone()));
        }
        Ok(true)
    }

    /// Copies those of the blocks that the file has to the same places in `staging`. If a cached
    /// manifest turns out to be wrong, it is dropped; the server sends the remaining blocks.
    pub(super) fn copy_to(
        &self,
        target: &DownloadTarget,
        staging: &BlockStaging,
        blocks: &[(u64, Cv)],
        on_hashed: HashProgress<'_>,
    ) -> Result<(), StoreError> {
        let total = blocks.iter().map(|&(index, _)| block_len(staging.size(), index)).sum();
        let mut keep_going = |done| on_hashed(done, total);
        let copied = staging.copy_blocks(&self.file, blocks, &mut keep_going)?;
        if copied < blocks.len() && target.manifests.manifest(&self.identity).is_some() {
            target.manifests.forget(&self.identity);
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
}
