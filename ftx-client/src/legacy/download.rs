//! Drives one download in the legacy dialect.

use ftx_core::RemoteName;
use ftx_core::legacy::Want;
use ftx_core::legacy::download::{DownloadAction, DownloadError, DownloadMachine, DownloadOutcome};
use ftx_io::{Executor, StagingWriter, receive_chunk_bytes};
use ftx_store::StoreError;

use crate::legacy::connection::LegacyConnection;
use crate::legacy::error::{download_failed, out_of_step};
use crate::legacy::target::Target;
use crate::{Cancel, Event, Observer, TransferError};

/// Downloads a file over an idle connection. The received bytes are kept in any case.
pub(crate) async fn run(
    connection: &mut LegacyConnection,
    executor: &Executor,
    name: &RemoteName,
    target: Target,
    observer: &Observer,
    cancel: &Cancel,
) -> Result<DownloadOutcome, TransferError> {
    let machine = DownloadMachine::new(name, target.held());
    let progress = BodyProgress { start: 0, done: 0, size: 0 };
    let mut driver = DownloadDriver {
        connection,
        executor,
        target,
        machine,
        writer: None,
        spare: Vec::new(),
        progress,
        store_error: None,
        observer,
        cancel,
    };
    let result = driver.run().await;
    driver.suspend().await;
    result
}

struct BodyProgress {
    start: u64,
    done: u64,
    size: u64,
}

struct DownloadDriver<'a> {
    connection: &'a mut LegacyConnection,
    executor: &'a Executor,
    target: Target,
    machine: DownloadMachine,
    writer: Option<StagingWriter>,
    spare: Vec<u8>,
    progress: BodyProgress,
    store_error: Option<StoreError>,
    observer: &'a Observer,
    cancel: &'a Cancel,
}

impl DownloadDriver<'_> {
    async fn run(&mut self) -> Result<DownloadOutcome, TransferError> {
        let mut is_told = false;
        loop {
            while let Some(action) = self.machine.poll() {
                if let Some(outcome) = self.act(action).await? {
                    return Ok(outcome);
                }
            }
            if self.cancel.is_cancelled() {
                if !self.machine.must_read_to_end() {
                    return Err(TransferError::cancelled());
                }
                if !std::mem::replace(&mut is_told, true) {
                    let left = self.progress.size - self.progress.done;
                    self.observer.tell(&Event::Draining { left });
                }
            }
            match self.machine.want() {
                Want::Message => {
                    let reply = self.connection.receive().await?;
                    self.machine.message(reply).map_err(|error| self.failed(error))?;
                }
                Want::Body { left } => self.receive(left).await?,
                Want::Discard { left } => {
                    let chunk = self.read_chunk(left).await?;
                    self.machine
                        .received(chunk.len() as u64)
                        .map_err(|error| self.failed(error))?;
                    self.spare = chunk;
                }
                Want::Fact | Want::Nothing => return Err(out_of_step()),
            }
        }
    }

    async fn act(
        &mut self,
        action: DownloadAction,
    ) -> Result<Option<DownloadOutcome>, TransferError> {
        match action {
            DownloadAction::Send(request) => self.connection.send(&request).await?,
            DownloadAction::Prepare { start, len } => {
                let writer = self.target.prepare(self.executor, start, len).await?;
                self.progress = BodyProgress { start, done: start, size: start + len };
                self.observer.tell(&Event::Started { from: start, size: start + len });
                self.writer = Some(writer);
                self.machine.prepared().map_err(|error| self.failed(error))?;
            }
            DownloadAction::Publish { md5 } => {
                self.writer.as_mut().ok_or_else(out_of_step)?.drain().await?;
                let writer = self.writer.take().ok_or_else(out_of_step)?;
                self.target.publish(writer, md5, self.observer, self.cancel).await?;
                self.machine.published().map_err(|error| self.failed(error))?;
            }
            DownloadAction::Finish(outcome) => {
                if outcome.already_there {
                    self.target.settle(self.executor).await?;
                }
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    async fn receive(&mut self, left: u64) -> Result<(), TransferError> {
        let chunk = self.read_chunk(left).await?;
        let len = chunk.len() as u64;
        let writer = self.writer.as_mut().ok_or_else(out_of_step)?;
        match writer.write(chunk).await {
            Ok(spare) => {
                self.spare = spare;
                self.progress.done += len;
                let BodyProgress { start, done, size } = self.progress;
                self.observer.tell(&Event::Progress { done, size, moved: done - start });
            }
            Err(error) => {
                let status = error.status();
                self.store_error = Some(error);
                self.suspend().await;
                self.machine.store_failed(status).map_err(|error| self.failed(error))?;
            }
        }
        self.machine.received(len).map_err(|error| self.failed(error))
    }

    async fn read_chunk(&mut self, left: u64) -> Result<Vec<u8>, TransferError> {
        let mut chunk = std::mem::take(&mut self.spare);
        chunk.clear();
        let limit = receive_chunk_bytes(1);
        let limit = usize::try_from(left).map_or(limit, |left| left.min(limit));
        let soft = !self.machine.must_read_to_end();
        self.connection.read_body(&mut chunk, limit, soft).await?;
        Ok(chunk)
    }

    fn failed(&mut self, error: DownloadError) -> TransferError {
        download_failed(error, self.store_error.take())
    }

    /// Keeps the received bytes for the next attempt.
    async fn suspend(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.suspend().await
        {
            tracing::warn!(%error, "the progress of the download could not be recorded");
        }
    }
}
