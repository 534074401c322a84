//! Drives the legacy state machine of a connection: moves its bytes and asks the store.
//!
//! What is said when is decided in [`ftx_core::legacy::server`]; here is no protocol decision.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftx_core::Status;
use ftx_core::legacy::server::{Fact, ServerAction, ServerMachine};
use ftx_core::legacy::wire::{
    DecodeError, DecodeLimits, LegacyReply, LegacyRequest, decode_request,
};
use ftx_core::legacy::{ProtocolError, Want};
use ftx_io::{
    BufferedStream, CHUNK_BYTES, DetachedStream, ErrorChain, StreamError, receive_chunk_bytes,
};
use ftx_store::StoreError;
use tracing::{debug, info, warn};

use crate::context::Context;
use crate::dedicated::{self, DedicatedThreads, Movable, Placement, ThreadPanicked, Yield};
use crate::handshake_deadline::HandshakeDeadline;
use crate::store::{LegacyBegin, LegacyDownload, LegacyOffer, LegacyStore, LegacyUpload, Store};

/// How long a message that must arrive on its own waits after the one before: long enough for a
/// client on a slow line to have read that, short enough to be no nuisance.
const APART: Duration = Duration::from_millis(200);

/// Small files in a row before a connection moves to a dedicated thread.
const STREAK_FILES: u32 = 3;

/// How long a client may pause before its connection leaves its dedicated thread.
const DEDICATED_PAUSE: Duration = Duration::from_millis(20);

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LegacyError {
    #[error("the client's message cannot be understood")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Panicked(#[from] ThreadPanicked),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A file could not be read while it was being sent, which no message can say.
    #[error("a download was broken off")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Wire(#[from] StreamError),
}

impl From<io::Error> for LegacyError {
    fn from(error: io::Error) -> Self {
        StreamError::from(error).into()
    }
}

/// Serves a legacy client until it leaves or something fails. What it was uploading is kept.
pub(crate) async fn serve<S: Store + LegacyStore>(
    wire: BufferedStream,
    context: &Arc<Context<S>>,
    deadline: HandshakeDeadline,
    threads: &DedicatedThreads,
) -> Result<(), LegacyError> {
    let session = Session::new(Arc::clone(context), deadline);
    dedicated::serve(session, wire, threads).await
}

/// One client's conversation, apart from its connection.
pub(crate) struct Session<S: Store + LegacyStore> {
    context: Arc<Context<S>>,
    machine: ServerMachine,
    /// When the first request must be there; `None` once it was heard.
    hello: Option<HandshakeDeadline>,
    /// Small files in a row.
    streak: u32,
    /// A buffer that was used and can be used again.
    spare: Vec<u8>,
    offer: Option<S::Offer>,
    upload: Option<S::Upload>,
    download: Option<S::Download>,
}

impl<S: Store + LegacyStore> Movable for Session<S> {
    type Stream = BufferedStream;
    type Detached = DetachedStream;
    type Error = LegacyError;

    fn detach(wire: BufferedStream) -> io::Result<DetachedStream> {
        wire.detach()
    }

    fn attach(parked: DetachedStream) -> io::Result<BufferedStream> {
        parked.attach()
    }

    fn attach_dedicated(parked: DetachedStream) -> io::Result<BufferedStream> {
        parked.attach()?.with_busy_poll()
    }

    /// Serves the client until there is a reason to yield. The upload under way is kept when something
    /// fails.
    async fn run(
        &mut self,
        wire: &mut BufferedStream,
        placement: Placement<'_>,
    ) -> Result<Yield, LegacyError> {
        let result = self.converse(wire, placement).await;
        if result.is_err() {
            self.suspend().await;
        }
        result
    }

    /// Asks for no dedicated thread until some more small files have come.
    fn stay(&mut self) {
        self.streak = 0;
    }
}

impl<S: Store + LegacyStore> Session<S> {
    fn new(context: Arc<Context<S>>, deadline: HandshakeDeadline) -> Self {
        Self {
            context,
            machine: ServerMachine::new(),
            hello: Some(deadline),
            streak: 0,
            spare: Vec::new(),
            offer: None,
            upload: None,
            download: None,
        }
    }

    async fn converse(
        &mut self,
        wire: &mut BufferedStream,
        placement: Placement<'_>,
    ) -> Result<Yield, LegacyError> {
        loop {
            while let Some(action) = self.machine.poll() {
                self.act(wire, action).await?;
            }
            match self.machine.want() {
                Want::Message => match self.next_request(wire, placement).await? {
                    Ok(request) => {
                        debug!(?request, "received");
                        self.machine.message(request)?;
                        self.hello = None;
                    }
                    Err(reason) => return Ok(reason),
                },
                Want::Body { left } => self.receive(wire, left).await?,
                Want::Discard { left } => self.discard(wire, left).await?,
                Want::Fact | Want::Nothing => return Err(ProtocolError::OutOfStep.into()),
            }
        }
    }

    /// The client's next request, or why there is none.
    async fn next_request(
        &mut self,
        wire: &mut BufferedStream,
        placement: Placement<'_>,
    ) -> Result<Result<LegacyRequest, Yield>, LegacyError> {
        self.spare = Vec::new();
        loop {
            if let Some((request, len)) = decode_request(wire.buffered(), &DecodeLimits::default())?
            {
                wire.consume(len);
                return Ok(Ok(request));
            }
            let timeouts = &self.context.timeouts;
            let between = wire.buffered().is_empty();
            if between
                && self.streak >= STREAK_FILES
                && let Placement::Reactor(threads) = placement
                && let Some(permit) = threads.permit()
            {
                return Ok(Err(Yield::Busy(permit)));
            }
            if between && self.streak == 0 && matches!(placement, Placement::Dedicated) {
                return Ok(Err(Yield::Idle));
            }
            let limit = match (self.hello, between, placement) {
                (Some(hello), _, _) => hello.left(),
                (None, true, Placement::Dedicated) => DEDICATED_PAUSE.min(timeouts.idle),
                (None, true, Placement::Reactor(_)) => timeouts.idle,
                (None, false, _) => timeouts.stall,
            };
            let more = tokio::select! {
                more = wire.fill(self.context.guard(limit)) => more,
                () = self.context.stop.cancelled() => return Ok(Err(Yield::Closed)),
            };
            match more {
                Ok(true) => {}
                Ok(false) => return Ok(Err(Yield::Closed)),
                Err(StreamError::Timeout(_))
                    if between && matches!(placement, Placement::Dedicated) =>
                {
                    self.streak = 0;
                    return Ok(Err(Yield::Idle));
                }
                Err(StreamError::Timeout(_)) if between => {
                    debug!("closed: idle for too long");
                    return Ok(Err(Yield::Closed));
                }
                Err(error) => {
                    return Err(match self.hello {
                        Some(hello) => hello.name_limit(error).into(),
                        None => error.into(),
                    });
                }
            }
        }
    }

    async fn act(
        &mut self,
        wire: &mut BufferedStream,
        action: ServerAction,
    ) -> Result<(), LegacyError> {
        let fact = match action {
            ServerAction::Send(reply) => return self.send(wire, &reply).await,
            ServerAction::SendApart(reply) => {
                tokio::time::sleep(APART).await;
                return self.send(wire, &reply).await;
            }
            ServerAction::NameRefused { name, error } => {
                self.context.monitor.error();
                warn!(?name, %error, "refused a name");
                return Ok(());
            }
            ServerAction::OfferUpload { name, limit } => {
                self.offer = None;
                let context = Arc::clone(&self.context);
                // Finding out may take longer than the server still has.
                let offered = tokio::select! {
                    offered = context.store.offer_prefix(&name, limit) => offered,
                    () = context.abort.cancelled() => return Err(StreamError::Stopped.into()),
                };
                match offered {
                    Ok(LegacyOffer { held, published, offer }) => {
                        self.offer = Some(offer);
                        Fact::UploadOffer { held, published }
                    }
                    Err(error) => self.failed(&error, "an upload was refused"),
                }
            }
            ServerAction::BeginUpload { name, resume, len } => {
                let offer = self.offer.take().ok_or(ProtocolError::OutOfStep)?;
                let begin =
                    if resume { LegacyBegin::Resume(offer) } else { LegacyBegin::Anew(offer) };
                match self.context.store.begin(&name, begin, len).await {
                    Ok(upload) => {
                        info!(name = name.as_str(), resume, len, "upload begins");
                        self.note_len(len);
                        self.upload = Some(upload);
                        Fact::UploadBegun
                    }
                    Err(error @ (StoreError::Changed { .. } | StoreError::InUse { .. })) => {
                        // The position is not one to go on from any more; asking again helps.
                        self.note(&error, "what was offered is gone");
                        Fact::Failed { status: Status::SeekError }
                    }
                    Err(error) => self.failed(&error, "an upload was refused"),
                }
            }
            ServerAction::CommitUpload => {
                let upload = self.upload.take().ok_or(ProtocolError::OutOfStep)?;
                match upload.publish().await {
                    Ok(md5) => {
                        info!(md5 = md5.map(tracing::field::display), "upload published");
                        self.context.monitor.uploaded();
                        Fact::UploadPublished { md5 }
                    }
                    Err(error) => self.failed(&error, "an upload could not be published"),
                }
            }
            ServerAction::OfferDownload { name, held, whole_only } => {
                let abort = self.context.abort.clone();
                let opened = tokio::select! {
                    opened = self.open(&name, held, whole_only) => opened,
                    () = abort.cancelled() => return Err(StreamError::Stopped.into()),
                };
                match opened {
                    Ok(fact) => fact,
                    Err(error) => self.failed(&error, "a download was refused"),
                }
            }
            ServerAction::SendBody { offset, len } => {
                self.send_body(wire, offset, len).await?;
                self.context.monitor.downloaded();
                Fact::BodySent
            }
        };
        Ok(self.machine.fact(fact)?)
    }

    async fn send(
        &mut self,
        wire: &mut BufferedStream,
        reply: &LegacyReply,
    ) -> Result<(), LegacyError> {
        debug!(?reply, "sent");
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        Ok(wire.write_all(&bytes, self.context.stall()).await?)
    }

    async fn open(
        &mut self,
        name: &ftx_core::RemoteName,
        held: Option<ftx_core::legacy::Prefix>,
        whole_only: bool,
    ) -> Result<Fact, StoreError> {
        self.download = None;
        let mut download = self.context.store.open_download(name).await?;
        let (size, md5) = (download.size(), download.md5());
        let matches = match held {
            Some(held) if held.len == size || (!whole_only && held.len < size) => {
                download.starts_with(held).await?
            }
            _ => false,
        };
        info!(name = name.as_str(), size, matches, "download asked for");
        self.download = Some(download);
        Ok(Fact::DownloadOffer { size, matches, md5 })
    }

    async fn send_body(
        &mut self,
        wire: &mut BufferedStream,
        mut offset: u64,
        mut left: u64,
    ) -> Result<(), LegacyError> {
        self.note_len(left);
        let mut download = self.download.take().ok_or(ProtocolError::OutOfStep)?;
        while left > 0 {
            let chunk = download.read(offset, left, std::mem::take(&mut self.spare)).await?;
            let len = chunk.len() as u64;
            wire.write_all(&chunk, self.context.stall()).await?;
            self.context.monitor.sent(chunk.len());
            self.spare = chunk;
            offset += len;
            left = left.checked_sub(len).ok_or(ProtocolError::TooManyBytes)?;
        }
        Ok(())
    }

    /// Reads some of an upload's bytes and hands them to the store.
    async fn receive(&mut self, wire: &mut BufferedStream, left: u64) -> Result<(), LegacyError> {
        let chunk = self.read_chunk(wire, left).await?;
        let len = chunk.len() as u64;
        let upload = self.upload.as_mut().ok_or(ProtocolError::OutOfStep)?;
        match upload.write(chunk).await {
            Ok(spare) => self.spare = spare,
            Err(error) => {
                let status = status_of(&error);
                self.note(&error, "an upload cannot be stored; its remaining bytes are discarded");
                self.suspend().await;
                self.machine.fact(Fact::BodyFailed { status })?;
            }
        }
        Ok(self.machine.fact(Fact::BodyReceived { len })?)
    }

    /// Reads some of an upload's bytes and drops them.
    async fn discard(&mut self, wire: &mut BufferedStream, left: u64) -> Result<(), LegacyError> {
        let chunk = self.read_chunk(wire, left).await?;
        let len = chunk.len() as u64;
        self.spare = chunk;
        Ok(self.machine.fact(Fact::BodyReceived { len })?)
    }

    async fn read_chunk(
        &mut self,
        wire: &mut BufferedStream,
        left: u64,
    ) -> Result<Vec<u8>, StreamError> {
        let mut chunk = std::mem::take(&mut self.spare);
        chunk.clear();
        let limit = receive_chunk_bytes(self.context.monitor.active());
        let limit = usize::try_from(left).map_or(limit, |left| left.min(limit));
        wire.read_body(&mut chunk, limit, self.context.stall()).await?;
        self.context.monitor.received(chunk.len());
        Ok(chunk)
    }

    /// Counts small files in a row.
    fn note_len(&mut self, len: u64) {
        self.streak = if len <= CHUNK_BYTES as u64 { self.streak.saturating_add(1) } else { 0 };
    }

    async fn suspend(&mut self) {
        if let Some(upload) = self.upload.take()
            && let Err(error) = upload.suspend().await
        {
            self.note(&error, "how far an upload got could not be recorded");
        }
    }

    fn failed(&self, error: &StoreError, what: &'static str) -> Fact {
        self.note(error, what);
        Fact::Failed { status: status_of(error) }
    }

    fn note(&self, error: &StoreError, what: &'static str) {
        self.context.monitor.error();
        if !error.is_general() {
            warn!(error = %ErrorChain(error), "{what}");
        } else if let Some(times) = self.context.throttles.requests.count() {
            warn!(error = %ErrorChain(error), times, "{what}");
        }
    }
}

/// What the client is told of an error. It must never look like success, whatever status it maps to.
fn status_of(error: &StoreError) -> Status {
    match error.status() {
        // The one status by which our client knows that it may go well a little later.
        _ if matches!(error, StoreError::Exhausted { .. }) => Status::ConnectError,
        Status::Ok => Status::UploadError,
        status => status,
    }
}
