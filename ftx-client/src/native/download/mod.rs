//! Downloads: a small file comes in one frame, a large one block by block over all connections.

mod basis;
mod batch;
mod block;
mod pages;
mod replies;
mod request_window;
mod stream;
mod target;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::blocks::Manifest;
use ftx_core::native::download::{
    DownloadRequest, DownloadStep, Fetch, OpenRequests, RemoteVersion,
};
use ftx_core::native::{Reason, StreamId};
use ftx_io::Executor;
use ftx_store::{BlockStaging, Durability, ManifestCache};

use self::stream::DownloadStream;
use self::target::{DownloadTarget, ExistingFile, LocalData};
use super::attempt::Attempt;
use super::channel::Channel;
use super::queue::{TransferJob, TransferQueue, lock};
use super::workload::Workload;
use crate::{ClientConfig, FileDownload, LocalPath, TransferError, Transferred};

/// A file to download.
#[derive(Debug)]
pub(crate) struct DownloadJob {
    pub(crate) name: RemoteName,
    pub(crate) path: LocalPath,
    /// Its size in bytes, if a listing gave it.
    pub(crate) size: Option<u64>,
    /// It arrived damaged, so the server may have to read the file again.
    mismatched: AtomicBool,
    /// A listing gave it, so that it may vanish before its turn.
    is_listed: bool,
}

impl DownloadJob {
    /// A file that the caller named.
    pub(crate) fn named(file: FileDownload) -> Self {
        let FileDownload { name, path, size } = file;
        Self { name, path, size, mismatched: AtomicBool::new(false), is_listed: false }
    }

    /// A file of a listing.
    pub(super) fn listed(file: FileDownload) -> Self {
        Self { is_listed: true, ..Self::named(file) }
    }
}

impl TransferJob for DownloadJob {
    fn stops_others(&self, error: &TransferError) -> bool {
        !(self.is_listed && error.reason() == Reason::NotFound)
    }
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

/// A file whose target is not open.
struct PendingFile {
    job: usize,
    name: RemoteName,
    target: DownloadTarget,
    local: LocalCopy,
}

/// The local data of a file.
enum LocalCopy {
    None,
    /// Nothing has the name.
    Missing,
    /// At most a block, at the target.
    Small(ExistingFile),
    /// Of any size, to be compared block by block.
    Blocks(Box<LocalData>),
}

/// A file whose local data is compared with the manifest of the server.
struct Comparison {
    file: Box<PendingFile>,
    remote: RemoteVersion,
    manifest: Manifest,
}

type GetRequest = DownloadRequest<Box<PendingFile>, Arc<OpenDownload>>;
type GetRequests = OpenRequests<Box<PendingFile>, Arc<OpenDownload>>;
type GetStep = DownloadStep<Box<PendingFile>, Arc<OpenDownload>>;

impl PendingFile {
    fn take_local(&mut self) -> LocalData {
        match std::mem::replace(&mut self.local, LocalCopy::None) {
            LocalCopy::Blocks(local) => *local,
            LocalCopy::None | LocalCopy::Missing | LocalCopy::Small(_) => LocalData::none(),
        }
    }
}

impl LocalCopy {
    /// Bytes that may have to be hashed and copied.
    fn bytes(&self) -> u64 {
        match self {
            Self::Blocks(local) => local.bytes(),
            Self::None | Self::Missing | Self::Small(_) => 0,
        }
    }

    /// All local bytes, useful or not.
    fn all_bytes(&self) -> u64 {
        match self {
            Self::Blocks(local) => local.all_bytes(),
            Self::None | Self::Missing | Self::Small(_) => 0,
        }
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
