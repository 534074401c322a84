//! A store in memory that counts its calls, and lets others in before it writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::task::yield_now;

use super::*;
use crate::store::memory::{MemDownload, MemFile, MemOffer, MemStaging, MemUpload};
use crate::store::{LegacyBegin, LegacyOffer, LegacyStore};

/// Files in memory; clones share them and the count.
#[derive(Clone, Debug, Default)]
pub(super) struct CountedStore {
    pub(super) files: MemStore,
    calls: Arc<AtomicUsize>,
}

impl CountedStore {
    /// The calls since the last time.
    pub(super) fn take_calls(&self) -> usize {
        self.calls.swap(0, Relaxed)
    }

    fn count(&self) -> &MemStore {
        self.calls.fetch_add(1, Relaxed);
        &self.files
    }
}

impl Store for CountedStore {
    type Staging = MemStaging;
    type File = MemFile;
    type Cursor = std::convert::Infallible;

    async fn offer(
        &self,
        executor: &Executor,
        offer: UploadOffer,
        progress: WorkProgress,
    ) -> Result<OpenedUpload<MemStaging>, Refusal> {
        self.count().offer(executor, offer, progress).await
    }

    async fn put(
        &self,
        executor: &Executor,
        files: Vec<SmallFile>,
    ) -> Vec<Result<PutOutcome, Refusal>> {
        yield_now().await;
        self.count().put(executor, files).await
    }

    async fn confirm(
        &self,
        executor: &Executor,
        expected: ExpectedVersion,
        progress: WorkProgress,
    ) -> Result<bool, Refusal> {
        self.count().confirm(executor, expected, progress).await
    }

    async fn open(&self, executor: &Executor, name: &RemoteName) -> Result<MemFile, Refusal> {
        self.count().open(executor, name).await
    }

    async fn stat(&self, executor: &Executor, name: &RemoteName) -> Result<Entry, Refusal> {
        self.count().stat(executor, name).await
    }

    async fn list(
        &self,
        executor: &Executor,
        list: ListRequest,
        cursor: Option<Self::Cursor>,
    ) -> Result<(ListPage, Option<Self::Cursor>), Refusal> {
        self.count().list(executor, list, cursor).await
    }

    async fn make_directory(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> Result<Entry, Refusal> {
        self.count().make_directory(executor, name).await
    }

    async fn remove(&self, executor: &Executor, name: &RemoteName) -> Result<(), Refusal> {
        yield_now().await;
        self.count().remove(executor, name).await
    }
}

impl LegacyStore for CountedStore {
    type Offer = MemOffer;
    type Upload = MemUpload;
    type Download = MemDownload;

    async fn offer_prefix(
        &self,
        executor: &Executor,
        name: &RemoteName,
        limit: u64,
    ) -> Result<LegacyOffer<MemOffer>, Refusal> {
        self.count().offer_prefix(executor, name, limit).await
    }

    async fn begin(
        &self,
        executor: &Executor,
        name: &RemoteName,
        begin: LegacyBegin<MemOffer>,
        len: u64,
    ) -> Result<MemUpload, Refusal> {
        self.count().begin(executor, name, begin, len).await
    }

    async fn open_download(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> Result<MemDownload, Refusal> {
        self.count().open_download(executor, name).await
    }
}
