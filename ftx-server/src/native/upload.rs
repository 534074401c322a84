//! Uploads, block by block.

use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::native::blocks::{
    BLOCK, BlockHasher, Cv, Digest, PartialManifest, block_len, block_offset,
};
use ftx_core::native::upload::{Completed, Duty, Receiver};
use ftx_core::native::wire::{BlockHead, Reply};
use ftx_io::{Frames, StreamError};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{info, warn};

use super::conversation::{Conversation, request_in_use};
use super::lease::Lease;
use super::life::SignsOfLife;
use super::session::Upload;
use super::{NativeError, apart};
use crate::store::{Offered, Progress, Refusal, StagedUpload, Store, UploadOffer};

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
        let progress = Progress::default();
        let context = Arc::clone(&self.context);
        let work = context.store.offer(offer, progress.clone());
        let at_work = lease.as_ref().map(Lease::work);
        let Offered { upload, staged, published } =
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
            return self.drain(frames, request, head.len).await;
        };
        // The staging sees by itself to what is to be forgotten.
        upload.receiver().accept(self.stream, head.index, head.len)?;
        let lease = upload.lease.as_ref();
        // What comes twice moves nothing.
        let is_new = upload.receiver().duty(self.stream) == Duty::Write;
        let arrived = |bytes| lease.filter(|_| is_new).into_iter().for_each(|it| it.arrived(bytes));
        let mut held = Held::default();
        let mut signs = SignsOfLife::new(request);
        let mut hasher = BlockHasher::new(upload.size, head.index);
        let mut offset = block_offset(head.index);
        let mut left = head.len;
        while left > 0 {
            let (chunk, len) = self.piece_of(frames, &mut signs, left, arrived).await?;
            let at_work = lease.map(Lease::work);
            let stored = self.store_piece(&upload, offset, chunk, hasher, &mut held);
            match signs.during(frames.writer(), || (0, head.len), stored).await? {
                Ok(back) => hasher = back,
                Err(refusal) => {
                    self.fail(frames, request, &refusal).await?;
                    return self.drain(frames, request, left - len).await;
                }
            }
            drop(at_work);
            offset += len;
            left -= len;
        }
        let claimed = Cv(frames.reader().read_hash(self.stall()).await?);
        let computed = match hasher.finish() {
            Ok(computed) => Ok(computed),
            // Nobody has hashed what is for nobody.
            Err(_) if upload.receiver().duty(self.stream) == Duty::Drop => Ok(claimed),
            Err(error) => Err(Refusal::new(Reason::Malformed, error.to_string())),
        };
        let at_work = lease.map(Lease::work);
        let stored = match computed {
            Ok(computed) => {
                let cvs = (computed, claimed);
                let completed = self.complete(&upload, request, head.index, cvs, held);
                signs.during(frames.writer(), || (0, head.len), completed).await??
            }
            Err(refusal) => Err(refusal),
        };
        drop(at_work);
        match stored {
            Ok(true) => self.reply(frames, request, &Reply::Stored { index: head.index }),
            Ok(false) => Ok(()),
            Err(refusal) => self.fail(frames, request, &refusal).await,
        }
    }

    /// Sees to it that a block which is here is stored. Whether that is to be answered.
    async fn complete(
        &self,
        upload: &Arc<Upload<S::Staging>>,
        request: u32,
        index: u64,
        (computed, claimed): (Cv, Cv),
        mut held: Held,
    ) -> Result<Result<bool, Refusal>, NativeError> {
        loop {
            // From before the question, so that no change in between is missed.
            let changed = upload.changed.notified();
            let completed = upload.receiver().complete(self.stream, computed, claimed);
            upload.changed.notify_waiters();
            let completed = match completed {
                Ok(completed) => completed,
                Err(error) => return Ok(Err(Refusal::new(error.reason(), error.to_string()))),
            };
            match completed {
                Completed::Journal => {
                    let stored = upload.handle.stored(index, claimed).await;
                    if let (Ok(()), Some(lease)) = (&stored, &upload.lease) {
                        lease.stored(block_len(upload.size, index));
                    }
                    return Ok(stored.map(|()| true));
                }
                Completed::Known => return Ok(Ok(true)),
                Completed::Dropped => return Ok(Ok(false)),
                Completed::WriteHeld { supersedes } => {
                    if supersedes.is_some() {
                        drop(upload.writing.write().await);
                    }
                    let hasher = BlockHasher::new(upload.size, index);
                    let block = std::mem::take(&mut held.bytes);
                    let written = upload.handle.write(block_offset(index), block, hasher).await;
                    if let Err(refusal) = written {
                        return Ok(Err(refusal));
                    }
                }
                Completed::Wait if self.session.holds(request, upload) => tokio::select! {
                    () = changed => {}
                    () = self.session.over.cancelled() => return Err(StreamError::Stopped.into()),
                },
                Completed::Wait => return Ok(Ok(false)),
            }
        }
    }

    async fn store_piece(
        &mut self,
        upload: &Upload<S::Staging>,
        offset: u64,
        chunk: Vec<u8>,
        hasher: BlockHasher,
        held: &mut Held,
    ) -> Result<BlockHasher, Refusal> {
        let writing = upload.writing.read().await;
        let duty = upload.receiver().duty(self.stream);
        let (chunk, hasher) = match duty {
            Duty::Write => upload.handle.write(offset, chunk, hasher).await?,
            Duty::Hold => {
                if held.room.is_none() {
                    held.room = Some(self.context.sessions.room().ok_or_else(too_many)?);
                }
                held.bytes.extend_from_slice(&chunk);
                hashed(chunk, hasher).await?
            }
            Duty::Compare => hashed(chunk, hasher).await?,
            Duty::Drop => (chunk, hasher),
        };
        drop(writing);
        self.spare = chunk;
        Ok(hasher)
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
        let plan = apart(move || joined.receiver().commit(digest)).await?;
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                let refusal = Refusal::new(error.reason(), error.to_string());
                return self.fail(frames, request, &refusal).await;
            }
        };
        let progress = Progress::default();
        let at_work = upload.lease.as_ref().map(Lease::work);
        let work = upload.handle.publish(plan.copy, digest, progress.clone());
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
        self.working(frames, request, Progress::default(), away).await?;
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
        self.working(frames, request, Progress::default(), away).await?;
        upload.let_go(false);
        self.refuse(frames, request, refusal)
    }
}

/// A block that is held because another connection is writing it.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    /// Given back when it is dropped.
    room: Option<OwnedSemaphorePermit>,
}

/// Bytes of which the client is told that they are here, which it hashes first.
fn held_bytes(staged: &PartialManifest, published: Option<&PartialManifest>) -> u64 {
    let published = published.map(PartialManifest::known).unwrap_or_default();
    staged.known().max(published).saturating_mul(BLOCK)
}

fn too_many() -> Refusal {
    let message = "too many connections bring the same block at once; offer the file again";
    Refusal::new(Reason::TooManyRequests, message)
}

/// Hashes bytes that are not written.
async fn hashed(
    chunk: Vec<u8>,
    mut hasher: BlockHasher,
) -> Result<(Vec<u8>, BlockHasher), Refusal> {
    let work = move || {
        hasher.update(&chunk);
        (chunk, hasher)
    };
    apart(work).await.map_err(|error| Refusal::new(Reason::Internal, error.to_string()))
}

/// Ends an upload without publishing it.
pub(super) async fn put_away<U: StagedUpload>(upload: &Upload<U>, discard: bool) {
    if let Err(error) = upload.handle.end(discard).await {
        warn!(%error, name = upload.name.as_str(), "how far an upload got could not be recorded");
    }
}
