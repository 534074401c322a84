//! What is known of the blocks of published files, and what is read to know more.

use std::path::Path;
use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::blocks::{
    BLOCK, BlockRange, Manifest, PartialManifest, block_count, block_offset,
};
use ftx_store::{FileIdentity, ReadSnapshot, StoreError, hash_blocks};

use super::super::Inner;
use crate::store::Progress;

/// Bytes that are hashed at most before others that hash much have had their turn.
pub(in crate::store::local) const SHORT: u64 = 64 * BLOCK;

/// Blocks that are hashed at a time. If nobody waits for them any more, so many are hashed in vain.
const STEP: u64 = 256;

/// A file, the version of it that is meant, and its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) name: &'a RemoteName,
    pub(super) file: &'a std::fs::File,
    pub(super) identity: &'a FileIdentity,
}

impl About<'_> {
    fn is_unchanged(&self) -> Result<bool, StoreError> {
        let now = FileIdentity::of_std(self.file);
        let now = now.map_err(|error| StoreError::io("look at", self.name.as_str(), error))?;
        Ok(now.same_content(self.identity))
    }
}

/// Bytes of the blocks `wanted` that would have to be read.
pub(super) fn unread(inner: &Inner, identity: &FileIdentity, wanted: BlockRange) -> u64 {
    let manifests = &inner.native.manifests;
    if manifests.manifest(identity).is_some() {
        return 0;
    }
    missing(&manifests.partial(identity), wanted)
        .iter()
        .map(|&range| len_of(identity.size, range))
        .sum()
}

/// The manifest of a file; what is not known of it is read.
pub(super) fn manifest_of(
    inner: &Inner,
    about: About<'_>,
    progress: &Progress,
) -> Result<Arc<Manifest>, StoreError> {
    if let Some(manifest) = inner.native.manifests.manifest(about.identity) {
        return Ok(manifest);
    }
    let table = table_of(inner, about, whole(about.identity), progress)?;
    let changed = || StoreError::Changed { path: about.name.as_str().into() };
    Ok(Arc::new(table.complete().ok_or_else(changed)?))
}

/// What is known of a file, and all there is to know of the blocks `wanted`; what is not known of
/// them is read. What was read before somebody stopped it need not be read again.
pub(super) fn table_of(
    inner: &Inner,
    about: About<'_>,
    wanted: BlockRange,
    progress: &Progress,
) -> Result<PartialManifest, StoreError> {
    let manifests = &inner.native.manifests;
    let mut known = manifests.partial(about.identity);
    let missing = missing(&known, wanted);
    if missing.is_empty() {
        return Ok(known);
    }
    let snapshot = ReadSnapshot::take(about.file);
    let snapshot =
        snapshot.map_err(|error| StoreError::io("look at", about.name.as_str(), error))?;
    let read = read(about, &missing, &mut known, progress)?;
    let changed = || StoreError::Changed { path: about.name.as_str().into() };
    if !about.is_unchanged()? {
        return Err(changed());
    }
    let stable = snapshot.confirm(about.file);
    if let Some(stable) = &stable {
        manifests.learn_part(stable, known.clone());
    }
    if !read {
        return Err(StoreError::Cancelled { path: about.name.as_str().into() });
    }
    Ok(known)
}

/// Hashes these blocks; `false` when nobody waits for them any more.
fn read(
    about: About<'_>,
    missing: &[BlockRange],
    known: &mut PartialManifest,
    progress: &Progress,
) -> Result<bool, StoreError> {
    let size = about.identity.size;
    let total: u64 = missing.iter().map(|&range| len_of(size, range)).sum();
    let mut before = 0;
    for &BlockRange { first, count } in missing {
        let end = first.saturating_add(count);
        let mut first = first;
        while first < end {
            let step = BlockRange { first, count: STEP.min(end - first) };
            let mut go_on = |done| progress.set(before + done, total);
            let hashed = hash_blocks(about.file, size, step, None, &mut go_on);
            let hashed =
                hashed.map_err(|error| StoreError::io("read", about.name.as_str(), error))?;
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
pub(super) fn whole(identity: &FileIdentity) -> BlockRange {
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
pub(super) fn is_at(identity: &FileIdentity, inner: &Inner, name: &RemoteName) -> bool {
    let metadata = inner.root.metadata(Path::new(name.as_str()));
    metadata.is_ok_and(|metadata| FileIdentity::of(&metadata).same_content(identity))
}
