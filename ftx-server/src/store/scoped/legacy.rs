//! The legacy dialect within the rights of its principal.

use ftx_core::RemoteName;
use ftx_core::legacy::Md5Digest;
use ftx_core::native::Reason;
use ftx_core::native::wire::Overwrite;
use ftx_io::Executor;

use super::ScopedStore;
use super::permit::WriteTarget;
use super::refusals::is_there_already;
use super::upload::PermittedUpload;
use crate::store::{
    LegacyBegin, LegacyOffer, LegacyStore, LegacyUpload, Refusal, Store, TakenName,
};

/// The offered prefix of a file.
#[derive(Debug)]
pub struct ScopedOffer<O> {
    pub(super) inner: O,
    /// The client was told nothing of it.
    pub(super) is_hidden: bool,
    pub(super) held_bytes: u64,
}

/// An unfinished upload of a legacy client.
pub struct ScopedLegacyUpload<S: LegacyStore> {
    upload: S::Upload,
    permitted: PermittedUpload<S>,
}

impl<S: Store + LegacyStore> LegacyStore for ScopedStore<S> {
    type Offer = ScopedOffer<S::Offer>;
    type Upload = ScopedLegacyUpload<S>;
    type Download = S::Download;

    async fn offer_prefix(
        &self,
        executor: &Executor,
        name: &RemoteName,
        limit: u64,
    ) -> Result<LegacyOffer<Self::Offer>, Refusal> {
        let permit = self.permit(name, 0, Overwrite::Replace)?;
        let offered = self.inner.offer_prefix(executor, name, limit).await;
        let LegacyOffer { held, published, offer: inner } =
            offered.map_err(|refusal| permit.refusal(name, refusal))?;
        let is_hidden = published && !permit.reads;
        let held = held.filter(|_| !is_hidden);
        let offer = ScopedOffer { inner, is_hidden, held_bytes: held.map_or(0, |held| held.len) };
        Ok(LegacyOffer { held, published: published && permit.reads, offer })
    }

    async fn begin(
        &self,
        executor: &Executor,
        name: &RemoteName,
        begin: LegacyBegin<Self::Offer>,
        len: u64,
    ) -> Result<Self::Upload, Refusal> {
        let (begin, size) = match begin {
            LegacyBegin::Anew(offer) => (LegacyBegin::Anew(offer.inner), len),
            LegacyBegin::Resume(ScopedOffer { is_hidden: true, .. }) => {
                let message = format!("nothing of {name:?} was offered; ask again");
                return Err(Refusal::new(Reason::Changed, message));
            }
            LegacyBegin::Resume(offer) => {
                (LegacyBegin::Resume(offer.inner), len.saturating_add(offer.held_bytes))
            }
        };
        let begun = PermittedUpload::begin(self, executor, name, size, Overwrite::Replace).await;
        let (permitted, permit) = begun?;
        // The inner store says so only at the end, when all bytes have been sent.
        if permit.target == WriteTarget::NewOnly && self.inner.stat(executor, name).await.is_ok() {
            return Err(is_there_already(name));
        }
        let begun = self.inner.begin(executor, name, begin, len).await;
        let upload = begun.map_err(|refusal| permit.refusal(name, refusal))?;
        Ok(ScopedLegacyUpload { upload, permitted })
    }

    async fn open_download(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> Result<Self::Download, Refusal> {
        let view = self.view();
        view.check_read(name)?;
        let opened = self.inner.open_download(executor, name).await;
        opened.map_err(|refusal| view.hide_directory(name, refusal))
    }
}

impl<S: Store + LegacyStore> LegacyUpload for ScopedLegacyUpload<S> {
    fn write(
        &mut self,
        executor: &Executor,
        chunk: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send {
        self.upload.write(executor, chunk)
    }

    /// `taken` comes from the rights.
    async fn publish_as(
        self,
        executor: &Executor,
        _: TakenName,
    ) -> Result<Option<Md5Digest>, Refusal> {
        let Self { upload, permitted } = self;
        let (permit, change) = match permitted.check(executor).await {
            Ok(checked) => checked,
            Err(refusal) => {
                upload.suspend(executor).await?;
                return Err(refusal);
            }
        };
        let taken = match permit.target {
            WriteTarget::AsAsked | WriteTarget::ExistingOnly => TakenName::Replace,
            WriteTarget::NewOnly => TakenName::Refuse,
            WriteTarget::FirstFree => TakenName::FirstFree,
        };
        let published = upload.publish_as(executor, taken).await;
        let md5 = published.map_err(|refusal| permit.refusal(permitted.name(), refusal))?;
        permitted.published(&permit, change);
        Ok(md5)
    }

    async fn suspend(self, executor: &Executor) -> Result<(), Refusal> {
        self.permitted.release();
        self.upload.suspend(executor).await
    }
}
