//! A file that grows block by block, written to by the connections of one client.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, TryLockError, Weak};
use std::time::{Duration, Instant};

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockRange, Cv, Digest, PartialManifest, block_len};
use ftx_core::native::wire::{Meta, Overwrite};
use ftx_io::Executor;
use ftx_store::{BlockStaging, FileIdentity, StoreError};
use tracing::warn;

use super::super::permits::SlowJob;
use super::super::{DescriptorShare, StoreInner};
use super::published_version::PublishedVersion;
use super::space::Reservation;
use crate::store::local::latch::LastWrite;
use crate::store::local::staging_index::{StagingLease, WriterHandle};
use crate::store::{Naming, Refusal, StagedUpload, UploadOffer, UploadOwner, WorkProgress};

/// After a slower write, the next write runs on another thread.
const SLOW_WRITE: Duration = Duration::from_millis(250);

/// How often an upload is said to be alive that waits for its own commit.
const TOUCH_INTERVAL: Duration = Duration::from_secs(1);

/// A handle of an upload; clones are the same one.
#[derive(Clone, Debug)]
pub struct LocalBlockUpload(Arc<BlockWriter>);

/// One client's upload of one file.
#[derive(Debug)]
pub(in crate::store::local) struct BlockWriter {
    pub(super) inner: Arc<StoreInner>,
    pub(super) name: RemoteName,
    pub(super) owner: Option<UploadOwner>,
    pub(super) size: u64,
    pub(super) meta: Meta,
    pub(super) overwrite: Overwrite,
    pub(super) naming: Naming,
    /// The version that was published then, if blocks of it can be of use.
    pub(super) basis: Mutex<Option<Basis>>,
    pub(super) last_write: LastWrite,
    /// The last write was slow.
    slow: AtomicBool,
    pub(super) reserved: Reservation,
    /// `None` when the upload has ended, or was taken over. Writers of blocks hold the read lock; a takeover
    /// holds the write lock, so no write is in flight then.
    pub(super) staging: RwLock<Option<LeasedStaging>>,
    /// Of the descriptors.
    share: OnceLock<DescriptorShare>,
}

/// An open staging, with the right to touch its files. They are closed before the lease ends.
#[derive(Debug)]
pub(super) struct LeasedStaging {
    pub(super) staging: BlockStaging,
    pub(super) lease: BlockLease,
}

/// The right to touch the files of a staging.
pub(super) type BlockLease = StagingLease<Weak<BlockWriter>>;

/// A published version to take blocks from.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) file: std::fs::File,
    pub(super) identity: FileIdentity,
    /// The known chaining values, except of blocks beyond the end of the offered file.
    pub(super) known: PartialManifest,
}

/// The parts of a new upload.
pub(super) struct WriterParts {
    pub(super) staging: LeasedStaging,
    pub(super) basis: Option<Basis>,
    pub(super) reserved: Reservation,
}

impl BlockWriter {
    fn new(inner: Arc<StoreInner>, offer: UploadOffer, beginning: WriterParts) -> Self {
        let UploadOffer { name, size, meta, overwrite, naming, owner } = offer;
        let WriterParts { staging, basis, reserved } = beginning;
        let (last_write, staging) = (LastWrite::now(), RwLock::new(Some(staging)));
        let basis = Mutex::new(basis);
        Self {
            inner,
            name,
            owner,
            size,
            meta,
            overwrite,
            naming,
            basis,
            last_write,
            slow: AtomicBool::new(false),
            reserved,
            staging,
            share: OnceLock::new(),
        }
    }

    /// Whether it has something of a file of this size.
    pub(super) fn is_of_use(&self, size: u64) -> bool {
        let staging = self.staging.read().unwrap_or_else(PoisonError::into_inner);
        self.size == size
            && staging.as_ref().is_some_and(|leased| leased.staging.block_map().known() > 0)
    }

    /// Takes the staging out with its lease, and returns the reservation. Waits for writes in flight; later
    /// ones fail. `None` if the upload has ended, or lost the staging to another one.
    pub(super) fn take_over(&self) -> Option<LeasedStaging> {
        let staging = self.take()?;
        self.reserved.give_back();
        Some(staging)
    }

    pub(super) fn take_basis(&self) -> Option<Basis> {
        self.basis.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn take(&self) -> Option<LeasedStaging> {
        self.staging.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&BlockStaging) -> Result<T, StoreError>,
    ) -> Result<T, Refusal> {
        self.last_write.touch();
        let staging = self.staging.read().unwrap_or_else(PoisonError::into_inner);
        let leased = staging.as_ref().ok_or_else(|| self.taken_over())?;
        let begun = Instant::now();
        let done = work(&leased.staging);
        self.slow.store(begun.elapsed() >= SLOW_WRITE, Relaxed);
        done.map_err(|error| self.refused(error))
    }

    /// Whether a write may take long.
    fn may_wait(&self) -> bool {
        self.slow.load(Relaxed)
            || match self.staging.try_read() {
                Ok(staging) => staging.as_ref().is_some_and(|leased| leased.staging.is_syncing()),
                Err(TryLockError::Poisoned(_)) => false,
                Err(TryLockError::WouldBlock) => true,
            }
    }

    /// The refusal for an error, with the name of the file in place of the name of the staging.
    pub(super) fn refused(&self, error: StoreError) -> Refusal {
        error.with_path(self.name.as_str()).into()
    }

    pub(super) fn taken_over(&self) -> Refusal {
        let message = format!("the upload of {:?} goes on over another connection", self.name);
        Refusal::new(Reason::TakenOver, message)
    }

    fn end(&self, discard: bool) -> Result<(), Refusal> {
        drop(self.take_basis());
        // Nothing to end if it was taken over or published.
        let Some(LeasedStaging { staging, mut lease }) = self.take_over() else { return Ok(()) };
        lease.hold(self.owner);
        let nothing = discard || staging.block_map().known() == 0;
        let result = if nothing { staging.discard() } else { staging.suspend() };
        if nothing {
            lease.remove();
        }
        result.map_err(|error| self.refused(error))
    }
}

impl LocalBlockUpload {
    pub(super) fn new(inner: Arc<StoreInner>, offer: UploadOffer, beginning: WriterParts) -> Self {
        let shared = Arc::new(BlockWriter::new(inner, offer, beginning));
        let mut staging = shared.staging.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(LeasedStaging { lease, .. }) = &mut *staging {
            lease.write_as(Arc::downgrade(&shared), shared.owner);
        }
        drop(staging);
        Self(shared)
    }

    /// Holds its descriptors until it is no more.
    pub(super) fn holds(&self, share: DescriptorShare) {
        let _ = self.0.share.set(share);
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> Arc<BlockWriter> {
        Arc::clone(&self.0)
    }

    /// Runs a write, on another thread if it may take long, so that the connection can send
    /// heartbeats.
    async fn writing<T: Send + 'static>(
        &self,
        executor: &Executor,
        may_wait: bool,
        work: impl FnOnce(&BlockWriter) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (shared, permits) = (Arc::clone(&self.0), &self.0.inner.permits);
        let work = move || work(&shared);
        if may_wait {
            permits.run_long(executor, SlowJob::Write, work).await
        } else {
            permits.run(executor, SlowJob::Write, work).await
        }
    }
}

impl StagedUpload for LocalBlockUpload {
    async fn write(
        &self,
        executor: &Executor,
        offset: u64,
        chunk: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        self.writing(executor, self.0.slow.load(Relaxed), move |shared| {
            shared.with(|staging| staging.write_at(offset, &chunk))?;
            Ok(chunk)
        })
        .await
    }

    async fn stored(&self, executor: &Executor, index: u64, cv: Cv) -> Result<BlockRange, Refusal> {
        self.writing(executor, self.0.may_wait(), move |shared| {
            shared.with(|staging| staging.stored(index, cv))?;
            shared.reserved.used(block_len(shared.size, index));
            Ok(BlockRange { first: index, count: 1 })
        })
        .await
    }

    async fn publish(
        &self,
        executor: &Executor,
        copy: Vec<BlockRange>,
        digest: Digest,
        progress: WorkProgress,
    ) -> Result<bool, Refusal> {
        let shared = Arc::clone(&self.0);
        let published_version = if shared.needs_current(digest) {
            let found = PublishedVersion::find(
                &shared.inner,
                executor,
                &shared.name,
                None,
                progress.clone(),
            );
            touch_during(&shared.last_write, found).await?
        } else {
            None
        };
        let publish = move || {
            let start = Instant::now();
            let published = shared.publish(&copy, digest, published_version.as_ref(), &progress);
            shared.inner.metrics.published(start.elapsed());
            published
        };
        self.0.inner.permits.run_long(executor, SlowJob::Sync, publish).await
    }

    async fn end(&self, executor: &Executor, discard: bool) -> Result<(), Refusal> {
        let shared = Arc::clone(&self.0);
        // Discarding a staging waits for a running sync.
        let end = move || shared.end(discard);
        self.0.inner.permits.run_long(executor, SlowJob::Sync, end).await
    }
}

impl WriterHandle for Weak<BlockWriter> {
    type Known = ();

    /// An upload that is being dropped is about to let go of its staging, so it is not silent.
    fn silence(&self) -> Duration {
        self.upgrade().map_or(Duration::ZERO, |writer| writer.last_write.silence())
    }
}

/// Waits for work that the client does not write during, so that it is not taken for silent.
async fn touch_during<T>(last_write: &LastWrite, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(TOUCH_INTERVAL) => last_write.touch(),
        }
    }
}

impl Drop for BlockWriter {
    fn drop(&mut self) {
        // The driver ends an upload where it may block. This is for a driver that was dropped before.
        if let Err(error) = self.end(false) {
            warn!(%error, "how far an upload got could not be recorded");
        }
    }
}
