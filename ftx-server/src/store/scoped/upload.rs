//! Uploads within the rights and the quota of their principal.

use ftx_core::RemoteName;
use ftx_core::native::blocks::{BlockRange, Cv, Digest};
use ftx_core::native::wire::Overwrite;
use ftx_io::Executor;

use super::ScopedStore;
use super::file_change::FileChange;
use super::open_uploads::OpenUpload;
use super::permit::{WritePermit, WriteTarget};
use super::quota::QuotaReservation;
use super::refusals::{rights_have_changed, too_large_for_all};
use crate::store::{OpenedUpload, Refusal, StagedUpload, Store, UploadOffer, WorkProgress};

/// An unfinished upload of a principal.
pub struct ScopedStaging<S: Store> {
    upload: S::Staging,
    permitted: PermittedUpload<S>,
}

/// The right to upload a file, checked when the upload begins and when it is published.
pub(super) struct PermittedUpload<S> {
    store: ScopedStore<S>,
    name: RemoteName,
    size: u64,
    /// What the client asked for.
    asked: Overwrite,
    /// What it was given.
    target: WriteTarget,
    reserved: Option<QuotaReservation>,
    _open: Option<OpenUpload>,
}

/// Opens a staging for a file that its principal may store.
pub(super) async fn open<S: Store>(
    store: &ScopedStore<S>,
    executor: &Executor,
    offer: UploadOffer,
    progress: WorkProgress,
) -> Result<OpenedUpload<ScopedStaging<S>>, Refusal> {
    let (name, size, asked) = (offer.name.clone(), offer.size, offer.overwrite);
    let (permitted, permit) = PermittedUpload::begin(store, executor, &name, size, asked).await?;
    let (overwrite, naming) = (permit.overwrite, permit.naming(offer.naming));
    let offer = UploadOffer { overwrite, naming, ..offer };
    let opened = store.inner.offer(executor, offer, progress).await;
    let OpenedUpload { upload, staged, published } =
        opened.map_err(|refusal| permit.refusal(&name, refusal))?;
    let published = published.filter(|_| permit.reads);
    Ok(OpenedUpload { upload: ScopedStaging { upload, permitted }, staged, published })
}

impl<S: Store> PermittedUpload<S> {
    pub(super) async fn begin(
        store: &ScopedStore<S>,
        executor: &Executor,
        name: &RemoteName,
        size: u64,
        asked: Overwrite,
    ) -> Result<(Self, WritePermit), Refusal> {
        let permit = store.permit(name, size, asked)?;
        let open = store.principal.as_ref();
        let open = open.map(|principal| store.open_uploads.open(principal, &store.limits));
        let open = open.transpose()?;
        store.check_target(executor, name, permit.target).await?;
        let old = store.replaced_size(executor, name, &permit).await;
        let reserved = store.reserve(executor, name, size, old).await?;
        let (store, name, target) = (store.clone(), name.clone(), permit.target);
        Ok((Self { store, name, size, asked, target, reserved, _open: open }, permit))
    }

    /// Fails if the file may not be published any more. Begins the change that this is.
    pub(super) async fn check(
        &self,
        executor: &Executor,
    ) -> Result<(WritePermit, FileChange), Refusal> {
        let Self { store, name, size, .. } = self;
        let permit = store.permit(name, *size, self.asked)?;
        if permit.target != self.target {
            return Err(rights_have_changed(name));
        }
        store.check_target(executor, name, permit.target).await?;
        let change = store.change(executor, name).await;
        if let Some(reserved) = &self.reserved {
            let old = if permit.replaces() { change.old_bytes() } else { 0 };
            let fits = reserved.resize(size.saturating_sub(old));
            fits.map_err(|full| full.refusal(name, *size, permit.sees))?;
        }
        Ok((permit, change))
    }

    /// The file was published.
    pub(super) fn published(&self, permit: &WritePermit, mut change: FileChange) {
        // Before its room is given back, which another file could take otherwise.
        change.stored(self.size, permit);
        self.release();
    }

    /// The upload has ended otherwise.
    pub(super) fn release(&self) {
        if let Some(reserved) = &self.reserved {
            reserved.release();
        }
    }

    pub(super) fn name(&self) -> &RemoteName {
        &self.name
    }
}

impl<S: Store> ScopedStore<S> {
    /// The permit to store a file of this size.
    pub(super) fn permit(
        &self,
        name: &RemoteName,
        size: u64,
        asked: Overwrite,
    ) -> Result<WritePermit, Refusal> {
        let view = self.view();
        let permit = view.write_permit(name, asked)?;
        view.check_size(name, size)?;
        self.check_name(name)?;
        if size > self.limits.max_file_bytes {
            return Err(too_large_for_all(name, size, self.limits.max_file_bytes));
        }
        Ok(permit)
    }

    /// The size of the file that would be replaced, for a quota.
    pub(super) async fn replaced_size(
        &self,
        executor: &Executor,
        name: &RemoteName,
        permit: &WritePermit,
    ) -> u64 {
        if permit.replaces() && self.view().scope().quota_bytes.is_some() {
            self.published_size(executor, name).await
        } else {
            0
        }
    }
}

impl<S: Store> StagedUpload for ScopedStaging<S> {
    fn write(
        &self,
        executor: &Executor,
        offset: u64,
        chunk: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send {
        self.upload.write(executor, offset, chunk)
    }

    fn stored(
        &self,
        executor: &Executor,
        index: u64,
        cv: Cv,
    ) -> impl Future<Output = Result<BlockRange, Refusal>> + Send {
        self.upload.stored(executor, index, cv)
    }

    fn forget(
        &self,
        executor: &Executor,
        granule: BlockRange,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        self.upload.forget(executor, granule)
    }

    async fn publish(
        &self,
        executor: &Executor,
        copy: Vec<BlockRange>,
        digest: Digest,
        progress: WorkProgress,
    ) -> Result<bool, Refusal> {
        let (permit, change) = self.permitted.check(executor).await?;
        let published = self.upload.publish(executor, copy, digest, progress).await;
        let name = self.permitted.name();
        let unchanged = published.map_err(|refusal| permit.refusal(name, refusal))?;
        self.permitted.published(&permit, change);
        Ok(unchanged && permit.reads)
    }

    async fn end(&self, executor: &Executor, discard: bool) -> Result<(), Refusal> {
        self.permitted.release();
        self.upload.end(executor, discard).await
    }
}
