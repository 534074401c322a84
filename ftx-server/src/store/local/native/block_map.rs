//! Chaining values of published files: from the cache, or read.

use std::path::Path;
use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::blocks::{BlockRange, Manifest, PartialManifest, block_count, block_offset};
use ftx_store::{FileIdentity, ReadSnapshot, StoreError, hash_blocks};

use super::super::StoreInner;
use crate::store::WorkProgress;

/// Blocks hashed between two checks for cancellation.
const STEP_BLOCKS: u64 = 256;

/// A file, the version of it that is meant, and its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileRef<'a> {
    pub(super) name: &'a RemoteName,
    pub(super) file: &'a std::fs::File,
    pub(super) identity: &'a FileIdentity,
}

impl FileRef<'_> {
    fn is_unchanged(&self) -> Result<bool, StoreError> {
        let now = FileIdentity::of_std(self.file);
        let now = now.map_err(|error| StoreError::io("look at", self.name.as_str(), error))?;
        Ok(now.same_content(self.identity))
    }
}

/// Bytes of the blocks `wanted` that would have to be read.
pub(super) fn unread_bytes(inner: &StoreInner, identity: &FileIdentity, wanted: BlockRange) -> u64 {
    let manifests = &inner.native.manifests;
    if manifests.manifest(identity).is_some() {
        return 0;
    }
    missing(&manifests.partial(identity), wanted)
        .iter()
        .map(|&range| len_of(identity.size, range))
        .sum()
}

/// The manifest of a file. Blocks that are not cached are read.
pub(super) fn manifest_of(
    inner: &StoreInner,
    file_ref: FileRef<'_>,
    progress: &WorkProgress,
) -> Result<Arc<Manifest>, StoreError> {
    if let Some(manifest) = inner.native.manifests.manifest(file_ref.identity) {
        return Ok(manifest);
    }
    let block_map = block_map_of(inner, file_ref, all_blocks(file_ref.identity), progress)?;
    let changed = || StoreError::Changed { path: file_ref.name.as_str().into() };
    Ok(Arc::new(block_map.complete().ok_or_else(changed)?))
}

/// The cached chaining values of a file, completed for the blocks `wanted` by reading them. Blocks read
/// before a cancellation are cached.
pub(super) fn block_map_of(
    inner: &StoreInner,
    file_ref: FileRef<'_>,
    wanted: BlockRange,
    progress: &WorkProgress,
) -> Result<PartialManifest, StoreError> {
    let manifests = &inner.native.manifests;
    let mut known = manifests.partial(file_ref.identity);
    let missing = missing(&known, wanted);
    if missing.is_empty() {
        return Ok(known);
    }
    let snapshot = ReadSnapshot::take(file_ref.file);
    let snapshot =
        snapshot.map_err(|error| StoreError::io("look at", file_ref.name.as_str(), error))?;
    let read = read(file_ref, &missing, &mut known, progress)?;
    let changed = || StoreError::Changed { path: file_ref.name.as_str().into() };
    if !file_ref.is_unchanged()? {
        return Err(changed());
    }
    let stable = snapshot.confirm(file_ref.file);
    if let Some(stable) = &stable {
        manifests.learn_part(stable, known.clone());
    }
    if !read {
        return Err(StoreError::Cancelled { path: file_ref.name.as_str().into() });
    }
    Ok(known)
}

/// Hashes these blocks. Returns `false` if it was cancelled.
fn read(
    file_ref: FileRef<'_>,
    missing: &[BlockRange],
    known: &mut PartialManifest,
    progress: &WorkProgress,
) -> Result<bool, StoreError> {
    let size = file_ref.identity.size;
    let total: u64 = missing.iter().map(|&range| len_of(size, range)).sum();
    let mut before = 0;
    for &BlockRange { first, count } in missing {
        let end = first.saturating_add(count);
        let mut first = first;
        while first < end {
            let step = BlockRange { first, count: STEP_BLOCKS.min(end - first) };
            let mut go_on = |done| progress.set(before + done, total);
            let hashed = hash_blocks(file_ref.file, size, step, None, &mut go_on);
            let hashed =
                hashed.map_err(|error| StoreError::io("read", file_ref.name.as_str(), error))?;
            let Some(cvs) = hashed else { return Ok(false) };
            for (index, cv) in (first..).zip(cvs) {
                let _ = known.set(index, cv);
            }
            before += len_of(size, step);
            first = step.end();
        }
    }
    Ok(true)
}

/// All blocks of a file.
pub(super) fn all_blocks(identity: &FileIdentity) -> BlockRange {
    BlockRange { first: 0, count: block_count(identity.size) }
}

fn missing(known: &PartialManifest, wanted: BlockRange) -> Vec<BlockRange> {
    let mut missing = known.missing();
    missing.remove(BlockRange { first: wanted.end(), count: u64::MAX });
    missing.ranges().collect()
}

fn len_of(size: u64, range: BlockRange) -> u64 {
    size.min(block_offset(range.end())).saturating_sub(block_offset(range.first))
}

/// Whether the name still stands for the version of this identity.
pub(super) fn has_name(identity: &FileIdentity, inner: &StoreInner, name: &RemoteName) -> bool {
    let metadata = inner.root.metadata(Path::new(name.as_str()));
    metadata.is_ok_and(|metadata| FileIdentity::of(&metadata).same_content(identity))
}
