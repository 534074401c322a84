//! Requests that move no file: listings, metadata, digests, directories and removal.

use ftx_core::RemoteName;
use ftx_core::native::wire::Reply;

use super::error::RequestError;
use super::list::{ListQuery, list};
use super::request::RequestContext;
use crate::store::{Refusal, Store, StoredFile, WorkProgress};

pub(super) async fn on_stat<S: Store>(
    cx: &mut RequestContext<'_, S>,
    name: &str,
) -> Result<(), RequestError> {
    let name = RemoteName::parse(name)?;
    let (store, executor) = (cx.store(), cx.executor());
    answer(cx, async { Ok(Reply::Entry(store.stat(&executor, &name).await?)) }).await
}

pub(super) async fn on_remove<S: Store>(
    cx: &mut RequestContext<'_, S>,
    name: &str,
) -> Result<(), RequestError> {
    let name = RemoteName::parse(name)?;
    let (store, executor) = (cx.store(), cx.executor());
    answer(cx, async { store.remove(&executor, &name).await.map(|()| Reply::Removed) }).await
}

pub(super) async fn on_make_directory<S: Store>(
    cx: &mut RequestContext<'_, S>,
    name: &str,
) -> Result<(), RequestError> {
    let name = RemoteName::parse(name)?;
    let (store, executor) = (cx.store(), cx.executor());
    answer(cx, async { Ok(Reply::Entry(store.make_directory(&executor, &name).await?)) }).await
}

pub(super) async fn on_list<S: Store>(
    cx: &mut RequestContext<'_, S>,
    query: ListQuery,
) -> Result<(), RequestError> {
    let paused = cx.connection.paused.take();
    let (store, executor) = (cx.store(), cx.executor());
    let work = list(&store, &executor, query, paused);
    let (reply, paused) = cx.working(WorkProgress::default(), Box::pin(work)).await?;
    cx.connection.paused = paused;
    Ok(cx.reply(&reply)?)
}

pub(super) async fn on_digest<S: Store>(
    cx: &mut RequestContext<'_, S>,
    name: &str,
) -> Result<(), RequestError> {
    let name = RemoteName::parse(name)?;
    let executor = cx.executor();
    let file = cx.store().open(&executor, &name).await?;
    reply_found(cx, &file)?;
    let progress = WorkProgress::default();
    let manifest =
        cx.working(progress.clone(), Box::pin(file.manifest(&executor, progress))).await?;
    Ok(cx.reply(&Reply::End { digest: Some(manifest.digest()) })?)
}

/// Replies with the result of `work`, which a slow disk can delay. It ends a listing.
async fn answer<S: Store>(
    cx: &mut RequestContext<'_, S>,
    work: impl Future<Output = Result<Reply, Refusal>>,
) -> Result<(), RequestError> {
    cx.connection.paused = None;
    let reply = cx.working(WorkProgress::default(), Box::pin(work)).await?;
    Ok(cx.reply(&reply)?)
}

/// Replies with the metadata of a file that was found.
pub(super) fn reply_found<S: Store>(
    cx: &mut RequestContext<'_, S>,
    file: &S::File,
) -> Result<(), RequestError> {
    let (size, meta, version) = (file.size(), file.meta(), file.version());
    Ok(cx.reply(&Reply::Found { size, meta, version })?)
}
