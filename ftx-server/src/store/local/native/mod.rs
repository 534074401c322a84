//! The local directory as the native dialect sees it.
//!
//! ```text
//! ROOT/.ftx/blocks/<id>.data     the blocks of an upload
//! ROOT/.ftx/blocks/<id>.journal  the numbers and chaining values of these blocks
//! ROOT/.ftx/batch/               small files before they are published; useless after a crash
//! ROOT/.ftx/manifests/           chaining values of published files
//! ```
//!
//! # Ownership of stagings
//! As in the legacy dialect, a staging has one writer. A later offer of the same owner takes its staging
//! over at once; a hung connection of that owner can no longer write. An offer of another owner takes over
//! a staging that is idle, or whose writer has been silent for the stall timeout; otherwise it gets a
//! staging of its own.

mod batch_dirs;
mod block_map;
mod confirm;
mod file;
mod index;
mod lease;
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
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::wire::{Entry, EntryKind};
use ftx_store::{Durability, ManifestCache, ManifestLimits, StoreError, meta_of};

pub use self::file::LocalFile;
use self::index::{STAGING_DIR, Stagings};
use self::lease::StagingLease;
pub use self::list::LocalCursor;
use self::space::Ledger;
use self::upload::BlockWriter;
pub use self::upload::LocalBlockUpload;
use super::expiry::ExpiryClock;
use super::permits::{SlowJob, on_blocking_pool};
use super::private_dir::PrivateDir;
use super::walk::{NameMemory, entry};
use super::{LocalStore, StoreInner, subdirectory};
use crate::config::Config;
use crate::store::local::recovery::{StagingId, remove};
use crate::store::{
    ExpectedVersion, ListPage, ListRequest, OpenedUpload, PutOutcome, Refusal, SmallFile, Store,
    UploadOffer, WorkProgress,
};

/// The part of a store that serves the native dialect.
#[derive(Debug)]
pub(super) struct NativeState {
    dir: PrivateDir,
    stagings: Stagings<BlockWriter>,
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
        config: &Config,
    ) -> Result<Self, StoreError> {
        let dir = PrivateDir::open(private_dir, "blocks")?;
        let stagings = Stagings::load(&dir.get(), expiry, config.staging_ttl)?;
        let manifests = subdirectory(private_dir, Path::new("manifests"))?;
        let manifests = ManifestCache::in_dir(&manifests, ManifestLimits::default())?;
        let open_files = config.descriptors.for_short_job();
        let batch_dirs = batch_dirs::BatchDirs::open(private_dir, config.durability, open_files)?;
        let (ledger, silent) = (Ledger::default(), config.timeouts.stall);
        let names = NameMemory::default();
        Ok(Self { dir, stagings, manifests, ledger, batch_dirs, silent, names })
    }
}

/// Removes the idle stagings of a name that was published. Blocks.
pub(super) fn discard_idle(inner: &StoreInner, name: &RemoteName) {
    while let Some(lease) = StagingLease::take_idle(&inner.native.stagings, name, None, |_| true) {
        remove(&inner.native.dir.get(), lease.id);
        lease.remove();
    }
}

/// Removes the stagings that had no writer for `ttl`. Blocks, and locks the index for moments only.
pub(super) fn expire(inner: &StoreInner, ttl: Duration) {
    let NativeState { dir, stagings, .. } = &inner.native;
    let dir = &*dir.get();
    let is_old = |id: StagingId| inner.expiry.is_expired(STAGING_DIR, dir, id, ttl);
    for (name, old) in stagings.idle() {
        if is_old(old)
            && let Some(lease) = StagingLease::take_idle(stagings, &name, None, |id| id == old)
            // An upload may have resumed it since the first look.
            && is_old(old)
        {
            remove(dir, old);
            lease.remove();
        }
    }
}

impl Store for LocalStore {
    type Staging = LocalBlockUpload;
    type File = LocalFile;
    type Cursor = LocalCursor;

    async fn offer(
        &self,
        offer: UploadOffer,
        progress: WorkProgress,
    ) -> Result<OpenedUpload<LocalBlockUpload>, Refusal> {
        offer::open(&self.inner, offer, progress).await
    }

    async fn put(&self, files: Vec<SmallFile>) -> Vec<Result<PutOutcome, Refusal>> {
        put::put(self, files).await
    }

    async fn confirm(
        &self,
        expected: ExpectedVersion,
        progress: WorkProgress,
    ) -> Result<bool, Refusal> {
        confirm::confirm(&self.inner, expected, progress).await
    }

    async fn open(&self, name: &RemoteName) -> Result<LocalFile, Refusal> {
        self.blocking(name, |inner, name| Ok(LocalFile::open(inner, name)?)).await
    }

    async fn stat(&self, name: &RemoteName) -> Result<Entry, Refusal> {
        self.blocking(name, |inner, name| {
            let metadata = inner.root.metadata(Path::new(name.as_str()));
            let metadata =
                metadata.map_err(|error| StoreError::io("look at", name.as_str(), error))?;
            entry(name.clone(), &metadata).map_err(|_| {
                let message = format!("{name:?} is neither a file nor a directory");
                Refusal::new(Reason::NotAFile, message)
            })
        })
        .await
    }

    async fn list(
        &self,
        list: ListRequest,
        cursor: Option<LocalCursor>,
    ) -> Result<(ListPage, Option<LocalCursor>), Refusal> {
        let inner = Arc::clone(&self.inner);
        let permit = inner.permits.take(SlowJob::Read).await;
        on_blocking_pool(permit, move || Ok(list::page(&inner, &list, cursor)?)).await
    }

    async fn make_directory(&self, name: &RemoteName) -> Result<Entry, Refusal> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        let permit = inner.permits.take(SlowJob::Sync).await;
        on_blocking_pool(permit, move || {
            // The parent of whatever would be in it.
            let inside = Path::new(name.as_str()).join("x");
            let dir = inner.root.create_parents(&inside)?;
            let metadata = dir.dir_metadata();
            let metadata =
                metadata.map_err(|error| StoreError::io("look at", name.as_str(), error))?;
            let meta = meta_of(&metadata);
            Ok(Entry { name, kind: EntryKind::Directory, size: 0, meta })
        })
        .await
    }

    async fn remove(&self, name: &RemoteName) -> Result<(), Refusal> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        let permit = inner.permits.take(SlowJob::Sync).await;
        on_blocking_pool(permit, move || {
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
        })
        .await
    }
}
