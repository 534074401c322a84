//! The transfer of a legacy connection: its upload or download, and the calls to the store.

use std::sync::Arc;

use ftx_core::dialect::Dialect;
use ftx_core::legacy::server::Fact;
use ftx_core::legacy::{Prefix, ProtocolError};
use ftx_core::{RemoteName, Status};
use ftx_io::{BufferedStream, Executor, IoLimits, StreamError, receive_chunk_bytes};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::error::LegacyError;
use crate::context::Context;
use crate::store::{
    LegacyBegin, LegacyDownload, LegacyOffer, LegacyStore, LegacyUpload, Refusal, Store,
};

/// The file that a connection moves.
pub(super) struct Transfer<S: Store + LegacyStore> {
    context: Arc<Context<S>>,
    /// The store as the connection's principal sees it.
    store: S,
    /// Set when the connection must end.
    over: CancellationToken,
    /// Runs the store's blocking work.
    executor: Executor,
    offer: Option<S::Offer>,
    /// The bytes that the offer says are here.
    held_bytes: u64,
    upload: Option<S::Upload>,
    download: Option<S::Download>,
    /// A used buffer for the next read.
    spare: Vec<u8>,
}

impl<S: Store + LegacyStore> Transfer<S> {
    pub(super) fn new(context: Arc<Context<S>>, store: S, over: CancellationToken) -> Self {
        let (executor, spare) = (Executor::pool(), Vec::new());
        Self {
            context,
            store,
            over,
            executor,
            offer: None,
            held_bytes: 0,
            upload: None,
            download: None,
            spare,
        }
    }

    /// The connection has moved to another thread.
    pub(super) fn set_executor(&mut self, executor: Executor) {
        self.executor = executor;
    }

    /// Frees the buffer while the client pauses.
    pub(super) fn shrink_buffers(&mut self) {
        self.spare = Vec::new();
    }

    pub(super) async fn offer_upload(
        &mut self,
        name: &RemoteName,
        limit: u64,
    ) -> Result<Fact, LegacyError> {
        self.offer = None;
        // The lookup may take longer than the grace of a shutdown.
        let offered = tokio::select! {
            offered = self.store.offer_prefix(&self.executor, name, limit) => offered,
            () = self.over.cancelled() => return Err(StreamError::Stopped.into()),
        };
        Ok(match offered {
            Ok(LegacyOffer { held, published, offer }) => {
                self.offer = Some(offer);
                self.held_bytes = held.map_or(0, |held| held.len);
                Fact::UploadOffer { held, published }
            }
            Err(error) => self.failed(&error, "an upload was refused"),
        })
    }

    pub(super) async fn begin_upload(
        &mut self,
        name: &RemoteName,
        resume: bool,
        len: u64,
    ) -> Result<Fact, LegacyError> {
        let offer = self.offer.take().ok_or(ProtocolError::OutOfStep)?;
        let begin = if resume { LegacyBegin::Resume(offer) } else { LegacyBegin::Anew(offer) };
        Ok(match self.store.begin(&self.executor, name, begin, len).await {
            Ok(upload) => {
                info!(name = name.as_str(), resume, len, "upload begins");
                if resume {
                    self.context.metrics.resumed(Dialect::Legacy, self.held_bytes);
                }
                self.upload = Some(upload);
                Fact::UploadBegun
            }
            Err(error) if error.is_stale() => {
                // The client can no longer resume at its offset; a new request helps.
                self.log_failure(&error, "the offered bytes are gone");
                Fact::Failed { status: Status::SeekError }
            }
            Err(error) => self.failed(&error, "an upload was refused"),
        })
    }

    pub(super) async fn commit_upload(&mut self) -> Result<Fact, LegacyError> {
        let upload = self.upload.take().ok_or(ProtocolError::OutOfStep)?;
        Ok(match upload.publish(&self.executor).await {
            Ok(md5) => {
                info!(md5 = md5.map(tracing::field::display), "upload published");
                self.context.metrics.uploaded(Dialect::Legacy);
                Fact::UploadPublished { md5 }
            }
            Err(error) => self.failed(&error, "an upload could not be published"),
        })
    }

    pub(super) async fn offer_download(
        &mut self,
        name: &RemoteName,
        held: Option<Prefix>,
        whole_only: bool,
    ) -> Result<Fact, LegacyError> {
        let over = self.over.clone();
        let opened = tokio::select! {
            opened = self.open(name, held, whole_only) => opened,
            () = over.cancelled() => return Err(StreamError::Stopped.into()),
        };
        Ok(opened.unwrap_or_else(|error| self.failed(&error, "a download was refused")))
    }

    async fn open(
        &mut self,
        name: &RemoteName,
        held: Option<Prefix>,
        whole_only: bool,
    ) -> Result<Fact, Refusal> {
        self.download = None;
        let mut download = self.store.open_download(&self.executor, name).await?;
        let (size, md5) = (download.size(), download.md5());
        let matches = match held {
            Some(held) if held.len == size || (!whole_only && held.len < size) => {
                download.starts_with(&self.executor, held).await?
            }
            _ => false,
        };
        info!(name = name.as_str(), size, matches, "download requested");
        self.download = Some(download);
        Ok(Fact::DownloadOffer { size, matches, md5 })
    }

    pub(super) async fn send_body(
        &mut self,
        stream: &mut BufferedStream,
        mut offset: u64,
        mut left: u64,
    ) -> Result<(), LegacyError> {
        let mut download = self.download.take().ok_or(ProtocolError::OutOfStep)?;
        while left > 0 {
            let spare = std::mem::take(&mut self.spare);
            let chunk = download.read(&self.executor, offset, left, spare).await?;
            let len = chunk.len() as u64;
            stream.write_data(&chunk, self.stall()).await?;
            self.context.metrics.sent(Dialect::Legacy, chunk.len());
            self.spare = chunk;
            offset += len;
            left = left.checked_sub(len).ok_or(ProtocolError::TooManyBytes)?;
        }
        Ok(())
    }

    /// Reads some bytes of an upload and hands them to the store. The second fact comes first: the store
    /// failed, and the remaining bytes must be discarded.
    pub(super) async fn receive(
        &mut self,
        stream: &mut BufferedStream,
        left: u64,
    ) -> Result<(Fact, Option<Fact>), LegacyError> {
        let chunk = self.read_chunk(stream, left).await?;
        let received = Fact::BodyReceived { len: chunk.len() as u64 };
        let upload = self.upload.as_mut().ok_or(ProtocolError::OutOfStep)?;
        let error = match upload.write(&self.executor, chunk).await {
            Ok(spare) => {
                self.spare = spare;
                return Ok((received, None));
            }
            Err(error) => error,
        };
        self.log_failure(&error, "an upload cannot be stored; its remaining bytes are discarded");
        self.suspend().await;
        Ok((received, Some(Fact::BodyFailed { status: status_of(&error) })))
    }

    /// Reads some bytes of an upload and drops them.
    pub(super) async fn discard(
        &mut self,
        stream: &mut BufferedStream,
        left: u64,
    ) -> Result<Fact, LegacyError> {
        self.spare = self.read_chunk(stream, left).await?;
        Ok(Fact::BodyReceived { len: self.spare.len() as u64 })
    }

    async fn read_chunk(
        &mut self,
        stream: &mut BufferedStream,
        left: u64,
    ) -> Result<Vec<u8>, StreamError> {
        let mut chunk = std::mem::take(&mut self.spare);
        chunk.clear();
        let most = receive_chunk_bytes(self.context.monitor.active());
        let len = usize::try_from(left).map_or(most, |left| left.min(most));
        stream.read_body(&mut chunk, len, self.stall()).await?;
        self.context.metrics.received(Dialect::Legacy, chunk.len());
        Ok(chunk)
    }

    /// The limits of a read or write in the middle of a transfer.
    fn stall(&self) -> IoLimits<'_> {
        IoLimits { limit: self.context.timeouts.stall, stop: &self.over }
    }

    pub(super) async fn suspend(&mut self) {
        if let Some(upload) = self.upload.take()
            && let Err(error) = upload.suspend(&self.executor).await
        {
            self.log_failure(&error, "the progress of an upload could not be recorded");
        }
    }

    fn failed(&self, error: &Refusal, text: &'static str) -> Fact {
        self.log_failure(error, text);
        Fact::Failed { status: status_of(error) }
    }

    fn log_failure(&self, error: &Refusal, text: &'static str) {
        if let Some(limit) = error.limit {
            self.context.metrics.limited(limit);
        }
        self.context.metrics.failed(error.reason);
        if !error.is_general {
            warn!(error = %error, "{text}");
        } else if let Some(times) = self.context.throttles.requests.count() {
            warn!(error = %error, times, "{text}");
        }
    }
}

/// The status that reports an error to a client. It must never be one of success.
fn status_of(error: &Refusal) -> Status {
    match error.status {
        // The one status that our client retries after a short pause.
        _ if error.is_exhausted() => Status::ConnectError,
        Status::Ok => Status::UploadError,
        status => status,
    }
}
