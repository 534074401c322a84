//! Sends the blocks of an upload, and commits it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ftx_core::native::blocks::{BlockHasher, Cv, Digest, block_offset};
use ftx_core::native::upload::{ClaimedBlock, SendDecision};
use ftx_core::native::wire::{BlockHead, Request};
use ftx_io::CHUNK_BYTES;

use super::ambiguous_commit::SentFile;
use super::source::{UploadSource, read_hashed};
use super::stream::UploadStream;
use super::{OpenUpload, PendingUpload, lock};
use crate::TransferError;
use crate::native::queue::QueueEvent;

impl UploadStream {
    pub(super) async fn block(
        &mut self,
        open: &Arc<OpenUpload>,
        claim: ClaimedBlock,
    ) -> Result<(), TransferError> {
        match self.send_block(open, claim).await {
            // The file cannot be read, and nothing was sent.
            Err(BlockSendError::File(error)) => {
                self.fail_open(open, error);
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
        let cached = lock(&open.sender).own().get(index);
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
            if theirs.is_some() {
                let cv = finish(&hasher, &open.source)?;
                if lock(&open.sender).hashed(index, cv)? == SendDecision::Skip {
                    self.spare = chunk;
                    self.tell_progress(open);
                    self.wake_if_stored(open);
                    self.shared.save_if_due(&self.executor, open).await;
                    return Ok(());
                }
            }
            if !std::mem::replace(&mut is_begun, true) {
                self.channel.queue_bytes(&head);
            }
            self.channel.send(&chunk).await?;
            self.spare = chunk;
        }
        let cv = finish(&hasher, &open.source)?;
        if cached.is_some_and(|cached| cached != cv) {
            // Set first, so that the outdated values are not saved again.
            open.is_outdated.store(true, Relaxed);
            self.shared.forget_manifest(&self.executor, open).await;
        }
        // Recorded before the value is sent, because the reply may come at once.
        lock(&open.sender).sent(index, cv)?;
        *self.unanswered.entry(open.request).or_default() += len;
        self.channel.send(&cv.0).await?;
        self.shared.save_if_due(&self.executor, open).await;
        Ok(())
    }

    pub(super) fn wake_if_stored(&self, open: &OpenUpload) {
        if open.stream != self.stream && lock(&open.sender).all_stored().is_some() {
            self.shared.attempt.changed.notify_waiters();
        }
    }

    pub(super) fn tell_progress(&self, open: &OpenUpload) {
        let done = lock(&open.sender).progress().done;
        let size = open.source.identity.size;
        self.shared.queue.gain();
        self.shared.queue.push_event(open.job, QueueEvent::Progress { done, size });
    }

    pub(super) async fn commit(
        &mut self,
        open: Arc<OpenUpload>,
        digest: Digest,
    ) -> Result<(), TransferError> {
        if let Err(error) = open.source.unchanged().await {
            self.fail_open(&open, error);
            return Ok(());
        }
        if open.is_outdated.load(Relaxed) {
            // Blocks that were skipped as known may be outdated, too.
            self.fail_open(&open, TransferError::outdated_manifest(open.source.path()));
            return Ok(());
        }
        self.channel.queue(open.request, &Request::Commit { digest })?;
        if let Some(job) = self.shared.queue.job(open.job) {
            let meta = open.source.meta;
            job.commit.announce(open.request, SentFile { digest, meta });
        }
        self.pending.insert(open.request, PendingUpload::Commit(open, digest));
        self.channel.flush().await
    }

    /// Ends an upload that failed on this side.
    pub(super) fn fail_open(&self, open: &OpenUpload, error: TransferError) {
        lock(&self.shared.abandoned).push((open.stream, open.request));
        self.shared.close(open);
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
