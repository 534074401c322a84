//! The handler of a legacy connection: a loop that feeds the state machine.
//!
//! [`ftx_core::legacy::server`] decides the order of messages; nothing here decides about the protocol.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ftx_core::dialect::Dialect;
use ftx_core::legacy::server::{Fact, ServerAction, ServerMachine};
use ftx_core::legacy::wire::{DecodeLimits, LegacyReply, LegacyRequest, decode_request};
use ftx_core::legacy::{ProtocolError, Want};
use ftx_core::native::Reason;
use ftx_io::{BufferedStream, CHUNK_BYTES, DetachedStream, Executor, IoLimits, StreamError};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::error::LegacyError;
use super::transfer::Transfer;
use crate::context::Context;
use crate::dedicated::{self, DedicatedThreads, Movable, Placement, Yield};
use crate::handshake_deadline::HandshakeDeadline;
use crate::limits::Limit;
use crate::store::{LegacyStore, Store};

/// The pause before a message that must arrive separately from the one before: long enough for a client on
/// a slow line to have read that one, short enough to be no nuisance.
const REPLY_GAP: Duration = Duration::from_millis(200);

/// Small files in a row before a connection moves to a dedicated thread.
const STREAK_FILES: u32 = 3;

/// How long a client may pause before its connection leaves its dedicated thread.
const LEGACY_CLIENT_PAUSE: Duration = Duration::from_millis(20);

/// Serves a legacy client until it leaves, something fails, or it is `ended`. Its unfinished upload is kept.
pub(crate) async fn serve<S: Store + LegacyStore>(
    stream: BufferedStream,
    context: &Arc<Context<S>>,
    store: S,
    ended: CancellationToken,
    deadline: HandshakeDeadline,
    threads: &DedicatedThreads,
) -> Result<(), LegacyError> {
    let over = context.abort.child_token();
    let handler = LegacyHandler::new(Arc::clone(context), store, over.clone(), deadline);
    let mut serving = pin!(dedicated::serve(handler, stream, threads));
    tokio::select! {
        served = &mut serving => return served,
        () = ended.cancelled() => info!("legacy clients are no longer served from there"),
    }
    over.cancel();
    match serving.await {
        Err(LegacyError::Stream(StreamError::Stopped)) => Ok(()),
        served => served,
    }
}

/// One connection of a client, without its byte stream.
struct LegacyHandler<S: Store + LegacyStore> {
    context: Arc<Context<S>>,
    /// Set when the grace of a shutdown is over, or the client is not served any more.
    over: CancellationToken,
    machine: ServerMachine,
    /// The deadline of the first request; `None` once that has arrived.
    deadline: Option<HandshakeDeadline>,
    /// The number of small files in a row.
    streak_files: u32,
    transfer: Transfer<S>,
}

/// The next request of a client, or the reason why there is none.
enum NextRequest {
    Request(LegacyRequest),
    Yield(Yield),
}

impl<S: Store + LegacyStore> Movable for LegacyHandler<S> {
    type Stream = BufferedStream;
    type Detached = DetachedStream;
    type Error = LegacyError;

    fn detach(stream: BufferedStream) -> io::Result<DetachedStream> {
        stream.detach()
    }

    fn attach(detached: DetachedStream) -> io::Result<BufferedStream> {
        detached.attach()
    }

    fn attach_dedicated(detached: DetachedStream) -> io::Result<BufferedStream> {
        Ok(detached.attach()?.with_busy_poll())
    }

    fn set_executor(&mut self, executor: Executor) {
        self.transfer.set_executor(executor);
    }

    /// Serves the client until there is a reason to yield. When something fails, the unfinished upload is
    /// kept.
    async fn run(
        &mut self,
        stream: &mut BufferedStream,
        placement: Placement<'_>,
    ) -> Result<Yield, LegacyError> {
        let result = self.serve_requests(stream, placement).await;
        if result.is_err() {
            self.transfer.suspend().await;
        }
        result
    }

    /// Asks for no dedicated thread before the next streak of small files.
    fn stay(&mut self) {
        self.streak_files = 0;
    }
}

impl<S: Store + LegacyStore> LegacyHandler<S> {
    fn new(
        context: Arc<Context<S>>,
        store: S,
        over: CancellationToken,
        deadline: HandshakeDeadline,
    ) -> Self {
        Self {
            transfer: Transfer::new(Arc::clone(&context), store, over.clone()),
            context,
            over,
            machine: ServerMachine::new(),
            deadline: Some(deadline),
            streak_files: 0,
        }
    }

    async fn serve_requests(
        &mut self,
        stream: &mut BufferedStream,
        placement: Placement<'_>,
    ) -> Result<Yield, LegacyError> {
        loop {
            while let Some(action) = self.machine.poll() {
                if let Some(fact) = self.act(stream, action).await? {
                    self.machine.fact(fact)?;
                }
            }
            match self.machine.want() {
                Want::Message => match self.next_request(stream, placement).await? {
                    NextRequest::Request(request) => {
                        debug!(?request, "received");
                        self.machine.message(request)?;
                        self.deadline = None;
                    }
                    NextRequest::Yield(reason) => return Ok(reason),
                },
                Want::Body { left } => {
                    let (fact, failure) = self.transfer.receive(stream, left).await?;
                    if let Some(failure) = failure {
                        self.machine.fact(failure)?;
                    }
                    self.machine.fact(fact)?;
                }
                Want::Discard { left } => {
                    let fact = self.transfer.discard(stream, left).await?;
                    self.machine.fact(fact)?;
                }
                Want::Fact | Want::Nothing => return Err(ProtocolError::OutOfStep.into()),
            }
        }
    }

    async fn next_request(
        &mut self,
        stream: &mut BufferedStream,
        placement: Placement<'_>,
    ) -> Result<NextRequest, LegacyError> {
        let is_dedicated = matches!(placement, Placement::Dedicated);
        self.transfer.shrink_buffers();
        loop {
            if self.over.is_cancelled() {
                return Ok(NextRequest::Yield(Yield::Closed));
            }
            if let Some((request, len)) =
                decode_request(stream.buffered(), &DecodeLimits::default())?
            {
                stream.consume(len);
                return Ok(NextRequest::Request(request));
            }
            // No part of a message has arrived.
            let is_between = stream.buffered().is_empty();
            if is_between
                && self.streak_files >= STREAK_FILES
                && let Placement::Reactor(threads) = placement
                && let Some(permit) = threads.permit()
            {
                return Ok(NextRequest::Yield(Yield::Busy(permit)));
            }
            if is_between && self.streak_files == 0 && is_dedicated {
                return Ok(NextRequest::Yield(Yield::Idle));
            }
            let timeouts = &self.context.timeouts;
            let limit = match (self.deadline, is_between, is_dedicated) {
                (Some(deadline), _, _) => deadline.left(),
                (None, true, true) => LEGACY_CLIENT_PAUSE.min(timeouts.idle),
                (None, true, false) => timeouts.idle,
                (None, false, _) => timeouts.stall,
            };
            let limits = IoLimits { limit, stop: &self.over };
            let more = tokio::select! {
                more = stream.fill(limits) => more,
                () = self.context.stop.cancelled() => {
                    return Ok(NextRequest::Yield(Yield::Closed));
                }
            };
            match more {
                Ok(true) => {}
                Ok(false) => return Ok(NextRequest::Yield(Yield::Closed)),
                Err(StreamError::Stopped) if is_between => {
                    return Ok(NextRequest::Yield(Yield::Closed));
                }
                Err(StreamError::Timeout(_)) if is_between && is_dedicated => {
                    self.streak_files = 0;
                    return Ok(NextRequest::Yield(Yield::Idle));
                }
                Err(StreamError::Timeout(_)) if is_between => {
                    debug!("closed: idle for too long");
                    self.context.metrics.limited(Limit::IdleTimeout);
                    return Ok(NextRequest::Yield(Yield::Closed));
                }
                Err(error) => {
                    return Err(match self.deadline {
                        Some(deadline) => deadline.name_limit(error).into(),
                        None => error.into(),
                    });
                }
            }
        }
    }

    /// Does what the machine demands. Returns the outcome if the machine waits for one.
    async fn act(
        &mut self,
        stream: &mut BufferedStream,
        action: ServerAction,
    ) -> Result<Option<Fact>, LegacyError> {
        Ok(Some(match action {
            ServerAction::Send(reply) => {
                self.send(stream, &reply).await?;
                return Ok(None);
            }
            ServerAction::SendApart(reply) => {
                tokio::time::sleep(REPLY_GAP).await;
                self.send(stream, &reply).await?;
                return Ok(None);
            }
            ServerAction::NameRefused { name, error } => {
                self.context.metrics.failed(Reason::NameRefused);
                warn!(?name, %error, "refused a name");
                return Ok(None);
            }
            ServerAction::OfferUpload { name, limit } => {
                self.transfer.offer_upload(&name, limit).await?
            }
            ServerAction::BeginUpload { name, resume, len } => {
                let fact = self.transfer.begin_upload(&name, resume, len).await?;
                if fact == Fact::UploadBegun {
                    self.count_file(len);
                }
                fact
            }
            ServerAction::CommitUpload => self.transfer.commit_upload().await?,
            ServerAction::OfferDownload { name, held, whole_only } => {
                self.transfer.offer_download(&name, held, whole_only).await?
            }
            ServerAction::SendBody { offset, len } => {
                self.count_file(len);
                self.transfer.send_body(stream, offset, len).await?;
                self.context.metrics.downloaded(Dialect::Legacy);
                Fact::BodySent
            }
        }))
    }

    async fn send(
        &mut self,
        stream: &mut BufferedStream,
        reply: &LegacyReply,
    ) -> Result<(), LegacyError> {
        debug!(?reply, "sent");
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        let limits = IoLimits { limit: self.context.timeouts.stall, stop: &self.over };
        Ok(stream.write_all(&bytes, limits).await?)
    }

    /// Counts small files in a row.
    fn count_file(&mut self, len: u64) {
        let is_small = len <= CHUNK_BYTES as u64;
        self.streak_files = if is_small { self.streak_files.saturating_add(1) } else { 0 };
    }
}
