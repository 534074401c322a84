//! Uploads: a small file goes in one frame, a large one block by block over all connections.

mod ambiguous_commit;
mod block;
mod manifest_saver;
mod probe;
mod replies;
mod source;
mod source_token;
mod stream;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::Digest;
use ftx_core::native::upload::Sender;
use ftx_core::native::wire::{Overwrite, Token};
use ftx_io::Executor;
use ftx_store::ManifestCache;

use self::ambiguous_commit::{CommitProbe, PendingCommit};
use self::manifest_saver::SaveThrottle;
use self::probe::ProbePolicy;
use self::source::UploadSource;
use self::stream::UploadStream;
use super::attempt::Attempt;
use super::channel::Channel;
use super::queue::{TransferQueue, lock};
use super::workload::Workload;
use crate::{ClientConfig, LocalPath, TransferError, Transferred};

/// A file to upload.
#[derive(Clone, Debug)]
pub(crate) struct UploadJob {
    pub(crate) path: LocalPath,
    pub(crate) name: RemoteName,
    /// The run id, the same in each attempt.
    pub(crate) run: Token,
    commit: PendingCommit,
}

impl UploadJob {
    pub(crate) fn new(path: LocalPath, name: RemoteName, run: Token) -> Self {
        Self { path, name, run, commit: PendingCommit::default() }
    }
}

/// The uploads of one attempt, shared by its connections.
pub(super) struct UploadWorkload {
    queue: Arc<TransferQueue<UploadJob>>,
    attempt: Arc<Attempt>,
    overwrite: Overwrite,
    manifests: Arc<ManifestCache>,
    probes: ProbePolicy,
    /// Files that are sent in blocks, in the order of their offers.
    open: Mutex<Vec<Arc<OpenUpload>>>,
    /// Requests that failed on this side, each with the connection that must send its `Abandon`.
    abandoned: Mutex<Vec<(StreamId, u32)>>,
}

/// A file that is sent in blocks.
pub(super) struct OpenUpload {
    job: usize,
    request: u32,
    source: UploadSource,
    sender: Mutex<Sender>,
    /// The connection that offered it and commits it.
    stream: StreamId,
    saves: SaveThrottle,
    /// A block differs from the cached manifest.
    is_outdated: AtomicBool,
    /// The server makes it wait for another run that uploads the same file.
    is_waiting: AtomicBool,
}

/// A request that the server has not answered yet.
enum PendingUpload {
    Put { job: usize, bytes: u64, digest: Digest },
    Check { job: usize, size: u64, digest: Digest },
    Offer(Arc<OpenUpload>),
    Commit(Arc<OpenUpload>, Digest),
    Probe(CommitProbe),
}

impl UploadWorkload {
    fn opened(&self) -> Vec<Arc<OpenUpload>> {
        lock(&self.open).clone()
    }

    /// Whether the next small file is probed before it is sent. Where existing files must not be
    /// replaced, the server itself decides about each.
    fn probes_next(&self) -> bool {
        self.overwrite == Overwrite::Replace && self.probes.probes_next()
    }

    fn close(&self, open: &OpenUpload) {
        lock(&self.open).retain(|other| other.request != open.request);
        self.attempt.changed.notify_waiters();
    }

    fn finish(&self, job: usize, result: Result<Transferred, TransferError>) {
        self.attempt.finish(&self.queue, job, result);
    }
}

impl Workload for UploadWorkload {
    type Job = UploadJob;

    fn new(
        queue: Arc<TransferQueue<UploadJob>>,
        attempt: Arc<Attempt>,
        config: &ClientConfig,
        manifests: &Arc<ManifestCache>,
    ) -> Self {
        Self {
            queue,
            attempt,
            overwrite: config.overwrite,
            manifests: Arc::clone(manifests),
            probes: ProbePolicy::default(),
            open: Mutex::default(),
            abandoned: Mutex::default(),
        }
    }

    async fn work(
        self: Arc<Self>,
        channel: Channel,
        stream: StreamId,
        executor: Executor,
        report: &mut (dyn FnMut() + Send),
    ) -> Result<Channel, TransferError> {
        UploadStream::new(self, channel, stream, executor).work(report).await
    }

    async fn end(&self, executor: &Executor) {
        self.save_all(executor).await;
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}
