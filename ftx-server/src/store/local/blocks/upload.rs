//! A file that grows block by block, written to by the connections of one client.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockHasher, BlockRange, Cv, Digest, Manifest, block_len};
use ftx_core::native::wire::{Meta, Overwrite, Token};
use ftx_io::blocking;
use ftx_store::{BlockStaging, Existing, FileIdentity, StoreError};
use tracing::warn;

use super::super::Inner;
use super::super::index::{Heard, StagingId};
use super::space::Reservation;
use crate::store::native::{BlockUpload, Refusal, UploadOffer};

/// A handle of an upload; clones are the same one.
#[derive(Clone, Debug)]
pub struct LocalBlockUpload(Arc<Shared>);

/// One client's upload of one file.
#[derive(Debug)]
pub(in crate::store::local) struct Shared {
    inner: Arc<Inner>,
    pub(super) name: RemoteName,
    pub(super) id: StagingId,
    pub(super) writer: Token,
    size: u64,
    meta: Meta,
    overwrite: Overwrite,
    parent: Dir,
    /// The version that was published when the file was offered.
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
    pub(super) manifest: Arc<Manifest>,
}

impl Shared {
    pub(super) fn new(
        inner: Arc<Inner>,
        offer: UploadOffer,
        id: StagingId,
        staging: BlockStaging,
        parent: Dir,
        base: Option<Base>,
        reserved: Reservation,
    ) -> Self {
        let UploadOffer { name, size, meta, overwrite, writer } = offer;
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
            base,
            heard,
            reserved,
            staging,
        }
    }

    /// How long nothing was written.
    pub(super) fn silence(&self) -> Duration {
        self.heard.silence()
    }

    /// Takes the staging out; writing fails from then on. Waits for those who write.
    pub(super) fn take(&self) -> Option<BlockStaging> {
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

    fn publish(&self, copy: &[BlockRange], digest: Digest) -> Result<bool, Refusal> {
        let staging = self.take().ok_or_else(|| self.taken_over())?;
        let result = self.publish_staging(staging, copy, digest);
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
    ) -> Result<bool, Refusal> {
        if let Some(base) = &self.base
            && base.manifest.digest() == digest
            && base.is_at(&self.inner.root, &self.name)
        {
            ftx_store::apply_meta(&self.meta, &base.file, Path::new(self.name.as_str()));
            if let Ok(identity) = FileIdentity::of_std(&base.file) {
                let now = SystemTime::now();
                self.inner.blocks.manifests.learn_all(&identity, &base.manifest, now);
            }
            staging.discard()?;
            return Ok(true);
        }
        self.copy(&staging, copy)?;
        let manifest = staging.table().complete();
        if manifest.map(|manifest| manifest.digest()) != Some(digest) {
            let message = format!("what arrived of {:?} does not have its digest", self.name);
            staging.discard()?;
            return Err(Refusal::new(Reason::DigestMismatch, message));
        }
        self.check_overwrite()?;
        let existing = match self.overwrite {
            Overwrite::Fail => Existing::Keep,
            Overwrite::Replace | Overwrite::IfUnchanged(_) => Existing::Replace,
        };
        let target = Path::new(self.name.file_name());
        let published = staging.publish(&self.parent, target, &self.meta, existing)?;
        let (identity, manifest) = (published.identity, Arc::new(published.manifest));
        self.inner.blocks.manifests.learn_all(&identity, &manifest, SystemTime::now());
        Ok(false)
    }

    /// Takes blocks over from the published version.
    fn copy(&self, staging: &BlockStaging, ranges: &[BlockRange]) -> Result<(), Refusal> {
        if ranges.is_empty() {
            return Ok(());
        }
        let changed = || StoreError::Changed { path: self.name.as_str().into() };
        let base = self.base.as_ref().ok_or_else(changed)?;
        for index in ranges.iter().flat_map(|range| range.first..range.end()) {
            let cv = usize::try_from(index).ok().and_then(|index| base.manifest.cvs().get(index));
            staging.copy_block(&base.file, index, *cv.ok_or_else(changed)?)?;
            self.heard.touch();
            self.reserved.used(block_len(self.size, index));
        }
        let now = FileIdentity::of_std(&base.file)
            .map_err(|error| StoreError::io("look at", self.name.as_str(), error))?;
        if !now.same_content(&base.identity) {
            // There is no telling which of the blocks are the right ones.
            for index in ranges.iter().flat_map(|range| range.first..range.end()) {
                staging.forget(index)?;
            }
            return Err(changed().into());
        }
        Ok(())
    }

    /// The last look, right before the name changes hands.
    fn check_overwrite(&self) -> Result<(), Refusal> {
        let (Overwrite::IfUnchanged(_), Some(base)) = (self.overwrite, &self.base) else {
            return Ok(());
        };
        if base.is_at(&self.inner.root, &self.name) {
            return Ok(());
        }
        let message = format!("{:?} was changed by somebody else meanwhile", self.name);
        Err(Refusal::new(Reason::PreconditionFailed, message))
    }

    fn end(&self, discard: bool) -> Result<(), Refusal> {
        // Nothing to end if it was taken over or published.
        let Some(staging) = self.take() else { return Ok(()) };
        let blocks = &self.inner.blocks;
        let nothing = discard || staging.table().known() == 0;
        let result = if nothing { staging.discard() } else { staging.suspend() };
        blocks.index(|index| if nothing { index.remove(self) } else { index.release(self) });
        result.map_err(Refusal::from)
    }
}

impl Base {
    /// Whether the name still stands for this version.
    fn is_at(&self, root: &Dir, name: &RemoteName) -> bool {
        root.metadata(name.as_str())
            .is_ok_and(|metadata| FileIdentity::of(&metadata).same_content(&self.identity))
    }
}

impl LocalBlockUpload {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (name, id, writer) = (shared.name.clone(), shared.id, Arc::clone(&shared));
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

    async fn publish(&self, copy: Vec<BlockRange>, digest: Digest) -> Result<bool, Refusal> {
        self.blocking(move |shared| shared.publish(&copy, digest)).await
    }

    async fn end(&self, discard: bool) -> Result<(), Refusal> {
        self.blocking(move |shared| shared.end(discard)).await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The index holds it as long as it is written to, so this is the end of the store.
        if let Err(error) = self.end(false) {
            warn!(%error, "how far an upload got could not be recorded");
        }
    }
}
