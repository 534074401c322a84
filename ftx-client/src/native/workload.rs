//! The work that the connections of an attempt share: uploads or downloads.

use std::sync::Arc;

use ftx_core::native::StreamId;
use ftx_io::Executor;
use ftx_store::ManifestCache;

use super::attempt::Attempt;
use super::channel::Channel;
use super::queue::{TransferJob, TransferQueue};
use crate::{ClientConfig, TransferError};

/// The work of one attempt, shared by its connections.
pub(super) trait Workload: Send + Sync + Sized + 'static {
    /// A file of the call.
    type Job: TransferJob + Send + Sync + 'static;

    fn new(
        queue: Arc<TransferQueue<Self::Job>>,
        attempt: Arc<Attempt>,
        config: &ClientConfig,
        manifests: &Arc<ManifestCache>,
    ) -> Self;

    /// Works on one connection until everything is done or something fails, and calls `report` from
    /// time to time. `executor` is that of the calling thread.
    fn work(
        self: Arc<Self>,
        channel: Channel,
        stream: StreamId,
        executor: Executor,
        report: &mut (dyn FnMut() + Send),
    ) -> impl Future<Output = Result<Channel, TransferError>> + Send;

    /// Cleans up after the last connection.
    fn end(&self, executor: &Executor) -> impl Future<Output = ()> + Send {
        let _ = executor;
        async {}
    }

    fn attempt(&self) -> &Attempt;
}
