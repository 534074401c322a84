//! What there is of a file that is to be uploaded.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{
    BLOCK, BlockRange, Manifest, PartialManifest, block_count, block_offset,
};
use ftx_core::native::wire::Overwrite;
use ftx_store::{
    BlockStaging, BootId, FileIdentity, Recovered, StoreError, create_parents, hash_blocks,
    open_regular,
};

use super::super::Inner;
use super::super::leftovers::StagingId;
use super::upload::{Base, Beginning, LocalBlockUpload};
use crate::store::native::{Offered, Progress, Refusal, UploadOffer};

/// Opens a staging for the file. Blocks.
pub(super) fn open(
    inner: &Arc<Inner>,
    offer: UploadOffer,
    progress: &Progress,
) -> Result<Offered<LocalBlockUpload>, Refusal> {
    let path = Path::new(offer.name.as_str());
    inner.sweep();
    let published = published(inner, &offer.name)?;
    check_overwrite(inner, &offer.name, offer.overwrite, published.as_ref(), progress)?;
    let before = published.as_ref().map(|published| published.identity);
    // While no staging is in hand: this may take long, and fail.
    let base = match published {
        Some(published) => published.into_base(inner, &offer, progress)?,
        None => None,
    };
    let parent = create_parents(&inner.root, path, inner.durability)?;

    let (id, staging) = match claim(inner, &offer, progress)? {
        Some(found) => found,
        None => create(inner, &offer)?,
    };
    let staging = staging.with_durability(inner.durability);
    let staged = staging.table();
    // What is copied from the published file takes room, too.
    let missing = offer.size.saturating_sub(staged.known().saturating_mul(BLOCK));
    let reserved = match inner.blocks.ledger.reserve(&inner.root, path, missing) {
        Ok(reserved) => reserved,
        Err(error) => {
            put_away(inner, offer.name, id, staging);
            return Err(error.into());
        }
    };
    let published = base.as_ref().map(|base| base.table.clone());
    let beginning = Beginning { id, staging, parent, before, base, reserved };
    let upload = LocalBlockUpload::new(Arc::clone(inner), offer, beginning);
    Ok(Offered { upload, staged, published })
}

/// The file that has the name now.
struct Published {
    file: std::fs::File,
    identity: FileIdentity,
}

/// The published file, if there is one. An error where there can be none.
fn published(inner: &Inner, name: &RemoteName) -> Result<Option<Published>, StoreError> {
    match open_regular(&inner.root, Path::new(name.as_str())) {
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
        Ok((file, metadata)) => {
            let identity = FileIdentity::of(&metadata);
            Ok(Some(Published { file: file.into_std(), identity }))
        }
    }
}

fn check_overwrite(
    inner: &Inner,
    name: &RemoteName,
    overwrite: Overwrite,
    published: Option<&Published>,
    progress: &Progress,
) -> Result<(), Refusal> {
    match (overwrite, published) {
        (Overwrite::Replace, _) | (Overwrite::Fail, None) => Ok(()),
        (Overwrite::Fail, Some(_)) => {
            let message = format!("{name:?} is there already and is not to be replaced");
            Err(Refusal::new(Reason::AlreadyExists, message))
        }
        (Overwrite::IfUnchanged(_), None) => {
            let message = format!("{name:?} is not there any more");
            Err(Refusal::new(Reason::PreconditionFailed, message))
        }
        (Overwrite::IfUnchanged(expected), Some(Published { file, identity })) => {
            let manifest = manifest_of(inner, name, file, identity, progress)?;
            if manifest.digest() == expected {
                return Ok(());
            }
            let message = format!("{name:?} has changed: its digest is {}", manifest.digest());
            Err(Refusal::new(Reason::PreconditionFailed, message))
        }
    }
}

impl Published {
    /// What is published, as something to take blocks from. `None` if it has none.
    fn into_base(
        self,
        inner: &Inner,
        offer: &UploadOffer,
        progress: &Progress,
    ) -> Result<Option<Base>, StoreError> {
        let Self { file, identity } = self;
        // Of a file that is longer than the new one, only so much can be of use.
        let useful = BlockRange { first: 0, count: block_count(offer.size.min(identity.size)) };
        if useful.count == 0 {
            return Ok(None);
        }
        match table_of(inner, &offer.name, &file, &identity, useful, progress) {
            Ok(table) => Ok(Some(Base { file, identity, table })),
            // Whoever changes it now is not our concern; it is to be replaced.
            Err(StoreError::Changed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The manifest of a file; what is not known of it is read.
pub(super) fn manifest_of(
    inner: &Inner,
    name: &RemoteName,
    file: &std::fs::File,
    identity: &FileIdentity,
    progress: &Progress,
) -> Result<Arc<Manifest>, StoreError> {
    let manifests = &inner.blocks.manifests;
    if let Some(manifest) = manifests.manifest(identity) {
        return Ok(manifest);
    }
    let all = BlockRange { first: 0, count: block_count(identity.size) };
    let table = table_of(inner, name, file, identity, all, progress)?;
    let changed = || StoreError::Changed { path: name.as_str().into() };
    Ok(Arc::new(table.complete().ok_or_else(changed)?))
}

/// What is known of a file, and all there is to know of the blocks `wanted`; what is not known of
/// them is read.
fn table_of(
    inner: &Inner,
    name: &RemoteName,
    file: &std::fs::File,
    identity: &FileIdentity,
    wanted: BlockRange,
    progress: &Progress,
) -> Result<PartialManifest, StoreError> {
    let (size, manifests) = (identity.size, &inner.blocks.manifests);
    let read_since = SystemTime::now();
    let mut table = manifests.partial(identity);
    let mut missing = table.missing();
    missing.remove(BlockRange { first: wanted.end(), count: u64::MAX });
    let total: u64 = missing.ranges().map(|range| len_of(size, range)).sum();
    let mut before = 0;
    for range in missing.ranges() {
        let hashed =
            hash_blocks(file, size, range, None, &mut |done| progress.set(before + done, total));
        let hashed = hashed.map_err(|error| StoreError::io("read", name.as_str(), error))?;
        let Some(cvs) = hashed else {
            return Err(StoreError::Cancelled { path: name.as_str().into() });
        };
        for (index, cv) in (range.first..).zip(cvs) {
            let _ = table.set(index, cv);
        }
        before += len_of(size, range);
    }
    if total == 0 {
        return Ok(table);
    }
    let now = FileIdentity::of_std(file);
    let now = now.map_err(|error| StoreError::io("look at", name.as_str(), error))?;
    if !now.same_content(identity) {
        return Err(StoreError::Changed { path: name.as_str().into() });
    }
    match table.complete() {
        Some(manifest) => manifests.learn_all(identity, &Arc::new(manifest), read_since),
        None => {
            for (index, cv) in table.known_from(0) {
                manifests.learn(identity, index, cv, read_since);
            }
        }
    }
    Ok(table)
}

fn len_of(size: u64, range: BlockRange) -> u64 {
    size.min(block_offset(range.end())).saturating_sub(block_offset(range.first))
}

/// A staging to go on with: the client's own, or one that nobody writes to; the one with the most in
/// it.
fn claim(
    inner: &Inner,
    offer: &UploadOffer,
    progress: &Progress,
) -> Result<Option<(StagingId, BlockStaging)>, StoreError> {
    let blocks = &inner.blocks;
    let mut best: Option<(StagingId, BlockStaging)> = None;
    let mut consider = |id: StagingId, staging: BlockStaging| {
        let known = |best: &(StagingId, BlockStaging)| best.1.table().known();
        let is_better = staging.size() == offer.size
            && best.as_ref().is_none_or(|best| known(best) < staging.table().known());
        let rest = if is_better { best.replace((id, staging)) } else { Some((id, staging)) };
        if let Some((id, staging)) = rest {
            put_away(inner, offer.name.clone(), id, staging);
        }
    };
    for writer in blocks.index(|index| index.writers(&offer.name)) {
        let is_left = || writer.silence() >= blocks.silent && writer.is_of_use(offer.size);
        if (writer.is_of(offer.writer) || is_left())
            && let Some(staging) = writer.take_over()
        {
            blocks.index(|index| index.remove(&writer));
            consider(writer.id, staging);
        }
    }
    for id in blocks.index(|index| index.claim_idle(&offer.name)) {
        let size = offer.size;
        let recovered =
            BlockStaging::recover_with(&blocks.dir, id.files(), BootId::current(), &mut |done| {
                progress.set(done, size)
            });
        match recovered {
            Ok(Recovered::Staging(staging)) => consider(id, *staging),
            Ok(Recovered::Nothing | Recovered::OtherKind) => {}
            Err(error) => {
                tracing::warn!(error = %ftx_io::Chain(&error), "an interrupted upload stays unread");
                blocks.index(|index| index.add(offer.name.clone(), id, None));
            }
        }
    }
    Ok(best)
}

fn create(inner: &Inner, offer: &UploadOffer) -> Result<(StagingId, BlockStaging), StoreError> {
    let id = inner.blocks.index(super::index::BlockIndex::new_id);
    let (dir, name) = (&inner.blocks.dir, offer.name.as_str());
    Ok((id, BlockStaging::create(dir, id.files(), name, offer.size)?))
}

/// Leaves a staging for later.
fn put_away(inner: &Inner, name: RemoteName, id: StagingId, staging: BlockStaging) {
    let is_empty = staging.table().known() == 0;
    let result = staging.suspend();
    if let Err(error) = result {
        tracing::warn!(error = %ftx_io::Chain(&error), "an upload's state could not be recorded");
    }
    if !is_empty {
        inner.blocks.index(|index| index.add(name, id, None));
    }
}
