//! What there is of a file that is to be uploaded.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK, Manifest, block_len};
use ftx_core::native::wire::{Overwrite, Token};
use ftx_store::{
    BlockStaging, BootId, FileIdentity, Recovered, StoreError, check_regular, create_parents,
    hash_blocks,
};

use super::super::Inner;
use super::super::index::StagingId;
use super::upload::{Base, LocalBlockUpload, Shared};
use crate::store::native::{Offered, Progress, Refusal, UploadOffer};

/// How long another client's writer must have been silent for its staging to be taken over.
const SILENT: Duration = Duration::from_secs(2);

/// Opens a staging for the file. Blocks.
pub(super) fn open(
    inner: &Arc<Inner>,
    offer: UploadOffer,
    progress: &Progress,
) -> Result<Offered<LocalBlockUpload>, Refusal> {
    let path = Path::new(offer.name.as_str());
    inner.sweep();
    let base = published(inner, &offer.name)?;
    check_overwrite(inner, &offer.name, offer.overwrite, base.as_ref(), progress)?;
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
            let name = offer.name.clone();
            put_away(inner, name, id, staging);
            return Err(error.into());
        }
    };
    let base = match base {
        Some(base) => base.hashed(inner, &offer, progress)?,
        None => None,
    };
    let published = base.as_ref().map(|base| Arc::clone(&base.manifest));
    let shared = Shared::new(Arc::clone(inner), offer, id, staging, parent, base, reserved);
    Ok(Offered { upload: LocalBlockUpload::new(Arc::new(shared)), staged, published })
}

/// The file that has the name now.
pub(super) struct Published {
    file: cap_std::fs::File,
    identity: FileIdentity,
}

/// The published file, if there is one. An error where there can be none.
pub(super) fn published(inner: &Inner, name: &RemoteName) -> Result<Option<Published>, StoreError> {
    let path = Path::new(name.as_str());
    let failed = |error| StoreError::io("open", path, error);
    let metadata = match inner.root.metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(failed)?,
    };
    check_regular(path, &metadata)?;
    let file = inner.root.open(path).map_err(failed)?;
    let identity = FileIdentity::of(&file.metadata().map_err(failed)?);
    Ok(Some(Published { file, identity }))
}

pub(super) fn check_overwrite(
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
        (Overwrite::IfUnchanged(expected), Some(published)) => {
            let manifest = published.manifest(inner, name, progress)?;
            if manifest.digest() == expected {
                return Ok(());
            }
            let message = format!("{name:?} has changed: its digest is {}", manifest.digest());
            Err(Refusal::new(Reason::PreconditionFailed, message))
        }
    }
}

impl Published {
    fn manifest(
        &self,
        inner: &Inner,
        name: &RemoteName,
        progress: &Progress,
    ) -> Result<Arc<Manifest>, StoreError> {
        let Self { file, identity } = self;
        let file = file.try_clone().map_err(|e| StoreError::io("read", name.as_str(), e))?;
        manifest_of(inner, name, &file.into_std(), identity, progress)
    }

    /// What is published, as something to take blocks from. `None` if it has none.
    fn hashed(
        self,
        inner: &Inner,
        offer: &UploadOffer,
        progress: &Progress,
    ) -> Result<Option<Base>, StoreError> {
        if self.identity.size == 0 {
            return Ok(None);
        }
        match self.manifest(inner, &offer.name, progress) {
            Ok(manifest) => {
                let Self { file, identity } = self;
                Ok(Some(Base { file: file.into_std(), identity, manifest }))
            }
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
    let read_since = SystemTime::now();
    let size = identity.size;
    let mut table = manifests.partial(identity);
    let missing: Vec<_> = table.missing().ranges().collect();
    let mut before = 0;
    for range in missing {
        let hashed = hash_blocks(file, size, range, None, &mut |done| {
            progress.set(before + done, size);
            true
        });
        let hashed = hashed.map_err(|error| StoreError::io("read", name.as_str(), error))?;
        for (index, cv) in (range.first..).zip(hashed.unwrap_or_default()) {
            before += block_len(size, index);
            let _ = table.set(index, cv);
        }
    }
    let changed = || StoreError::Changed { path: name.as_str().into() };
    if !FileIdentity::of_std(file).is_ok_and(|now| now.same_content(identity)) {
        return Err(changed());
    }
    let manifest = Arc::new(table.complete().ok_or_else(changed)?);
    manifests.learn_all(identity, &manifest, read_since);
    Ok(manifest)
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
        if (writer.is_of(offer.writer) || writer.silence() >= SILENT)
            && let Some(staging) = writer.take()
        {
            blocks.index(|index| index.remove(&writer));
            consider(writer.id, staging);
        }
    }
    for id in blocks.index(|index| index.claim_idle(&offer.name)) {
        let size = offer.size;
        let recovered =
            BlockStaging::recover_with(&blocks.dir, id.files(), BootId::current(), &mut |done| {
                progress.set(done, size);
                true
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

impl Shared {
    fn is_of(&self, writer: Token) -> bool {
        self.writer == writer
    }
}
