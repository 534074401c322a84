//! Blocks on their way to the server, and the end of what they belong to.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ftx_core::native::blocks::{BlockHasher, Cv, Digest, block_offset};
use ftx_core::native::upload::{ClaimedBlock, SendDecision};
use ftx_core::native::wire::{BlockHead, Request};
use ftx_io::CHUNK_BYTES;

use super::source::{Source, read_hashed};
use super::unheard::Sent;
use super::{Open, Pending, UploadStream, lock};
use crate::TransferError;
use crate::native::run::Note;

impl UploadStream {
    pub(super) async fn block(
        &mut self,
        open: &Arc<Open>,
        claim: ClaimedBlock,
    ) -> Result<(), TransferError> {
        match self.send_block(open, claim).await {
            // The file cannot be read; the connection is as it was.
            Err(Trouble::File(error)) => {
                self.give_up(open, error);
                Ok(())
            }
            Err(Trouble::Connection(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    async fn send_block(&mut self, open: &Arc<Open>, claim: ClaimedBlock) -> Result<(), Trouble> {
        let ClaimedBlock { index, len, theirs } = claim;
        let size = open.source.identity.size;
        let cached = lock(&open.sender).own().get(index);
        let head = BlockHead { index, len }.encode(open.request)?;
        let mut offset = block_offset(index);
        let end = offset + len;
        let mut hasher = BlockHasher::new(size, index);
        let step = if theirs.is_some() { len } else { CHUNK_BYTES as u64 };
        let mut begun = false;
        while offset < end {
            let piece = step.min(end - offset);
            let spare = std::mem::take(&mut self.spare);
            let read = read_hashed(open, offset, piece, spare, hasher).await;
            let (chunk, back) = match read {
                Ok(read) => read,
                // In the middle of a frame nothing else can be said.
                Err(error) if begun => return Err(Trouble::Connection(error)),
                Err(error) => return Err(Trouble::File(error)),
            };
            hasher = back;
            offset += piece;
            if theirs.is_some() {
                let cv = finish(&hasher, &open.source)?;
                if lock(&open.sender).hashed(index, cv)? == SendDecision::Skip {
                    self.spare = chunk;
                    self.tell_progress(open);
                    self.wake_if_stored(open);
                    self.shared.keep_now_and_then(open).await;
                    return Ok(());
                }
            }
            if !std::mem::replace(&mut begun, true) {
                self.channel.queue_bytes(&head);
            }
            self.channel.send(&chunk).await?;
            self.spare = chunk;
        }
        let cv = finish(&hasher, &open.source)?;
        if cached.is_some_and(|cached| cached != cv) {
            // First of all, so that nothing of it is kept again.
            open.distrusted.store(true, Relaxed);
            self.shared.distrust(open).await;
        }
        // Before the value goes out: the answer may come at once.
        lock(&open.sender).sent(index, cv)?;
        *self.sent.entry(open.request).or_default() += len;
        self.channel.send(&cv.0).await?;
        self.shared.keep_now_and_then(open).await;
        Ok(())
    }

    pub(super) fn wake_if_stored(&self, open: &Open) {
        if open.stream != self.stream && lock(&open.sender).all_stored().is_some() {
            self.shared.crew.changed.notify_waiters();
        }
    }

    pub(super) fn tell_progress(&self, open: &Open) {
        let done = lock(&open.sender).progress().done;
        let size = open.source.identity.size;
        self.shared.run.gain();
        self.shared.run.note(open.job, Note::Progress { done, size });
    }

    pub(super) async fn commit(
        &mut self,
        open: Arc<Open>,
        digest: Digest,
    ) -> Result<(), TransferError> {
        if let Err(error) = open.source.unchanged().await {
            self.give_up(&open, error);
            return Ok(());
        }
        if open.distrusted.load(Relaxed) {
            // Blocks that were not read may be others than they were said to be.
            self.give_up(&open, TransferError::outdated_manifest(open.source.path()));
            return Ok(());
        }
        self.channel.queue(open.request, &Request::Commit { digest })?;
        if let Some(job) = self.shared.run.job(open.job) {
            let meta = open.source.meta;
            job.told.publish(open.request, Sent { digest, meta });
        }
        self.pending.insert(open.request, Pending::Commit(open, digest));
        self.channel.flush().await
    }

    /// Ends an upload for a reason that lies here.
    pub(super) fn give_up(&self, open: &Open, error: TransferError) {
        lock(&self.shared.abandoned).push((open.stream, open.request));
        self.shared.close(open);
        self.shared.finish(open.job, Err(error));
    }
}

/// Why a block could not be sent.
enum Trouble {
    File(TransferError),
    Connection(TransferError),
}

impl<E: Into<TransferError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Connection(error.into())
    }
}

fn finish(hasher: &BlockHasher, source: &Source) -> Result<Cv, TransferError> {
    hasher.finish().map_err(|_| TransferError::local_changed(source.path()))
}
