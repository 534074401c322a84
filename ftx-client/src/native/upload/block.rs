//! Sends the blocks of an upload, and commits it.

use std::sync::Arc;

use ftx_core::native::blocks::{BlockHasher, Cv, block_offset};
use ftx_core::native::upload::{ClaimedBlock, SentFile};
use ftx_core::native::wire::{BlockHead, Request};
use ftx_io::CHUNK_BYTES;

use super::source::{UploadSource, read_hashed};
use super::stream::UploadStream;
use super::{OpenUpload, lock};
use crate::TransferError;

impl UploadStream {
    pub(super) async fn block(
        &mut self,
        request: u32,
        claim: ClaimedBlock,
    ) -> Result<(), TransferError> {
        // Otherwise the file has failed on another connection.
        let Some(open) = self.shared.open(request) else { return Ok(()) };
        match self.send_block(&open, claim).await {
            // The file cannot be read, and nothing was sent.
            Err(BlockSendError::File(error)) => {
                self.fail_open(&open, error);
                Ok(())
            }
            Err(BlockSendError::Connection(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    async fn send_block(
        &mut self,
        open: &Arc<OpenUpload>,
        claim: ClaimedBlock,
    ) -> Result<(), BlockSendError> {
        let ClaimedBlock { index, len, theirs } = claim;
        let size = open.source.identity.size;
        let head = BlockHead { index, len }.encode(open.request)?;
        let mut offset = block_offset(index);
        let end = offset + len;
        let mut hasher = BlockHasher::new(size, index);
        let step = if theirs.is_some() { len } else { CHUNK_BYTES as u64 };
        let mut is_begun = false;
        while offset < end {
            let piece = step.min(end - offset);
            let spare = std::mem::take(&mut self.spare);
            let read = read_hashed(&self.executor, open, offset, piece, spare, hasher).await;
            let (chunk, back) = match read {
                Ok(read) => read,
                // A frame that was begun cannot be abandoned, so the connection ends.
                Err(error) if is_begun => return Err(BlockSendError::Connection(error)),
                Err(error) => return Err(BlockSendError::File(error)),
            };
            hasher = back;
            offset += piece;
            if theirs.is_some() && self.skips(open, index, finish(&hasher, &open.source)?)? {
                self.spare = chunk;
                self.shared.save_if_due(&self.executor, open).await;
                return Ok(());
            }
            if !std::mem::replace(&mut is_begun, true) {
                self.shared.attempt.moves_blocks(size);
                self.channel.queue_bytes(&head);
            }
            self.channel.send(&chunk).await?;
            self.spare = chunk;
        }
        let cv = finish(&hasher, &open.source)?;
        // Recorded before the value is sent, because the reply may come at once.
        let is_outdated = self.requests().sent(open.request, index, cv)?;
        self.line.sent(open.request, index, len);
        if is_outdated {
            self.shared.forget_manifest(&self.executor, open).await;
        }
        self.channel.send(&cv.0).await?;
        self.shared.save_if_due(&self.executor, open).await;
        Ok(())
    }

    /// Whether a block that the server may have is not sent.
    fn skips(&self, open: &OpenUpload, index: u64, cv: Cv) -> Result<bool, TransferError> {
        let Some(hashed) = self.requests().hashed(open.request, index, cv)? else {
            return Ok(true);
        };
        if hashed.skips() {
            let size = open.source.identity.size;
            self.tell_progress(open.job, hashed.progress, size, hashed.is_last);
        }
        Ok(hashed.skips())
    }

    pub(super) async fn commit(&mut self, request: u32) -> Result<(), TransferError> {
        let Some(open) = self.shared.open(request) else { return Ok(()) };
        if let Err(error) = open.source.unchanged().await {
            self.fail_open(&open, error);
            return Ok(());
        }
        let Some(digest) = self.requests().commit(request) else {
            self.fail_open(&open, TransferError::outdated_manifest(open.source.path()));
            return Ok(());
        };
        self.channel.queue(request, &Request::Commit { digest })?;
        if let Some(job) = self.shared.queue.job(open.job) {
            let (size, meta) = (open.source.identity.size, open.source.meta);
            lock(&job.commit).announce(request, SentFile { size, digest, meta });
        }
        self.channel.flush().await
    }

    /// Ends an upload that failed on this side.
    fn fail_open(&self, open: &OpenUpload, error: TransferError) {
        self.requests().abandon(open.request);
        self.shared.close(open.request);
        self.shared.finish(open.job, Err(error));
    }
}

/// Why a block could not be sent.
enum BlockSendError {
    File(TransferError),
    Connection(TransferError),
}

impl<E: Into<TransferError>> From<E> for BlockSendError {
    fn from(error: E) -> Self {
        Self::Connection(error.into())
    }
}

fn finish(hasher: &BlockHasher, source: &UploadSource) -> Result<Cv, TransferError> {
    hasher.finish().map_err(|_| TransferError::local_changed(source.path()))
}
