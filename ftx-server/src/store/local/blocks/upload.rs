//! A file that grows block by block, written to by the connections of one client.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockHasher, BlockRange, Cv, Digest, PartialManifest, block_len};
use ftx_core::native::wire::{Meta, Overwrite, Token};
use ftx_io::blocking;
use ftx_store::{BlockStaging, Existing, FileIdentity, StoreError};
use tracing::warn;

use super::super::Inner;
use super::super::index::Heard;
use super::super::leftovers::StagingId;
use super::at_length;
use super::space::Reservation;
use crate::store::native::{BlockUpload, Progress, Refusal, UploadOffer};

/// Blocks that are copied between two looks at whether somebody still waits for it.
const COPIED: usize = 64;

/// A handle of an upload; clones are the same one.
#[derive(Clone, Debug)]
pub struct LocalBlockUpload(Arc<Shared>);

/// One client's upload of one file.
#[derive(Debug)]
pub(in crate::store::local) struct Shared {
    inner: Arc<Inner>,
    pub(super) name: RemoteName,
    pub(super) id: StagingId,
    writer: Option<Token>,
    size: u64,
    meta: Meta,
    overwrite: Overwrite,
    parent: Dir,
    /// What the name stood for when the file was offered.
    before: Option<FileIdentity>,
    /// The version that was published then, if blocks of it can be of use.
    base: Option<Base>,
    heard: Heard,
    reserved: Reservation,
    /// `None` when the upload has ended, or was taken over. Whoever writes holds the lock as one of
    /// many readers, and whoever takes it out as the only writer: so nobody writes any more then.
    staging: RwLock<Option<BlockStaging>>,
}

/// A published version to take blocks from.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) file: std::fs::File,
    pub(super) identity: FileIdentity,
    /// What is known of its blocks; not of those that the offered file cannot have.
    pub(super) table: PartialManifest,
}

/// What an upload begins with.
pub(super) struct Beginning {
    pub(super) id: StagingId,
    pub(super) staging: BlockStaging,
    pub(super) parent: Dir,
    pub(super) before: Option<FileIdentity>,
    pub(super) base: Option<Base>,
    pub(super) reserved: Reservation,
}

impl Shared {
    fn new(inner: Arc<Inner>, offer: UploadOffer, beginning: Beginning) -> Self {
        let UploadOffer { name, size, meta, overwrite, writer } = offer;
        let Beginning { id, staging, parent, before, base, reserved } = beginning;
        let (heard, staging) = (Heard::now(), RwLock::new(Some(staging)));
        Self {
            inner,
            name,
            id,
            writer,
            size,
            meta,
            overwrite,
            parent,
            before,
            base,
            heard,
            reserved,
            staging,
        }
    }

    /// Whether this is the client who uploads.
    pub(super) fn is_of(&self, writer: Option<Token>) -> bool {
        writer.is_some() && self.writer == writer
    }

    /// Whether it has something of a file of this size.
    pub(super) fn is_of_use(&self, size: u64) -> bool {
        let staging = self.staging.read().unwrap_or_else(PoisonError::into_inner);
        self.size == size && staging.as_ref().is_some_and(|staging| staging.table().known() > 0)
    }

    /// How long nothing was written.
    pub(super) fn silence(&self) -> Duration {
        self.heard.silence()
    }

    /// Takes the staging out, and what is reserved for it; writing fails from then on. Waits for
    /// those who write.
    pub(super) fn take_over(&self) -> Option<BlockStaging> {
        let staging = self.take()?;
        self.reserved.give_back();
        Some(staging)
    }

    fn take(&self) -> Option<BlockStaging> {
        self.staging.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&BlockStaging) -> Result<T, StoreError>,
    ) -> Result<T, Refusal> {
        self.heard.touch();
        let staging = self.staging.read().unwrap_or_else(PoisonError::into_inner);
        let staging = staging.as_ref().ok_or_else(|| self.taken_over())?;
        work(staging).map_err(Refusal::from)
    }

    fn taken_over(&self) -> Refusal {
        let message = format!("the upload of {:?} goes on over another connection", self.name);
        Refusal::new(Reason::TakenOver, message)
    }

    fn publish(
        &self,
        copy: &[BlockRange],
        digest: Digest,
        progress: &Progress,
    ) -> Result<bool, Refusal> {
        let staging = self.take().ok_or_else(|| self.taken_over())?;
        let result = self.publish_staging(staging, copy, digest, progress);
        self.reserved.give_back();
        let blocks = &self.inner.blocks;
        match &result {
            Ok(_) => {
                blocks.index(|index| index.remove(self));
                blocks.discard_idle(&self.name);
                self.inner.discard_idle(&self.name);
            }
            Err(_) => blocks.index(|index| index.release(self)),
        }
        result
    }

    fn publish_staging(
        &self,
        staging: BlockStaging,
        copy: &[BlockRange],
        digest: Digest,
        progress: &Progress,
    ) -> Result<bool, Refusal> {
        if self.is_unchanged(digest) {
            staging.discard()?;
            return Ok(true);
        }
        self.copy(&staging, copy, progress)?;
        let manifest = staging.table().complete();
        if let Some(manifest) = manifest
            && manifest.digest() != digest
        {
            let message = format!("what arrived of {:?} does not have its digest", self.name);
            return Err(Refusal::new(Reason::DigestMismatch, message));
        }
        let turn = self.inner.turns.take([self.name.clone()]);
        self.check_overwrite()?;
        let existing = match self.overwrite {
            Overwrite::Fail => Existing::Keep,
            Overwrite::Replace | Overwrite::IfUnchanged(_) => Existing::Replace,
        };
        let target = Path::new(self.name.file_name());
        // Without all blocks this fails, and the staging stays.
        let published = staging.publish(&self.parent, target, &self.meta, existing)?;
        drop(turn);
        let (identity, manifest) = (published.identity, Arc::new(published.manifest));
        self.inner.blocks.manifests.learn_all(&identity, &manifest, SystemTime::now());
        Ok(false)
    }

    /// Whether the published file is just the one that is meant. It gets the new time and mode then.
    fn is_unchanged(&self, digest: Digest) -> bool {
        let Some(base) = &self.base else { return false };
        let Some(manifest) = base.table.complete().filter(|base| base.digest() == digest) else {
            return false;
        };
        let _turn = self.inner.turns.take([self.name.clone()]);
        if !is_at(&base.identity, &self.inner.root, &self.name) {
            return false;
        }
        ftx_store::apply_meta(&self.meta, &base.file, Path::new(self.name.as_str()));
        if let Ok(identity) = FileIdentity::of_std(&base.file) {
            let (manifest, now) = (Arc::new(manifest), SystemTime::now());
            self.inner.blocks.manifests.learn_all(&identity, &manifest, now);
        }
        true
    }

    /// Takes blocks over from the published version.
    fn copy(
        &self,
        staging: &BlockStaging,
        ranges: &[BlockRange],
        progress: &Progress,
    ) -> Result<(), Refusal> {
        if ranges.is_empty() {
            return Ok(());
        }
        let changed = || StoreError::Changed { path: self.name.as_str().into() };
        let base = self.base.as_ref().ok_or_else(changed)?;
        let indices = || ranges.iter().flat_map(|range| range.first..range.end());
        let total = indices().map(|index| block_len(self.size, index)).sum();
        let blocks: Option<Vec<(u64, Cv)>> =
            indices().map(|index| Some((index, base.table.get(index)?))).collect();
        let mut done = 0;
        for some in blocks.ok_or_else(changed)?.chunks(COPIED) {
            if !progress.set(done, total) {
                return Err(StoreError::Cancelled { path: self.name.as_str().into() }.into());
            }
            staging.take_over(&base.file, &base.identity, some)?;
            self.heard.touch();
            let len = some.iter().map(|&(index, _)| block_len(self.size, index)).sum();
            self.reserved.used(len);
            done += len;
        }
        Ok(())
    }

    /// The last look, right before the name changes hands. Whoever else publishes here waits for
    /// its turn; other programs have a moment left between this look and the rename.
    fn check_overwrite(&self) -> Result<(), Refusal> {
        let (Overwrite::IfUnchanged(_), Some(before)) = (self.overwrite, &self.before) else {
            return Ok(());
        };
        if is_at(before, &self.inner.root, &self.name) {
            return Ok(());
        }
        let message = format!("{:?} was changed by somebody else meanwhile", self.name);
        Err(Refusal::new(Reason::PreconditionFailed, message))
    }

    fn end(&self, discard: bool) -> Result<(), Refusal> {
        // Nothing to end if it was taken over or published.
        let Some(staging) = self.take_over() else { return Ok(()) };
        let blocks = &self.inner.blocks;
        let nothing = discard || staging.table().known() == 0;
        let result = if nothing { staging.discard() } else { staging.suspend() };
        blocks.index(|index| if nothing { index.remove(self) } else { index.release(self) });
        result.map_err(Refusal::from)
    }
}

/// Whether the name still stands for the version of this identity.
fn is_at(identity: &FileIdentity, root: &Dir, name: &RemoteName) -> bool {
    root.metadata(name.as_str())
        .is_ok_and(|metadata| FileIdentity::of(&metadata).same_content(identity))
}

impl LocalBlockUpload {
    pub(super) fn new(inner: Arc<Inner>, offer: UploadOffer, beginning: Beginning) -> Self {
        let shared = Arc::new(Shared::new(inner, offer, beginning));
        let (name, id, writer) = (shared.name.clone(), shared.id, Arc::downgrade(&shared));
        shared.inner.blocks.index(|index| index.add(name, id, Some(writer)));
        Self(shared)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let shared = Arc::clone(&self.0);
        blocking(Path::new(self.0.name.as_str()), move || Ok(work(&shared))).await?
    }
}

impl BlockUpload for LocalBlockUpload {
    async fn write(
        &self,
        offset: u64,
        chunk: Vec<u8>,
        mut hasher: BlockHasher,
    ) -> Result<(Vec<u8>, BlockHasher), Refusal> {
        self.blocking(move |shared| {
            hasher.update(&chunk);
            shared.with(|staging| staging.write_at(offset, &chunk))?;
            Ok((chunk, hasher))
        })
        .await
    }

    async fn stored(&self, index: u64, cv: Cv) -> Result<(), Refusal> {
        self.blocking(move |shared| {
            shared.with(|staging| staging.stored(index, cv))?;
            shared.reserved.used(block_len(shared.size, index));
            Ok(())
        })
        .await
    }

    async fn publish(
        &self,
        copy: Vec<BlockRange>,
        digest: Digest,
        progress: Progress,
    ) -> Result<bool, Refusal> {
        let shared = Arc::clone(&self.0);
        at_length(move || shared.publish(&copy, digest, &progress)).await?
    }

    async fn end(&self, discard: bool) -> Result<(), Refusal> {
        self.blocking(move |shared| shared.end(discard)).await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Whoever drives an upload ends it where it may block; this is for one that did not get to.
        if let Err(error) = self.end(false) {
            warn!(%error, "how far an upload got could not be recorded");
        }
    }
}
