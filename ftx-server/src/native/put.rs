//! Small files: those that arrive in one frame, and those that a client asks to compare.

use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::dialect::Dialect;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockHasher, Cv, Digest, Manifest};
use ftx_core::native::wire::{Meta, Overwrite, Reply};
use ftx_io::{CHUNK_BYTES, Executor, Frames};
use tracing::debug;

use super::connection::NativeConnection;
use super::error::{NativeError, RequestError};
use super::heartbeat::Heartbeat;
use super::put_batch::{PutBatch, PutRequest};
use super::request::RequestContext;
use crate::store::{
    ExpectedVersion, Naming, OpenedUpload, PutOutcome, SmallData, SmallFile, StagedUpload, Store,
    UploadOffer, WorkProgress,
};

/// The largest file that is received into memory.
const MAX_IN_MEMORY_BYTES: u64 = CHUNK_BYTES as u64;

/// The bytes of a file are not those that the client hashed.
const DAMAGED: &str = "the file did not arrive as it was sent; send it again";

/// A file arrives in one frame.
pub(super) async fn on_file<S: Store>(
    cx: &mut RequestContext<'_, S>,
    name: &str,
    meta: Meta,
    overwrite: Overwrite,
    len: u64,
) -> Result<(), RequestError> {
    cx.connection.check_new(cx.id)?;
    let name = RemoteName::parse(name)?;
    // To see whether a file is unchanged, all of it may have to be read.
    if len > MAX_IN_MEMORY_BYTES || matches!(overwrite, Overwrite::IfUnchanged(_)) {
        store_batch(cx.connection, cx.frames).await?;
        let naming = Naming::Exact;
        let offer = UploadOffer { name, size: len, meta, overwrite, naming, owner: None };
        return Box::pin(store_single(cx, offer)).await;
    }
    let bytes = cx.read_whole().await?;
    let digest = Digest(cx.read_hash().await?);
    if Digest::of(&bytes) != digest {
        return Err(RequestError::refused(Reason::DigestMismatch, DAMAGED));
    }
    let data = SmallData::Whole(bytes);
    let naming = Naming::Exact;
    cx.connection.batch.push(cx.id, SmallFile { name, meta, overwrite, naming, data, digest });
    Ok(())
}

/// A client asks whether a file is up to date. Small ones are compared together with those that arrive.
pub(super) async fn on_check<S: Store>(
    cx: &mut RequestContext<'_, S>,
    expected: ExpectedVersion,
) -> Result<(), RequestError> {
    if expected.size <= BLOCK_BYTES {
        cx.connection.batch.push_check(cx.id, expected);
        return Ok(());
    }
    store_batch(cx.connection, cx.frames).await?;
    let (context, digest) = (Arc::clone(&cx.connection.context), expected.digest);
    let (store, executor, progress) = (cx.store(), cx.executor(), WorkProgress::default());
    let work = store.confirm(&executor, expected, progress.clone());
    if cx.working(progress, Box::pin(work)).await? {
        context.metrics.uploaded(Dialect::Native);
        cx.reply(&Reply::Done { digest, unchanged: true })?;
    } else {
        cx.reply(&Reply::Wanted)?;
    }
    Ok(())
}

/// Stores the files of the batch and replies to each of their requests.
pub(super) async fn store_batch<S: Store>(
    connection: &mut NativeConnection<S>,
    frames: &mut Frames,
) -> Result<(), NativeError> {
    if connection.batch.files.is_empty() {
        return Ok(());
    }
    let PutBatch { requests, files, bytes } = std::mem::take(&mut connection.batch);
    debug!(files = files.len(), bytes, "stores small files");
    let mut heartbeat = Heartbeat::new(requests.first().map(|put| put.id).unwrap_or_default());
    let (store, executor) = (&connection.store, &connection.executor);
    // Otherwise the task of each connection would have room for it.
    let put = Box::pin(async { Ok::<_, NativeError>(store.put(executor, files).await) });
    let results = heartbeat.during(frames.writer(), || (0, bytes as u64), put).await?;
    for (PutRequest { id: request, digest }, result) in requests.into_iter().zip(results) {
        match result {
            Ok(PutOutcome::Wanted) => connection.reply(frames, request, &Reply::Wanted)?,
            Ok(outcome) => {
                connection.context.metrics.uploaded(Dialect::Native);
                let unchanged = outcome == PutOutcome::Unchanged;
                connection.reply(frames, request, &Reply::Done { digest, unchanged })?;
            }
            Err(refusal) => connection.refuse(frames, request, &refusal)?,
        }
    }
    Ok(())
}

/// Stores a file of at most one block through a staging, without a batch.
async fn store_single<S: Store>(
    cx: &mut RequestContext<'_, S>,
    offer: UploadOffer,
) -> Result<(), RequestError> {
    let size = offer.size;
    let (context, executor) = (Arc::clone(&cx.connection.context), cx.executor());
    let (store, progress) = (cx.store(), WorkProgress::default());
    let work = store.offer(&executor, offer, progress.clone());
    let OpenedUpload { upload, .. } = cx.working(progress, Box::pin(work)).await?;
    let stored = match receive_single(cx, &executor, &upload, size).await {
        Ok(digest) => {
            let progress = WorkProgress::default();
            let work = upload.publish(&executor, Vec::new(), digest, progress.clone());
            let published = cx.working(progress, Box::pin(work)).await;
            published.map(|unchanged| Reply::Done { digest, unchanged })
        }
        Err(error) => Err(error),
    };
    match stored {
        Ok(done) => {
            context.metrics.uploaded(Dialect::Native);
            Ok(cx.reply(&done)?)
        }
        Err(error) => {
            // A file this small is not worth resuming.
            let _ = upload.end(&executor, true).await;
            Err(error)
        }
    }
}

/// Writes the file to its staging as it arrives. Returns its digest.
async fn receive_single<S: Store>(
    cx: &mut RequestContext<'_, S>,
    executor: &Executor,
    upload: &S::Staging,
    size: u64,
) -> Result<Digest, RequestError> {
    let mut heartbeat = Heartbeat::new(cx.id);
    let mut hasher = BlockHasher::new(size, 0);
    let mut offset = 0;
    while offset < size {
        let chunk = cx.read_piece(&mut heartbeat, |_| {}).await?;
        hasher.update(&chunk);
        let len = chunk.len() as u64;
        cx.connection.spare = upload.write(executor, offset, chunk).await?;
        offset += len;
    }
    let claimed = cx.read_hash().await?;
    let computed = match hasher.finish() {
        Ok(cv) => Digest(cv.0),
        Err(_) => Manifest::empty().digest(),
    };
    if computed.0 != claimed {
        return Err(RequestError::refused(Reason::DigestMismatch, DAMAGED));
    }
    if size > 0 {
        upload.stored(executor, 0, Cv(claimed)).await?;
    }
    Ok(computed)
}
