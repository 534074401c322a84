//! One connection's requests, in their order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftx_core::RemoteName;
use ftx_core::native::wire::{FileHead, Reply, Request};
use ftx_core::native::{Reason, StepError, StreamId};
use ftx_io::{DetachedFrames, Frames, Incoming, IoLimits, StreamError, spawn_blocking};
use tracing::{debug, warn};

use super::life::SignsOfLife;
use super::list::PausedListing;
use super::next::Next;
use super::recent::RecentRanges;
use super::session::{Session, Upload};
use super::small::{Batch, Expected};
use super::waiting::Waiting;
use super::{NativeError, UPLOADS, decode, say_goodbye};
use crate::context::Context;
use crate::dedicated::{Movable, Placement, Yield};
use crate::store::{Refusal, Store, StoredFile as _, UploadOffer, UploadOwner, WorkProgress};

/// Files of so many bytes are closed apart.
const LARGE: u64 = 64 * 1024 * 1024;

/// Answers that wait for more of them before they are sent, in bytes.
pub(super) const ANSWERS: usize = 32 * 1024;

/// One connection of a client, apart from its bytes.
pub(super) struct Conversation<S: Store> {
    pub(super) context: Arc<Context<S>>,
    pub(super) session: Arc<Session<S::Staging>>,
    pub(super) stream: StreamId,
    /// Uploads that were offered on this connection, and end with it.
    own: Vec<u32>,
    /// Offers that stand in line. They do not hold up what comes behind them.
    pub(super) waiting: Waiting,
    /// The client knows `Waiting`.
    pub(super) understands_waiting: bool,
    /// The file that was asked for last: others of its ranges are asked for next.
    pub(super) file: Option<(RemoteName, S::File)>,
    /// A listing whose next page may be asked for.
    pub(super) paused: Option<PausedListing<S::Cursor>>,
    /// Blocks that were asked for last.
    pub(super) recent: RecentRanges,
    pub(super) batch: Batch,
    /// A buffer that was used and can be used again.
    pub(super) spare: Vec<u8>,
    /// Files are moving.
    pub(super) busy: bool,
    /// There was no thread to be had for this connection alone.
    pub(super) stays: bool,
}

impl<S: Store> Movable for Conversation<S> {
    type Stream = Frames;
    type Detached = DetachedFrames;
    type Error = NativeError;

    fn detach(frames: Frames) -> io::Result<DetachedFrames> {
        frames.detach()
    }

    fn attach(parked: DetachedFrames) -> io::Result<Frames> {
        parked.attach()
    }

    /// Serves the client until there is a reason to stop. When that is the end, what it was uploading
    /// is kept.
    async fn run(
        &mut self,
        frames: &mut Frames,
        placement: Placement<'_>,
    ) -> Result<Yield, NativeError> {
        let mut result = self.converse(frames, placement).await;
        if matches!(result, Ok(Yield::Closed) | Err(_)) {
            if self.is_replaced() {
                // What arrived here the client sends again if it wants to.
                self.batch = Batch::default();
                self.leave().await;
                return Ok(Yield::Closed);
            }
            if !frames.is_desynced() {
                // They arrived whole, whatever came behind them.
                let _ = self.put_batch(frames).await;
            }
            let nothing_open = self.own.is_empty() && self.waiting.is_empty();
            self.leave().await;
            if let Err(error) = &result {
                say_goodbye(frames, error).await;
                if error.is_ordinary() && nothing_open {
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

impl<S: Store> Conversation<S> {
    pub(super) fn new(context: Arc<Context<S>>, session: Arc<Session<S::Staging>>) -> Self {
        Self {
            stream: session.new_stream(),
            context,
            session,
            own: Vec::new(),
            waiting: Waiting::default(),
            understands_waiting: false,
            file: None,
            paused: None,
            recent: RecentRanges::default(),
            batch: Batch::default(),
            spare: Vec::new(),
            busy: false,
            stays: false,
        }
    }

    async fn converse(
        &mut self,
        frames: &mut Frames,
        placement: Placement<'_>,
    ) -> Result<Yield, NativeError> {
        loop {
            if self.batch.is_due(frames, self.context.monitor.active())? {
                self.put_batch(frames).await?;
            }
            if frames.queued() > 0 && (frames.queued() >= ANSWERS || !frames.has_complete_frame()) {
                frames.writer().flush(self.stall()).await?;
            }
            if self.busy
                && !self.stays
                && let Placement::Reactor(threads) = placement
                && let Some(permit) = threads.permit()
            {
                return Ok(Yield::Busy(permit));
            }
            if self.waiting.is_due() {
                self.tell_waiting(frames)?;
            }
            match self.next(frames, placement).await? {
                Ok(Next::Incoming(incoming)) => self.handle(frames, incoming).await?,
                Ok(Next::Turn(request, lease)) => self.turn(frames, request, lease).await?,
                Err(reason) => return Ok(reason),
            }
        }
    }

    async fn handle(&mut self, frames: &mut Frames, incoming: Incoming) -> Result<(), NativeError> {
        match incoming {
            Incoming::File { request, head: FileHead::Put { name, meta, overwrite }, len } => {
                self.busy = true;
                self.small_file(frames, request, name, meta, overwrite, len).await
            }
            Incoming::File { head: FileHead::Got { .. }, .. } => {
                Err(StepError::OutOfStep { what: "a file that was not asked for" }.into())
            }
            Incoming::Block { request, head } => {
                self.busy = true;
                self.put_batch(frames).await?;
                self.block(frames, request, head).await
            }
            Incoming::Control { header, payload } => match decode(&header, &payload)? {
                Request::Check { name, size, meta, digest } => {
                    self.busy = true;
                    let file = Expected { size, meta, digest };
                    self.check(frames, header.request, &name, file).await
                }
                request => {
                    self.put_batch(frames).await?;
                    self.request(frames, header.request, request).await
                }
            },
        }
    }

    async fn request(
        &mut self,
        frames: &mut Frames,
        id: u32,
        request: Request,
    ) -> Result<(), NativeError> {
        match request {
            Request::Hello { .. } => Err(StepError::OutOfStep { what: "a second Hello" }.into()),
            Request::Offer { name, size, meta, overwrite, run, source } => {
                self.busy = true;
                let owner = Some(source.map_or(UploadOwner::Run(run), UploadOwner::Source));
                match Self::name(&name) {
                    Ok(name) => {
                        let offer = UploadOffer { name, size, meta, overwrite, owner };
                        self.offer(frames, id, offer, (run, source)).await
                    }
                    Err(refusal) => self.refuse(frames, id, &refusal),
                }
            }
            Request::Commit { digest } => self.commit(frames, id, digest).await,
            Request::Abandon { discard } => self.abandon(frames, id, discard).await,
            Request::Get { name, version, what } => {
                self.busy = true;
                self.get(frames, id, &name, version, what).await
            }
            Request::Ping { payload } => self.reply(frames, id, &Reply::Pong { payload }),
            other => self.ask(frames, id, other).await,
        }
    }

    /// Queues an answer.
    pub(super) fn reply(
        &self,
        frames: &mut Frames,
        request: u32,
        reply: &Reply,
    ) -> Result<(), NativeError> {
        debug!(id = request, ?reply, "answered");
        frames.queue(&reply.encode(request)?);
        Ok(())
    }

    /// Queues the answer that something is not done.
    pub(super) fn refuse(
        &self,
        frames: &mut Frames,
        request: u32,
        refusal: &Refusal,
    ) -> Result<(), NativeError> {
        self.context.monitor.error();
        let reason = refusal.reason.name();
        if !refusal.is_general {
            warn!(id = request, reason, error = %refusal, "refused");
        } else if let Some(times) = self.context.throttles.requests.count() {
            warn!(id = request, reason, times, error = %refusal, "refused");
        }
        // A client bounds what it keeps of such texts, and a name escaped in full can be longer.
        let message = ftx_core::shown(&refusal.message);
        self.reply(frames, request, &Reply::failed(refusal.reason, message))
    }

    /// The name, if it is one.
    pub(super) fn name(name: &str) -> Result<RemoteName, Refusal> {
        Ok(RemoteName::parse(name)?)
    }

    /// Waits for work of the store, and tells the client meanwhile that it goes on. If nobody waits
    /// any more, the work is told to stop.
    pub(super) async fn working<T>(
        &self,
        frames: &mut Frames,
        request: u32,
        progress: WorkProgress,
        work: impl Future<Output = T>,
    ) -> Result<T, NativeError> {
        let progress = StoppedAtLast(progress);
        let work = async {
            tokio::pin!(work);
            let over = async {
                self.session.over.cancelled().await;
                progress.0.stop();
                // Whoever replaces the session waits for what is being done.
                self.context.abort.cancelled().await;
            };
            tokio::select! {
                biased;
                done = &mut work => Ok(done),
                () = over => Err(StreamError::Stopped.into()),
            }
        };
        let mut signs = SignsOfLife::new(request);
        signs.during(frames.writer(), || progress.0.get(), work).await?
    }

    /// Takes note of an upload that ends with this connection; `false` if another connection has one of
    /// that id meanwhile.
    pub(super) fn adopt(&mut self, request: u32, upload: &Arc<Upload<S::Staging>>) -> bool {
        let adopted = self.session.add(request, upload);
        if adopted {
            self.own.push(request);
        }
        adopted
    }

    /// Whether another upload would be too many.
    pub(super) fn has_too_many(&mut self) -> bool {
        // Some may have failed on other connections.
        self.own.retain(|&own| self.session.has(own));
        self.own.len() + self.waiting.len() >= UPLOADS
    }

    /// Takes an upload that was offered on this connection out of the session.
    pub(super) fn release(&mut self, request: u32) -> Option<Arc<Upload<S::Staging>>> {
        self.own.retain(|own| *own != request);
        self.session.remove(request)
    }

    /// Closes the file that was asked for last. The last handle of a large file that was replaced takes
    /// its time, and that is not the reactor's.
    pub(super) fn close_file(&mut self) {
        if let Some((_, file)) = self.file.take()
            && file.size() >= LARGE
        {
            drop(spawn_blocking(move || drop(file)));
        }
    }

    /// Puts away what the connection leaves behind.
    async fn leave(&mut self) {
        self.close_file();
        self.waiting.clear();
        self.session.lost(self.stream);
        for request in std::mem::take(&mut self.own) {
            if let Some(upload) = self.session.remove(request) {
                super::upload::put_away(&upload, false).await;
                upload.let_go(false);
            }
        }
    }

    /// A request for what must not be one already.
    pub(super) fn check_new(&self, request: u32) -> Result<(), NativeError> {
        if self.session.has(request) || self.waiting.has(request) {
            return Err(request_in_use(request));
        }
        Ok(())
    }

    /// Whether the client has come back with another session in place of this one.
    fn is_replaced(&self) -> bool {
        self.session.over.is_cancelled() && !self.context.abort.is_cancelled()
    }

    /// The guard of bytes that are to move now.
    pub(super) fn stall(&self) -> IoLimits<'_> {
        self.guard(self.context.timeouts.stall)
    }

    pub(super) fn guard(&self, limit: Duration) -> IoLimits<'_> {
        IoLimits { limit, stop: &self.session.over }
    }
}

impl<S: Store> Drop for Conversation<S> {
    /// One that did not come to its end, as after a panic, must not keep others waiting for it.
    fn drop(&mut self) {
        self.session.lost(self.stream);
        for request in std::mem::take(&mut self.own) {
            drop(self.session.remove(request));
        }
    }
}

/// Two requests of one id cannot be told apart.
pub(super) fn request_in_use(request: u32) -> NativeError {
    NativeError::Refused {
        reason: Reason::OutOfStep,
        message: format!("request {request} is an upload under way; give each a new id"),
    }
}

/// Tells work to stop when nobody waits for it any more.
struct StoppedAtLast(WorkProgress);

impl Drop for StoppedAtLast {
    fn drop(&mut self) {
        self.0.stop();
    }
}
