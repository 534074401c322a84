//! Uploads, block by block.

use std::pin::pin;
use std::sync::Arc;

use ftx_core::dialect::Dialect;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{
    BLOCK_BYTES, BlockHasher, Cv, Digest, PartialManifest, block_len, block_offset,
};
use ftx_core::native::upload::{BlockAction, Completed, ReceiveError, Receiver};
use ftx_core::native::wire::{BlockHead, Reply};
use ftx_io::Executor;
use tracing::{info, warn};

use super::error::{NativeError, RequestError};
use super::granules;
use super::heartbeat::Heartbeat;
use super::request::RequestContext;
use super::session::ActiveUpload;
use super::source_lease::SourceLease;
use crate::store::{OpenedUpload, Refusal, StagedUpload, Store, UploadOffer, WorkProgress};

/// Begins an upload, with the lease of its source if it has one.
pub(super) async fn begin<S: Store>(
    cx: &mut RequestContext<'_, S>,
    offer: UploadOffer,
    lease: Option<SourceLease>,
) -> Result<(), RequestError> {
    let (name, size) = (offer.name.clone(), offer.size);
    let progress = WorkProgress::default();
    let (context, executor) = (Arc::clone(&cx.connection.context), cx.executor());
    let store = cx.store();
    let work = store.offer(&executor, offer, progress.clone());
    let at_work = lease.as_ref().map(SourceLease::begin_work);
    let opened = cx.working(progress, Box::pin(work)).await;
    if let Err(RequestError::Refused(_)) = opened {
        // There is no staging to come back to.
        lease.iter().for_each(SourceLease::end);
    }
    let OpenedUpload { upload, staged, published } = opened?;
    let known = known_bytes(&staged, published.as_ref());
    // A large file has very many blocks.
    let receiver = move || Receiver::new(staged, published.as_ref());
    let receiver = executor.run_long(receiver).await?;
    let resumed = receiver.resumed();
    info!(name = name.as_str(), size, resumed, "upload begins");
    context.metrics.resumed(Dialect::Native, resumed);
    // A client that reads the list of blocks slowly counts as one that stands still.
    drop(at_work);
    let sent = send_known_blocks(cx, &receiver).await;
    if let Some(lease) = &lease {
        lease.begin_hashing(known, size);
    }
    // The session gets the upload even if the client did not get the list: the upload is suspended then.
    let upload = Arc::new(ActiveUpload::new((name, size), upload, receiver, lease));
    if !cx.connection.add_upload(cx.id, &upload) {
        suspend(&executor, &upload, false).await;
        return Err(NativeError::id_in_use(cx.id).into());
    }
    sent?;
    let granule = store.granule();
    Ok(cx.reply(&Reply::Ready { resumed, granule })?)
}

/// Sends the list of blocks that the server has.
async fn send_known_blocks<S: Store>(
    cx: &mut RequestContext<'_, S>,
    receiver: &Receiver,
) -> Result<(), NativeError> {
    for page in receiver.have() {
        cx.reply(&Reply::Have { first: page.first, blocks: page.blocks })?;
        cx.flush().await?;
    }
    Ok(())
}

/// A block arrives.
pub(super) async fn on_block<S: Store>(
    cx: &mut RequestContext<'_, S>,
    head: BlockHead,
) -> Result<(), RequestError> {
    let Some(upload) = cx.connection.session.upload(cx.id) else {
        // The upload failed, or was taken over, while this block was under way.
        return Ok(());
    };
    let received = receive_block(cx, &upload, head).await;
    end_if_refused(cx, received).await
}

async fn receive_block<S: Store>(
    cx: &mut RequestContext<'_, S>,
    upload: &Arc<ActiveUpload<S::Staging>>,
    head: BlockHead,
) -> Result<(), RequestError> {
    let accepted = upload.receiver().accept(cx.connection.stream, head.index, head.len);
    let action = match accepted {
        Ok(action) => action,
        Err(ReceiveError::Step(error)) => return Err(error.into()),
        Err(error) => return Err(refusal_of(&error).into()),
    };
    let (computed, claimed) = match action {
        BlockAction::Write => {
            granules::begin(cx, upload, head.index).await?;
            write_block(cx, upload, head).await?
        }
        BlockAction::Discard => {
            let claimed = cx.discard_body().await?;
            (claimed, claimed)
        }
    };
    record_block(cx, upload, head, computed, claimed).await
}

/// Writes a block to the staging as its bytes arrive. Returns its chaining value as computed here, and as
/// the client claims.
async fn write_block<S: Store>(
    cx: &mut RequestContext<'_, S>,
    upload: &Arc<ActiveUpload<S::Staging>>,
    head: BlockHead,
) -> Result<(Cv, Cv), RequestError> {
    let lease = upload.lease.as_ref();
    let arrived = |bytes| lease.into_iter().for_each(|lease| lease.arrived(bytes));
    let (mut heartbeat, executor) = (Heartbeat::new(cx.id), cx.executor());
    let mut hasher = BlockHasher::new(upload.size, head.index);
    let mut offset = block_offset(head.index);
    while cx.body_bytes() > 0 {
        let chunk = cx.read_piece(&mut heartbeat, arrived).await?;
        // Here and not on a disk thread: the bytes are in this processor's cache, and to hash them takes
        // less time than to hand them over.
        hasher.update(&chunk);
        offset += chunk.len() as u64;
        let at_work = lease.map(SourceLease::begin_work);
        let start = offset - chunk.len() as u64;
        let write = async { Ok(upload.handle.write(&executor, start, chunk).await?) };
        let mut write = pin!(write);
        let written = heartbeat.during(cx.frames.writer(), || (0, head.len), write.as_mut()).await;
        if let Err(RequestError::Fatal(_)) = written {
            // Another connection may write the block once this one has ended.
            let _: Result<_, RequestError> = write.await;
        }
        cx.connection.spare = written?;
        drop(at_work);
    }
    let claimed = Cv(cx.read_hash().await?);
    let computed = hasher.finish();
    let computed =
        computed.map_err(|error| RequestError::refused(Reason::Malformed, error.to_string()))?;
    Ok((computed, claimed))
}

/// Records a block that has arrived in the journal, and replies to it.
async fn record_block<S: Store>(
    cx: &mut RequestContext<'_, S>,
    upload: &Arc<ActiveUpload<S::Staging>>,
    head: BlockHead,
    computed: Cv,
    claimed: Cv,
) -> Result<(), RequestError> {
    let index = head.index;
    let completed = upload.receiver().complete(cx.connection.stream, computed, claimed);
    match completed.map_err(|error| refusal_of(&error))? {
        Completed::Journal => {
            let at_work = upload.lease.as_ref().map(SourceLease::begin_work);
            let executor = cx.executor();
            let record = async { Ok(upload.handle.stored(&executor, index, claimed).await?) };
            let mut heartbeat = Heartbeat::new(cx.id);
            let durable = heartbeat
                .during::<_, RequestError>(cx.frames.writer(), || (0, head.len), pin!(record))
                .await?;
            drop(at_work);
            upload.granules.end(durable);
            if let Some(lease) = &upload.lease {
                lease.stored(block_len(upload.size, index));
            }
            for index in durable.first..durable.end() {
                cx.reply(&Reply::Stored { index })?;
            }
        }
        Completed::AlreadyStored => cx.reply(&Reply::Stored { index })?,
        Completed::Discarded => {}
    }
    Ok(())
}

/// All blocks have been sent: publishes the file.
pub(super) async fn on_commit<S: Store>(
    cx: &mut RequestContext<'_, S>,
    digest: Digest,
) -> Result<(), RequestError> {
    let Some(upload) = cx.connection.session.upload(cx.id) else {
        cx.connection.waiting.take(cx.id);
        let message = "there is no such upload, or not any more; offer the file again";
        return Err(RequestError::refused(Reason::OutOfStep, message));
    };
    let (shared, executor) = (Arc::clone(&upload), cx.executor());
    let copy = executor.run_long(move || shared.receiver().commit(digest));
    let copy = match copy.await? {
        Ok(copy) => copy,
        Err(error) => return end_if_refused(cx, Err(refusal_of(&error).into())).await,
    };
    let progress = WorkProgress::default();
    let at_work = upload.lease.as_ref().map(SourceLease::begin_work);
    let work = upload.handle.publish(&executor, copy, digest, progress.clone());
    let published = cx.working(progress, Box::pin(work)).await;
    drop(at_work);
    if !matches!(published, Err(RequestError::Fatal(_))) {
        cx.connection.remove_upload(cx.id);
        upload.granules.end_all();
        upload.release_lease(published.is_ok());
    }
    let unchanged = published?;
    info!(name = upload.name.as_str(), %digest, unchanged, "upload published");
    cx.connection.context.metrics.uploaded(Dialect::Native);
    Ok(cx.reply(&Reply::Done { digest, unchanged })?)
}

/// The client cancels an upload, or the wait for one.
pub(super) async fn on_abandon<S: Store>(
    cx: &mut RequestContext<'_, S>,
    discard: bool,
) -> Result<(), RequestError> {
    if cx.connection.waiting.take(cx.id).is_some() {
        let message = "the client does not wait any more";
        return Ok(cx.reply(&Reply::failed(Reason::Cancelled, message))?);
    }
    // An upload that ended before has been answered.
    let Some(upload) = cx.connection.remove_upload(cx.id) else { return Ok(()) };
    suspend_working(cx, &upload, discard).await?;
    upload.release_lease(true);
    let message = "the client gave the upload up";
    Ok(cx.reply(&Reply::failed(Reason::Cancelled, message))?)
}

/// Ends the upload of a request that was refused. Its blocks are kept.
async fn end_if_refused<S: Store>(
    cx: &mut RequestContext<'_, S>,
    result: Result<(), RequestError>,
) -> Result<(), RequestError> {
    let Err(RequestError::Refused(refusal)) = result else { return result };
    // An upload that ended in the meantime has been answered.
    let Some(upload) = cx.connection.remove_upload(cx.id) else { return Ok(()) };
    suspend_working(cx, &upload, false).await?;
    upload.release_lease(false);
    Err(refusal.into())
}

async fn suspend_working<S: Store>(
    cx: &mut RequestContext<'_, S>,
    upload: &ActiveUpload<S::Staging>,
    discard: bool,
) -> Result<(), RequestError> {
    let executor = cx.executor();
    let work = async {
        suspend(&executor, upload, discard).await;
        Ok::<_, RequestError>(())
    };
    cx.working(WorkProgress::default(), Box::pin(work)).await
}

/// Ends an upload without publishing it.
pub(super) async fn suspend<U: StagedUpload>(
    executor: &Executor,
    upload: &ActiveUpload<U>,
    discard: bool,
) {
    if let Err(error) = upload.handle.end(executor, discard).await {
        warn!(%error, name = upload.name.as_str(), "the progress of an upload could not be recorded");
    }
    upload.granules.end_all();
}

/// The bytes that the client hashes first, since it learns that the server has them.
fn known_bytes(staged: &PartialManifest, published: Option<&PartialManifest>) -> u64 {
    let published = published.map(PartialManifest::known).unwrap_or_default();
    staged.known().max(published).saturating_mul(BLOCK_BYTES)
}

fn refusal_of(error: &ReceiveError) -> Refusal {
    Refusal::new(error.reason(), error.to_string())
}
