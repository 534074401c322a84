//! Stores the bytes of files, and publishes whole files.

use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockHasher, Cv, Digest, block_len, block_offset};
use ftx_core::native::download::FetchError;
use ftx_core::native::wire::{BlockHead, FileHead};
use ftx_io::CHUNK_BYTES;
use ftx_store::{BlockStaging, StoreError};

use super::stream::DownloadStream;
use super::{OpenDownload, PendingGet, lock};
use crate::native::channel::out_of_step;
use crate::native::queue::QueueEvent;
use crate::{TransferError, Transferred};

impl DownloadStream {
    pub(super) async fn on_block(
        &mut self,
        request: u32,
        head: BlockHead,
    ) -> Result<(), TransferError> {
        let BlockHead { index, len } = head;
        let open = match self.pending.get(&request) {
            Some(PendingGet::Blocks(open)) => Arc::clone(open),
            Some(
                PendingGet::Start { .. } | PendingGet::Conditional(_) | PendingGet::Compare(_),
            ) => {
                return Err(out_of_step("a block before its file"));
            }
            Some(PendingGet::Abandoned) | None => return self.skip(len).await,
        };
        if len != block_len(open.remote.size, index) {
            return Err(out_of_step("a block of another length"));
        }
        // It failed on this side while the block was under way.
        let Some(staging) = lock(&open.staging).clone() else { return self.skip(len).await };
        if lock(&open.fetch).expects(self.stream) != Some(index) {
            return Err(out_of_step("a block that was not asked for"));
        }
        let (hasher, mut store_error) = self.receive_block(&open, &staging, index).await?;
        let claimed = Cv(self.channel.read_hash().await?);
        let computed = hasher.finish().map_err(|_| out_of_step("half a block"))?;
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
            if error.reason() == Reason::BlockMismatch {
                self.shared.mismatched(open.job);
            }
            self.fail_open(&open, error);
            return Ok(());
        }
        let done = lock(&open.fetch).progress().done;
        self.shared.queue.gain();
        self.shared
            .queue
            .push_event(open.job, QueueEvent::Progress { done, size: open.remote.size });
        Ok(())
    }

    /// Receives the bytes of a block into the staging. Returns their hasher, and the first error of a
    /// write.
    async fn receive_block(
        &mut self,
        open: &Arc<OpenDownload>,
        staging: &Arc<BlockStaging>,
        index: u64,
    ) -> Result<(BlockHasher, Option<StoreError>), TransferError> {
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
        Ok((hasher, store_error))
    }

    /// Fails a file that is fetched in blocks. Its staging stays on the disk.
    pub(super) fn fail_open(&self, open: &Arc<OpenDownload>, error: TransferError) {
        lock(&open.staging).take();
        self.shared.close(open);
        self.shared.finish(open.job, Err(error));
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
    pub(super) async fn on_end(&mut self, open: &Arc<OpenDownload>) -> Result<(), TransferError> {
        if lock(&open.staging).is_some() {
            lock(&open.fetch).range_end(self.stream)?;
        }
        self.publish_if_whole(open).await
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
            return Err(out_of_step("a block after the last one"));
        };
        let published = open.target.publish(&self.executor, staging, open.remote.meta).await;
        self.shared.close(open);
        let result = published.map(|()| Transferred { moved, already_there: false });
        self.shared.finish(open.job, result);
        Ok(())
    }

    /// A whole small file.
    pub(super) async fn on_file(
        &mut self,
        request: u32,
        head: FileHead,
        len: u64,
    ) -> Result<(), TransferError> {
        let (job, target) = match self.remove(request) {
            Some(PendingGet::Start { job, target, .. }) => (job, target),
            Some(PendingGet::Conditional(unless)) => (unless.job, unless.target),
            Some(PendingGet::Abandoned) | None => return self.skip(len).await,
            Some(_) => return Err(out_of_step("a file that was not asked for")),
        };
        let FileHead::Got { meta, .. } = head else {
            return Err(out_of_step("a file to be stored"));
        };
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
        self.batch.push(job, target, data, meta);
        Ok(())
    }

    pub(super) async fn publish_batch(&mut self) -> Result<(), TransferError> {
        for (job, result) in self.batch.publish(&self.executor).await {
            self.shared.finish(job, result);
        }
        Ok(())
    }
}
