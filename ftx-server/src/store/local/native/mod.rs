//! The local directory as the native dialect sees it.
//!
//! ```text
//! ROOT/.ftx/blocks/<id>.data     the blocks of an upload
//! ROOT/.ftx/blocks/<id>.journal  the numbers and chaining values of these blocks
//! ROOT/.ftx/batch/               small files before they are published; useless after a crash
//! ROOT/.ftx/manifests/           chaining values of published files
//! ```
//!
//! [`staging_index`](super::staging_index) says who may write to a staging.

mod batch_dirs;
mod block_map;
mod confirm;
mod file;
mod list;
mod offer;
mod publish;
mod published_version;
mod put;
mod space;
#[cfg(test)]
mod tests;
mod upload;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::wire::{Entry, EntryKind};
use ftx_io::Executor;
use ftx_store::{
    BlockStaging, Durability, ManifestCache, ManifestLimits, StagingFiles, StoreError, meta_of,
};

pub use self::file::LocalFile;
pub use self::list::LocalCursor;
use self::space::Ledger;
use self::upload::BlockWriter;
pub use self::upload::LocalBlockUpload;
use super::expiry::ExpiryClock;
use super::permits::SlowJob;
use super::staging_index::{StagingIndex, StagingKey};
use super::walk::{NameMemory, entry};
use super::{LocalStore, LocalStoreConfig, subdirectory};
use crate::auth::Principal;
use crate::store::{
    ExpectedVersion, ListPage, ListRequest, OpenedUpload, PutOutcome, Refusal, SmallFile, Store,
    UploadOffer, WorkProgress,
};

/// The part of a store that serves the native dialect.
#[derive(Debug)]
pub(super) struct NativeState {
    pub(super) stagings: Arc<StagingIndex<Weak<BlockWriter>>>,
    manifests: ManifestCache,
    ledger: Ledger,
    batch_dirs: batch_dirs::BatchDirs,
    /// How long another client's writer must have been silent for its staging to be taken over.
    silent: Duration,
    /// For the names of directories that are listed.
    names: NameMemory,
}

impl NativeState {
    pub(super) fn open(
        private_dir: &Dir,
        expiry: &ExpiryClock,
        config: &LocalStoreConfig,
    ) -> Result<Self, StoreError> {
        let key_of = |dir: &Dir, files: &StagingFiles| {
            let purpose = BlockStaging::purpose_of(dir, files)?;
            Ok(purpose.as_ref().and_then(StagingKey::from_purpose))
        };
        let stagings = StagingIndex::open(private_dir, "blocks", expiry, config, key_of)?;
        let manifests = subdirectory(private_dir, Path::new("manifests"))?;
        let manifests = ManifestCache::in_dir(&manifests, ManifestLimits::default())?;
        let open_files = config.descriptors.for_short_job();
        let batch_dirs = batch_dirs::BatchDirs::open(private_dir, config.durability, open_files)?;
        let (ledger, silent) = (Ledger::default(), config.takeover_after);
        let names = NameMemory::default();
        Ok(Self { stagings, manifests, ledger, batch_dirs, silent, names })
    }
}

impl Store for LocalStore {
    type Staging = LocalBlockUpload;
    type File = LocalFile;
    type Cursor = LocalCursor;

    fn for_principal(&self, principal: &Principal) -> Self {
        Self { inner: Arc::clone(&self.inner), principal: principal.clone() }
    }

    async fn offer(
        &self,
        executor: &Executor,
        offer: UploadOffer,
        progress: WorkProgress,
    ) -> Result<OpenedUpload<LocalBlockUpload>, Refusal> {
        offer::open(self, executor, offer, progress).await
    }

    async fn put(
        &self,
        executor: &Executor,
        files: Vec<SmallFile>,
    ) -> Vec<Result<PutOutcome, Refusal>> {
        put::put(self, executor, files).await
    }

    async fn confirm(
        &self,
        executor: &Executor,
        expected: ExpectedVersion,
        progress: WorkProgress,
    ) -> Result<bool, Refusal> {
        confirm::confirm(&self.inner, executor, expected, progress).await
    }

    async fn open(&self, executor: &Executor, name: &RemoteName) -> Result<LocalFile, Refusal> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        Ok(executor.run(move || LocalFile::open(&inner, &name)).await??)
    }

    async fn stat(&self, executor: &Executor, name: &RemoteName) -> Result<Entry, Refusal> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        let look = move || {
            let metadata = inner.root.metadata(Path::new(name.as_str()));
            let metadata =
                metadata.map_err(|error| StoreError::io("look at", name.as_str(), error))?;
            entry(name.clone(), &metadata).map_err(|_| {
                let message = format!("{name:?} is neither a file nor a directory");
                Refusal::new(Reason::NotAFile, message)
            })
        };
        executor.run(look).await?
    }

    async fn list(
        &self,
        executor: &Executor,
        list: ListRequest,
        cursor: Option<LocalCursor>,
    ) -> Result<(ListPage, Option<LocalCursor>), Refusal> {
        let inner = Arc::clone(&self.inner);
        let page = move || Ok(list::page(&inner, &list, cursor)?);
        self.inner.permits.run_long(executor, SlowJob::Read, page).await
    }

    async fn make_directory(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> Result<Entry, Refusal> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        let make = move || {
            // The parent of whatever would be in it.
            let inside = Path::new(name.as_str()).join("x");
            let dir = inner.root.create_parents(&inside)?;
            let metadata = dir.dir_metadata();
            let metadata =
                metadata.map_err(|error| StoreError::io("look at", name.as_str(), error))?;
            let meta = meta_of(&metadata);
            Ok(Entry { name, kind: EntryKind::Directory, size: 0, meta })
        };
        self.inner.permits.run_long(executor, SlowJob::Sync, make).await
    }

    async fn remove(&self, executor: &Executor, name: &RemoteName) -> Result<(), Refusal> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        let remove = move || {
            let path = Path::new(name.as_str());
            let _lock = inner.name_locks.lock([name.clone()]);
            let removed = inner.root.remove_file(path);
            // A file that is missing may have been removed by a server that was killed before its sync.
            let is_absent = match &removed {
                Ok(()) => true,
                Err(error) => error.kind() == ErrorKind::NotFound,
            };
            if is_absent && inner.root.durability() == Durability::Full {
                let synced = inner.root.make_absence_durable(path);
                synced.map_err(|error| StoreError::io("sync", path, error))?;
            }
            Ok(removed.map_err(|error| StoreError::io("remove", path, error))?)
        };
        self.inner.permits.run_long(executor, SlowJob::Sync, remove).await
    }
}
