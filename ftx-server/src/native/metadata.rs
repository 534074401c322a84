//! Requests that move no file: listings, metadata, digests, directories and removal.

use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::wire::{Reply, Request};
use ftx_io::Executor;

use super::error::RequestError;
use super::list::{ListQuery, list};
use super::request::RequestContext;
use crate::store::{Refusal, Store, StoredFile, WorkProgress};

/// Handles any request that no other file handles.
pub(super) async fn on_request<S: Store>(
    cx: &mut RequestContext<'_, S>,
    request: Request,
) -> Result<(), RequestError> {
    if let Request::Digest { name } = request {
        return on_digest(cx, &name).await;
    }
    // Any other request ends a listing.
    let paused = cx.connection.paused.take();
    let context = Arc::clone(&cx.connection.context);
    // A slow disk can delay each of them.
    let (executor, progress) = (cx.executor(), WorkProgress::default());
    let reply = match request {
        Request::List { name, recursive, after, limit } => {
            let query = ListQuery { name, recursive, after, limit };
            let page = list(&context.store, &executor, query, paused);
            let (reply, paused) = cx.working(progress, page).await?;
            cx.connection.paused = paused;
            reply
        }
        other => cx.working(progress, answer(&context.store, &executor, other)).await?,
    };
    Ok(cx.reply(&reply)?)
}

async fn answer<S: Store>(
    store: &S,
    executor: &Executor,
    request: Request,
) -> Result<Reply, Refusal> {
    match request {
        Request::Stat { name } => {
            Ok(Reply::Entry(store.stat(executor, &RemoteName::parse(&name)?).await?))
        }
        Request::Remove { name } => {
            store.remove(executor, &RemoteName::parse(&name)?).await?;
            Ok(Reply::Removed)
        }
        Request::MakeDirectory { name } => {
            Ok(Reply::Entry(store.make_directory(executor, &RemoteName::parse(&name)?).await?))
        }
        _ => Err(Refusal::new(Reason::Unsupported, "this server does not do that")),
    }
}

async fn on_digest<S: Store>(
    cx: &mut RequestContext<'_, S>,
    name: &str,
) -> Result<(), RequestError> {
    let name = RemoteName::parse(name)?;
    let executor = cx.executor();
    let file = cx.connection.context.store.open(&executor, &name).await?;
    reply_found(cx, &file)?;
    let progress = WorkProgress::default();
    let manifest = cx.working(progress.clone(), file.manifest(&executor, progress)).await?;
    Ok(cx.reply(&Reply::End { digest: Some(manifest.digest()) })?)
}

/// Replies with the metadata of a file that was found.
pub(super) fn reply_found<S: Store>(
    cx: &mut RequestContext<'_, S>,
    file: &S::File,
) -> Result<(), RequestError> {
    let (size, meta, version) = (file.size(), file.meta(), file.version());
    Ok(cx.reply(&Reply::Found { size, meta, version })?)
}
