//! Stores the bytes of files, and publishes whole files.

use std::sync::Arc;

use ftx_core::native::StepError;
use ftx_core::native::blocks::{BlockHasher, Cv, Digest, WrongLength, block_len, block_offset};
use ftx_core::native::download::{ArrivingBlock, FetchError};
use ftx_core::native::wire::{BlockHead, Meta};
use ftx_io::CHUNK_BYTES;
use ftx_store::{BlockStaging, StoreError};

use super::stream::DownloadStream;
use super::{LocalCopy, OpenDownload, PendingFile, lock};
use crate::native::queue::QueueEvent;
use crate::{TransferError, Transferred};

impl DownloadStream {
    pub(super) async fn on_block(
        &mut self,
        open: &Arc<OpenDownload>,
        head: BlockHead,
    ) -> Result<(), TransferError> {
        let BlockHead { index, len } = head;
        let arriving = lock(&open.fetch).accept(self.stream, head)?;
        let staging = match arriving {
            ArrivingBlock::Write => lock(&open.staging).clone(),
            ArrivingBlock::Skip => None,
        };
        let Some(staging) = staging else { return self.skip(len).await };
        let (computed, mut store_error) = self.receive_block(open, &staging, index).await?;
        let claimed = Cv(self.channel.read_hash().await?);
        if store_error.is_none() && computed == claimed {
            store_error = self.executor.run(move || staging.stored(index, claimed)).await?.err();
        } else {
            drop(staging);
        }
        let arrived = match store_error {
            Some(error) => Err(TransferError::from(error)),
            None => match lock(&open.fetch).block(self.stream, index, computed, claimed) {
                Err(FetchError::Step(error)) => return Err(error.into()),
                arrived => arrived.map_err(TransferError::from),
            },
        };
        if let Err(error) = arrived {
            self.fail_open(open, error);
            return Ok(());
        }
        let progress = lock(&open.fetch).progress();
        self.shared.queue.gain();
        self.shared
            .queue
            .push_event(open.job, QueueEvent::Progress { progress, size: open.remote.size });
        Ok(())
    }

    /// Receives the bytes of a block into the staging. Returns their chaining value, and the first error
    /// of a write.
    async fn receive_block(
        &mut self,
        open: &Arc<OpenDownload>,
        staging: &Arc<BlockStaging>,
        index: u64,
    ) -> Result<(Cv, Option<StoreError>), TransferError> {
        let mut hasher = BlockHasher::new(open.remote.size, index);
        let mut offset = block_offset(index);
        let end = offset + block_len(open.remote.size, index);
        let mut store_error = None;
        while offset < end {
            let mut chunk = std::mem::take(&mut self.spare);
            chunk.clear();
            let piece =
                usize::try_from(end - offset).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            self.channel.read_exact(&mut chunk, piece).await?;
            let staging = Arc::clone(staging);
            let written = self.executor.run(move || {
                hasher.update(&chunk);
                let written = staging.write_at(offset, &chunk);
                (chunk, hasher, written)
            });
            let (chunk, back, written) = written.await?;
            (self.spare, hasher) = (chunk, back);
            offset += piece as u64;
            store_error = store_error.or(written.err());
        }
        let computed = hasher.finish().map_err(|WrongLength { index, expected, got }| {
            StepError::WrongLength { index, expected, got }
        })?;
        Ok((computed, store_error))
    }

    /// Reads and drops the bytes and the hash of a block or file.
    pub(super) async fn skip(&mut self, mut left: u64) -> Result<(), TransferError> {
        while left > 0 {
            let mut chunk = std::mem::take(&mut self.spare);
            chunk.clear();
            let piece = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            self.channel.read_exact(&mut chunk, piece).await?;
            left -= piece as u64;
            self.spare = chunk;
        }
        self.channel.read_hash().await?;
        Ok(())
    }

    /// The server has answered a request for blocks completely.
    pub(super) async fn end_blocks(
        &mut self,
        open: &Arc<OpenDownload>,
        digest: Option<Digest>,
    ) -> Result<(), TransferError> {
        let ended = lock(&open.fetch).range_end(self.stream, digest);
        match ended {
            Err(error @ FetchError::DigestMismatch { .. }) => {
                self.fail_open(open, error.into());
                Ok(())
            }
            ended => {
                ended?;
                self.publish_if_whole(open).await
            }
        }
    }

    pub(super) async fn publish_if_whole(
        &mut self,
        open: &Arc<OpenDownload>,
    ) -> Result<(), TransferError> {
        if !lock(&open.fetch).is_finished() {
            return Ok(());
        }
        // The connection that takes the staging publishes it.
        let Some(staging) = lock(&open.staging).take() else { return Ok(()) };
        let moved = lock(&open.fetch).progress().moved;
        let Some(staging) = Arc::into_inner(staging) else {
            return Err(StepError::OutOfStep { what: "a block after the last one" }.into());
        };
        let published = open.target.publish(&self.executor, staging, open.remote.meta).await;
        self.shared.close(open);
        let result = published.map(|()| Transferred { moved, already_there: false });
        self.shared.finish(open.job, result);
        Ok(())
    }

    /// A whole small file.
    pub(super) async fn receive_file(
        &mut self,
        file: PendingFile,
        meta: Meta,
        len: u64,
    ) -> Result<(), TransferError> {
        let PendingFile { job, target, local, .. } = file;
        let mut data = self.batch.buffer();
        self.channel.read_exact(&mut data, usize::try_from(len).unwrap_or(0)).await?;
        let claimed = self.channel.read_hash().await?;
        if Digest::of(&data).0 != claimed {
            let name = target.path().display().to_string();
            self.shared.mismatched(job);
            self.shared.finish(job, Err(TransferError::damaged(&name)));
            return Ok(());
        }
        self.shared.queue.push_event(job, QueueEvent::Started { from: 0, size: len });
        let is_new = matches!(local, LocalCopy::Missing);
        self.batch.push((job, target), data, meta, is_new);
        Ok(())
    }

    pub(super) async fn publish_batch(&mut self) -> Result<(), TransferError> {
        for (job, result) in self.batch.publish(&self.executor).await {
            self.shared.finish(job, result);
        }
        Ok(())
    }
}
