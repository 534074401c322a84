//! The handler of a native connection: a loop over its requests.

use std::io;

use ftx_core::RemoteName;
use ftx_core::native::StepError;
use ftx_core::native::wire::{FileHead, Reply, Request};
use ftx_io::{DetachedFrames, Executor, Frames, Incoming};

use super::connection::{MAX_QUEUED_REPLY_BYTES, NativeConnection};
use super::error::{NativeError, RequestError};
use super::goodbye::say_goodbye;
use super::list::ListQuery;
use super::next_event::{NextEvent, next_event};
use super::put_batch::PutBatch;
use super::request::{RequestContext, UnreadBody, decode};
use super::{download, granules, metadata, offers, put, upload};
use crate::dedicated::{Movable, Placement, Yield};
use crate::store::{ExpectedVersion, Naming, Store, UploadOffer, UploadOwner};

impl<S: Store> Movable for NativeConnection<S> {
    type Stream = Frames;
    type Detached = DetachedFrames;
    type Error = NativeError;

    fn detach(frames: Frames) -> io::Result<DetachedFrames> {
        frames.detach()
    }

    fn attach(detached: DetachedFrames) -> io::Result<Frames> {
        detached.attach()
    }

    fn set_executor(&mut self, executor: Executor) {
        self.executor = executor;
    }

    /// Serves the client until there is a reason to yield. At the end of the connection, its unfinished
    /// uploads are kept.
    async fn run(
        &mut self,
        frames: &mut Frames,
        placement: Placement<'_>,
    ) -> Result<Yield, NativeError> {
        frames.set_inline_compression(self.executor.is_inline());
        let mut result = serve_requests(self, frames, placement).await;
        if matches!(result, Ok(Yield::Closed) | Err(_)) {
            if is_replaced(self) {
                // The client resends the files of the batch if it wants to.
                self.batch = PutBatch::default();
                close(self).await;
                return Ok(Yield::Closed);
            }
            if !frames.is_desynced() {
                // The files of the batch arrived whole, whatever came after them.
                let _ = put::store_batch(self, frames).await;
            }
            let has_no_uploads = self.has_no_uploads();
            close(self).await;
            if let Err(error) = &result {
                say_goodbye(frames, error).await;
                if error.is_ordinary() && has_no_uploads {
                    result = Ok(Yield::Closed);
                }
            }
        }
        result
    }

    fn stay(&mut self) {
        self.stays = true;
    }
}

async fn serve_requests<S: Store>(
    connection: &mut NativeConnection<S>,
    frames: &mut Frames,
    placement: Placement<'_>,
) -> Result<Yield, NativeError> {
    loop {
        if connection.batch.is_due(frames, connection.context.monitor.active())? {
            put::store_batch(connection, frames).await?;
        }
        let (queued, most) = (frames.queued(), frames.flush_threshold(MAX_QUEUED_REPLY_BYTES));
        if queued > 0 && (queued >= most || !frames.has_complete_frame()) {
            frames.writer().flush(connection.stall()).await?;
        }
        if connection.is_busy
            && !connection.stays
            && let Placement::Reactor(threads) = placement
            && let Some(permit) = threads.permit()
        {
            return Ok(Yield::Busy(permit));
        }
        if connection.waiting.is_due() {
            offers::report_waiting(connection, frames)?;
        }
        match next_event(connection, frames, placement).await? {
            NextEvent::Yield(reason) => return Ok(reason),
            NextEvent::Incoming(incoming) => {
                connection.estimate_line(frames);
                let (id, body) = parts_of(&incoming);
                let mut request = RequestContext::new(connection, frames, id, body);
                let handled = handle(&mut request, incoming).await;
                finish(request, handled).await?;
            }
            NextEvent::Turn(id, lease) => {
                let mut request = RequestContext::new(connection, frames, id, None);
                let handled = offers::on_turn(&mut request, lease).await;
                finish(request, handled).await?;
            }
        }
    }
}

/// The id of the request, and the body that follows.
fn parts_of(incoming: &Incoming) -> (u32, Option<UnreadBody>) {
    match incoming {
        Incoming::File { request, len, .. } => (*request, Some(UnreadBody { bytes: *len })),
        Incoming::Block { request, head } => (*request, Some(UnreadBody { bytes: head.len })),
        Incoming::Control { header, .. } => (header.request, None),
    }
}

/// The one place where a refusal becomes a `Failed` reply, and where unread bytes are dropped.
async fn finish<S: Store>(
    mut request: RequestContext<'_, S>,
    handled: Result<(), RequestError>,
) -> Result<(), NativeError> {
    match handled {
        Ok(()) => {}
        Err(RequestError::Refused(refusal)) => {
            // Replies keep the order of their requests.
            put::store_batch(request.connection, request.frames).await?;
            request.connection.refuse(request.frames, request.id, &refusal)?;
        }
        Err(RequestError::Fatal(error)) => return Err(error),
    }
    request.discard_unread().await
}

async fn handle<S: Store>(
    cx: &mut RequestContext<'_, S>,
    incoming: Incoming,
) -> Result<(), RequestError> {
    match incoming {
        Incoming::File { head: FileHead::Put { name, meta, overwrite }, len, .. } => {
            cx.connection.is_busy = true;
            put::on_file(cx, &name, meta, overwrite, len).await
        }
        Incoming::File { head: FileHead::Got { .. }, .. } => {
            Err(StepError::OutOfStep { what: "a file that was not asked for" }.into())
        }
        Incoming::Block { head, .. } => {
            cx.connection.is_busy = true;
            put::store_batch(cx.connection, cx.frames).await?;
            upload::on_block(cx, head).await
        }
        Incoming::Control { header, payload } => {
            let request = decode(&header, &payload)?;
            // A check joins the batch; any other reply keeps its order by coming after it.
            if !matches!(request, Request::Check { .. }) {
                put::store_batch(cx.connection, cx.frames).await?;
            }
            handle_control(cx, request).await
        }
    }
}

/// Handles each request by its kind. The match names them all, so the compiler finds a new one.
async fn handle_control<S: Store>(
    cx: &mut RequestContext<'_, S>,
    request: Request,
) -> Result<(), RequestError> {
    match request {
        Request::Hello { .. } => Err(StepError::OutOfStep { what: "a second Hello" }.into()),
        Request::Offer { name, size, meta, overwrite, run, source } => {
            cx.connection.is_busy = true;
            let owner = Some(source.map_or(UploadOwner::Run(run), UploadOwner::Source));
            let name = RemoteName::parse(&name)?;
            let naming = Naming::Exact;
            let offer = UploadOffer { name, size, meta, overwrite, naming, owner };
            offers::on_offer(cx, offer, run, source).await
        }
        Request::Commit { digest } => upload::on_commit(cx, digest).await,
        Request::Abandon { discard } => upload::on_abandon(cx, discard).await,
        Request::Get { name, version, what: scope } => {
            cx.connection.is_busy = true;
            download::on_get(cx, &name, version, scope).await
        }
        Request::Check { name, size, meta, digest } => {
            cx.connection.is_busy = true;
            cx.connection.check_new(cx.id)?;
            let name = RemoteName::parse(&name)?;
            put::on_check(cx, ExpectedVersion { name, size, meta, digest }).await
        }
        Request::Stat { name } => metadata::on_stat(cx, &name).await,
        Request::List { name, recursive, after, limit } => {
            metadata::on_list(cx, ListQuery { name, recursive, after, limit }).await
        }
        Request::Digest { name } => metadata::on_digest(cx, &name).await,
        Request::Remove { name } => metadata::on_remove(cx, &name).await,
        Request::MakeDirectory { name } => metadata::on_make_directory(cx, &name).await,
        Request::Ping { payload } => Ok(cx.reply(&Reply::Pong { payload })?),
    }
}

/// Releases everything that the connection holds.
async fn close<S: Store>(connection: &mut NativeConnection<S>) {
    connection.close_file();
    connection.waiting.clear();
    granules::give_up(connection).await;
    connection.session.lost(connection.stream);
    for upload in connection.remove_uploads() {
        upload::suspend(&connection.executor, &upload, false).await;
        upload.release_lease(false);
    }
}

/// Whether the client has replaced this session by a new one.
fn is_replaced<S: Store>(connection: &NativeConnection<S>) -> bool {
    connection.session.over.is_cancelled() && !connection.context.abort.is_cancelled()
}
