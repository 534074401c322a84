//! What the connections of a try do together: uploads or downloads.

use std::sync::Arc;

use ftx_core::native::StreamId;
use ftx_store::ManifestCache;

use super::channel::Channel;
use super::download::{DownloadJob, DownloadStream, Downloads};
use super::run::{Crew, Run};
use super::upload::{UploadJob, UploadStream, Uploads};
use crate::{Config, TransferError};

/// What the connections of a try do together.
pub(super) trait Task: Send + Sync + Sized + 'static {
    /// A file.
    type Job: Send + Sync + 'static;

    fn new(
        run: Arc<Run<Self::Job>>,
        crew: Arc<Crew>,
        config: &Config,
        manifests: &Arc<ManifestCache>,
    ) -> Self;

    /// What one of them does, until everything is done or something fails; `tell` is called now and
    /// then.
    fn work(
        self: Arc<Self>,
        channel: Channel,
        stream: StreamId,
        tell: &mut (dyn FnMut() + Send),
    ) -> impl Future<Output = Result<Channel, TransferError>> + Send;

    /// What is left to do when none of them is at work any more.
    fn end(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    fn crew(&self) -> &Crew;
}

impl Task for Uploads {
    type Job = UploadJob;

    fn new(
        run: Arc<Run<UploadJob>>,
        crew: Arc<Crew>,
        config: &Config,
        manifests: &Arc<ManifestCache>,
    ) -> Self {
        Self::new(run, crew, config.overwrite, Arc::clone(manifests))
    }

    async fn work(
        self: Arc<Self>,
        channel: Channel,
        stream: StreamId,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<Channel, TransferError> {
        UploadStream::new(self, channel, stream).work(tell).await
    }

    async fn end(&self) {
        self.keep_all().await;
    }

    fn crew(&self) -> &Crew {
        &self.crew
    }
}

impl Task for Downloads {
    type Job = DownloadJob;

    fn new(
        run: Arc<Run<DownloadJob>>,
        crew: Arc<Crew>,
        config: &Config,
        manifests: &Arc<ManifestCache>,
    ) -> Self {
        Self::new(run, crew, config.durability, Arc::clone(manifests))
    }

    async fn work(
        self: Arc<Self>,
        channel: Channel,
        stream: StreamId,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<Channel, TransferError> {
        DownloadStream::new(self, channel, stream).work(tell).await
    }

    fn crew(&self) -> &Crew {
        &self.crew
    }
}
