//! Uploads, block by block.

use std::pin::pin;
use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::native::blocks::{
    BLOCK, BlockHasher, Cv, Digest, PartialManifest, block_len, block_offset,
};
use ftx_core::native::upload::{BlockAction, Completed, ReceiveError, Receiver};
use ftx_core::native::wire::{BlockHead, Reply};
use ftx_io::Frames;
use tracing::{info, warn};

use super::conversation::{Conversation, request_in_use};
use super::lease::Lease;
use super::life::SignsOfLife;
use super::session::Upload;
use super::{NativeError, apart};
use crate::store::{OpenedUpload, Refusal, StagedUpload, Store, UploadOffer, WorkProgress};

impl<S: Store> Conversation<S> {
    /// Begins an upload, with the lease of its source if it has one.
    pub(super) async fn begin(
        &mut self,
        frames: &mut Frames,
        request: u32,
        offer: UploadOffer,
        lease: Option<Lease>,
    ) -> Result<(), NativeError> {
        let (name, size) = (offer.name.clone(), offer.size);
        let progress = WorkProgress::default();
        let context = Arc::clone(&self.context);
        let work = context.store.offer(offer, progress.clone());
        let at_work = lease.as_ref().map(Lease::work);
        let OpenedUpload { upload, staged, published } =
            match self.working(frames, request, progress, work).await? {
                Ok(offered) => offered,
                Err(refusal) => {
                    // There is nothing to come back to.
                    lease.iter().for_each(Lease::done);
                    return self.refuse(frames, request, &refusal);
                }
            };
        let held = held_bytes(&staged, published.as_ref());
        let receiver = apart(move || Receiver::new(staged, published.as_ref())).await?;
        let resumed = receiver.resumed();
        info!(name = name.as_str(), size, resumed, "upload begins");
        // The client may take its time to read what it is told.
        drop(at_work);
        let told = self.tell_held(frames, request, &receiver).await;
        if let Some(lease) = &lease {
            lease.told(held, size);
        }
        // Also if it was not heard: this is what is put away then.
        let upload = Arc::new(Upload::new((name, size), upload, receiver, lease));
        if !self.adopt(request, &upload) {
            put_away(&upload, false).await;
            return Err(request_in_use(request));
        }
        told?;
        self.reply(frames, request, &Reply::Ready { resumed })
    }

    async fn tell_held(
        &self,
        frames: &mut Frames,
        request: u32,
        receiver: &Receiver,
    ) -> Result<(), NativeError> {
        for page in receiver.have() {
            let have = Reply::Have { first: page.first, blocks: page.blocks };
            self.reply(frames, request, &have)?;
            frames.writer().flush(self.stall()).await?;
        }
        Ok(())
    }

    pub(super) async fn block(
        &mut self,
        frames: &mut Frames,
        request: u32,
        head: BlockHead,
    ) -> Result<(), NativeError> {
        let Some(upload) = self.session.upload(request) else {
            // It failed, or was taken over, while this was on its way.
            self.drain(frames, request, head.len).await?;
            return Ok(());
        };
        let accepted = upload.receiver().accept(self.stream, head.index, head.len);
        let action = match accepted {
            Ok(action) => action,
            Err(ReceiveError::Step(error)) => return Err(error.into()),
            Err(error) => {
                let refusal = Refusal::new(error.reason(), error.to_string());
                self.fail(frames, request, &refusal).await?;
                self.drain(frames, request, head.len).await?;
                return Ok(());
            }
        };
        match action {
            BlockAction::Write => self.write_block(frames, request, &upload, head).await,
            BlockAction::Discard => {
                let claimed = self.drain(frames, request, head.len).await?;
                self.complete(frames, request, &upload, head, (claimed, claimed)).await
            }
        }
    }

    /// Writes a block to the staging as its bytes arrive.
    async fn write_block(
        &mut self,
        frames: &mut Frames,
        request: u32,
        upload: &Arc<Upload<S::Staging>>,
        head: BlockHead,
    ) -> Result<(), NativeError> {
        let lease = upload.lease.as_ref();
        let arrived = |bytes| lease.into_iter().for_each(|it| it.arrived(bytes));
        let mut signs = SignsOfLife::new(request);
        let mut hasher = BlockHasher::new(upload.size, head.index);
        let mut offset = block_offset(head.index);
        let mut left = head.len;
        while left > 0 {
            let (chunk, len) = self.piece_of(frames, &mut signs, left, arrived).await?;
            let at_work = lease.map(Lease::work);
            let mut written = pin!(upload.handle.write(offset, chunk, hasher));
            let waited = signs.during(frames.writer(), || (0, head.len), written.as_mut()).await;
            match waited {
                Ok(Ok((chunk, back))) => (self.spare, hasher) = (chunk, back),
                Ok(Err(refusal)) => {
                    self.fail(frames, request, &refusal).await?;
                    self.drain(frames, request, left - len).await?;
                    return Ok(());
                }
                Err(lost) => {
                    // Another connection may write the block once this one is gone.
                    let _ = written.await;
                    return Err(lost);
                }
            }
            drop(at_work);
            offset += len;
            left -= len;
        }
        let claimed = Cv(frames.reader().read_hash(self.stall()).await?);
        match hasher.finish() {
            Ok(computed) => self.complete(frames, request, upload, head, (computed, claimed)).await,
            Err(error) => {
                let refusal = Refusal::new(Reason::Malformed, error.to_string());
                self.fail(frames, request, &refusal).await
            }
        }
    }

    /// Records a block that has arrived, and answers it.
    async fn complete(
        &mut self,
        frames: &mut Frames,
        request: u32,
        upload: &Arc<Upload<S::Staging>>,
        head: BlockHead,
        (computed, claimed): (Cv, Cv),
    ) -> Result<(), NativeError> {
        let index = head.index;
        let completed = upload.receiver().complete(self.stream, computed, claimed);
        let stored = match completed {
            Ok(Completed::Journal) => {
                let lease = upload.lease.as_ref();
                let at_work = lease.map(Lease::work);
                let work = upload.handle.stored(index, claimed);
                let mut signs = SignsOfLife::new(request);
                let stored = signs.during(frames.writer(), || (0, head.len), work).await?;
                drop(at_work);
                if let (Ok(()), Some(lease)) = (&stored, lease) {
                    lease.stored(block_len(upload.size, index));
                }
                stored
            }
            Ok(Completed::AlreadyStored) => Ok(()),
            Ok(Completed::Discarded) => return Ok(()),
            Err(error) => Err(Refusal::new(error.reason(), error.to_string())),
        };
        match stored {
            Ok(()) => self.reply(frames, request, &Reply::Stored { index }),
            Err(refusal) => self.fail(frames, request, &refusal).await,
        }
    }

    pub(super) async fn commit(
        &mut self,
        frames: &mut Frames,
        request: u32,
        digest: Digest,
    ) -> Result<(), NativeError> {
        let Some(upload) = self.session.upload(request) else {
            self.waiting.remove(request);
            let message = "there is no such upload, or not any more; offer the file again";
            return self.refuse(frames, request, &Refusal::new(Reason::OutOfStep, message));
        };
        let joined = Arc::clone(&upload);
        let copy = match apart(move || joined.receiver().commit(digest)).await? {
            Ok(copy) => copy,
            Err(error) => {
                let refusal = Refusal::new(error.reason(), error.to_string());
                return self.fail(frames, request, &refusal).await;
            }
        };
        let progress = WorkProgress::default();
        let at_work = upload.lease.as_ref().map(Lease::work);
        let work = upload.handle.publish(copy, digest, progress.clone());
        let published = self.working(frames, request, progress, work).await?;
        drop(at_work);
        self.release(request);
        upload.let_go(published.is_ok());
        match published {
            Ok(unchanged) => {
                info!(name = upload.name.as_str(), %digest, unchanged, "upload published");
                self.context.monitor.uploaded();
                self.reply(frames, request, &Reply::Done { digest, unchanged })
            }
            Err(refusal) => self.refuse(frames, request, &refusal),
        }
    }

    pub(super) async fn abandon(
        &mut self,
        frames: &mut Frames,
        request: u32,
        discard: bool,
    ) -> Result<(), NativeError> {
        if self.waiting.remove(request) {
            let message = "the client does not wait any more";
            return self.reply(frames, request, &Reply::failed(Reason::Cancelled, message));
        }
        // Whatever ended it before has been answered.
        let Some(upload) = self.release(request) else { return Ok(()) };
        let away = put_away(&upload, discard);
        self.working(frames, request, WorkProgress::default(), away).await?;
        upload.let_go(true);
        let message = "the client gave the upload up";
        self.reply(frames, request, &Reply::failed(Reason::Cancelled, message))
    }

    /// Ends an upload that cannot go on. What arrived is kept.
    async fn fail(
        &mut self,
        frames: &mut Frames,
        request: u32,
        refusal: &Refusal,
    ) -> Result<(), NativeError> {
        // If it has ended meanwhile, that was answered where it did.
        let Some(upload) = self.release(request) else { return Ok(()) };
        let away = put_away(&upload, false);
        self.working(frames, request, WorkProgress::default(), away).await?;
        upload.let_go(false);
        self.refuse(frames, request, refusal)
    }
}

/// Bytes of which the client is told that they are here, which it hashes first.
fn held_bytes(staged: &PartialManifest, published: Option<&PartialManifest>) -> u64 {
    let published = published.map(PartialManifest::known).unwrap_or_default();
    staged.known().max(published).saturating_mul(BLOCK)
}

/// Ends an upload without publishing it.
pub(super) async fn put_away<U: StagedUpload>(upload: &Upload<U>, discard: bool) {
    if let Err(error) = upload.handle.end(discard).await {
        warn!(%error, name = upload.name.as_str(), "how far an upload got could not be recorded");
    }
}
