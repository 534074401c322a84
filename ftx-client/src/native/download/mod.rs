//! Downloads: a small file comes in one frame, a large one block by block over all connections.

mod batch;
mod block;
mod replies;
mod stream;
mod target;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BlockRange, Cv};
use ftx_core::native::download::Fetch;
use ftx_core::native::wire::{Meta, Version};
use ftx_io::Executor;
use ftx_store::{BlockStaging, Durability, ManifestCache};

use self::stream::DownloadStream;
use self::target::{DownloadTarget, ExistingFile, LocalData};
use super::attempt::Attempt;
use super::channel::Channel;
use super::queue::{TransferQueue, lock};
use super::workload::Workload;
use crate::{ClientConfig, LocalPath, TransferError, Transferred};

/// Blocks of one file that a connection requests at a time. Losing it loses at most these.
const WINDOW_BLOCKS: u64 = 8;

/// A file to download.
#[derive(Clone, Debug)]
pub(crate) struct DownloadJob {
    pub(crate) name: RemoteName,
    pub(crate) path: LocalPath,
    /// Its size in bytes, if a listing gave it.
    pub(crate) size: Option<u64>,
    /// It arrived damaged, so the server may have to read the file again.
    pub(crate) mismatched: Arc<AtomicBool>,
}

/// The downloads of one attempt, shared by its connections.
pub(super) struct DownloadWorkload {
    queue: Arc<TransferQueue<DownloadJob>>,
    attempt: Arc<Attempt>,
    durability: Durability,
    manifests: Arc<ManifestCache>,
    /// Files that are fetched in blocks.
    open: Mutex<Vec<Arc<OpenDownload>>>,
}

/// A file that is fetched in blocks.
struct OpenDownload {
    job: usize,
    name: RemoteName,
    target: DownloadTarget,
    remote: RemoteVersion,
    fetch: Mutex<Fetch>,
    /// `None` once the file is whole.
    staging: Mutex<Option<Arc<BlockStaging>>>,
    stream: StreamId,
}

/// The version of a file that the server has.
#[derive(Clone, Copy)]
struct RemoteVersion {
    size: u64,
    meta: Meta,
    version: Version,
}

/// A `Get` that the server has not answered completely.
enum PendingGet {
    /// A file without local data: its first blocks, or all of a small file.
    Start { job: usize, name: RemoteName, target: DownloadTarget, first: Option<BlockRange> },
    /// A small file, unless the local one is the same.
    Conditional(Box<ConditionalGet>),
    /// The chaining values of a file with local data.
    Compare(Box<Comparison>),
    /// Blocks of a file.
    Blocks(Arc<OpenDownload>),
    /// A file that has failed on this side. Its replies are skipped.
    Abandoned,
}

/// A small file whose local version may be up to date.
struct ConditionalGet {
    job: usize,
    name: RemoteName,
    target: DownloadTarget,
    existing: ExistingFile,
    remote: Option<RemoteVersion>,
}

/// A file whose local data is compared with the manifest of the server.
struct Comparison {
    job: usize,
    name: RemoteName,
    target: DownloadTarget,
    local: LocalData,
    remote: Option<RemoteVersion>,
    cvs: Vec<Cv>,
}

impl PendingGet {
    /// Whether the file may be fetched in blocks, which takes descriptors.
    fn may_be_large(&self) -> bool {
        matches!(self, Self::Start { first: Some(_), .. } | Self::Compare(_))
    }
}

impl DownloadWorkload {
    /// Records that a file arrived damaged.
    fn mismatched(&self, job: usize) {
        if let Some(job) = self.queue.job(job) {
            job.mismatched.store(true, Relaxed);
        }
    }

    fn finish(&self, job: usize, result: Result<Transferred, TransferError>) {
        self.attempt.finish(&self.queue, job, result);
    }

    fn close(&self, open: &Arc<OpenDownload>) {
        lock(&self.open).retain(|other| !Arc::ptr_eq(other, open));
        self.attempt.changed.notify_waiters();
    }
}

impl Workload for DownloadWorkload {
    type Job = DownloadJob;

    fn new(
        queue: Arc<TransferQueue<DownloadJob>>,
        attempt: Arc<Attempt>,
        config: &ClientConfig,
        manifests: &Arc<ManifestCache>,
    ) -> Self {
        let (durability, manifests) = (config.durability, Arc::clone(manifests));
        Self { queue, attempt, durability, manifests, open: Mutex::default() }
    }

    async fn work(
        self: Arc<Self>,
        channel: Channel,
        stream: StreamId,
        executor: Executor,
        report: &mut (dyn FnMut() + Send),
    ) -> Result<Channel, TransferError> {
        DownloadStream::new(self, channel, stream, executor).work(report).await
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}
