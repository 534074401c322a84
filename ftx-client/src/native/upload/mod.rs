//! Uploads: a small file goes in one frame, a large one block by block over all connections.

mod block;
mod manifest_saver;
mod replies;
mod source;
mod source_token;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::upload::{UnansweredCommit, UploadRequests};
use ftx_core::native::wire::{Overwrite, Token};
use ftx_io::Executor;
use ftx_store::ManifestCache;

use self::manifest_saver::SaveThrottle;
use self::source::UploadSource;
use self::stream::UploadStream;
use super::attempt::Attempt;
use super::channel::Channel;
use super::queue::{TransferJob, TransferQueue, lock};
use super::workload::Workload;
use crate::{ClientConfig, LocalPath, TransferError, Transferred};

/// A file to upload.
#[derive(Clone, Debug)]
pub(crate) struct UploadJob {
    pub(crate) path: LocalPath,
    pub(crate) name: RemoteName,
    /// The run id, the same in each attempt.
    pub(crate) run: Token,
    /// The unanswered commit of all attempts.
    commit: Arc<Mutex<UnansweredCommit>>,
}

impl UploadJob {
    pub(crate) fn new(path: LocalPath, name: RemoteName, run: Token) -> Self {
        Self { path, name, run, commit: Arc::default() }
    }
}

impl TransferJob for UploadJob {}

/// The uploads of one attempt, shared by its connections.
pub(super) struct UploadWorkload {
    queue: Arc<TransferQueue<UploadJob>>,
    attempt: Arc<Attempt>,
    overwrite: Overwrite,
    manifests: Arc<ManifestCache>,
    /// Decides about the protocol.
    requests: Mutex<UploadRequests>,
    /// Files that are sent in blocks, by request.
    open: Mutex<HashMap<u32, Arc<OpenUpload>>>,
}

/// A file that is sent in blocks.
pub(super) struct OpenUpload {
    job: usize,
    request: u32,
    source: UploadSource,
    saves: SaveThrottle,
}

impl UploadWorkload {
    fn opened(&self) -> Vec<Arc<OpenUpload>> {
        lock(&self.open).values().cloned().collect()
    }

    fn open(&self, request: u32) -> Option<Arc<OpenUpload>> {
        lock(&self.open).get(&request).cloned()
    }

    /// Forgets a request that has ended. Other connections have room for more then.
    fn close(&self, request: u32) -> Option<Arc<OpenUpload>> {
        let closed = lock(&self.open).remove(&request);
        if closed.is_some() {
            self.attempt.changed.notify_waiters();
        }
        closed
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
            requests: Mutex::new(UploadRequests::new(config.overwrite)),
            open: Mutex::default(),
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
