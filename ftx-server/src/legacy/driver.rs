//! Drives the legacy state machine of a connection: moves its bytes and asks the store.
//!
//! What is said when is decided in [`ftx_core::legacy::server`]; here is no protocol decision.

use std::sync::Arc;
use std::time::Duration;

use ftx_core::Status;
use ftx_core::legacy::server::{Action, Connection, Fact};
use ftx_core::legacy::wire::{DecodeError, Limits, Reply, Request, decode_request};
use ftx_core::legacy::{ProtocolError, Want};
use ftx_io::{BufferedStream, CHUNK_BYTES, ErrorChain, StreamError, receive_chunk_bytes};
use ftx_store::StoreError;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, info, warn};

use crate::connection::{Context, Hello};
use crate::express::{self, Places};
use crate::store::{Begin, LegacyDownload, LegacyOffer, LegacyStore, LegacyUpload, Store};

/// How long a message that must arrive on its own waits after the one before: long enough for a
/// client on a slow line to have read that, short enough to be no nuisance.
const APART: Duration = Duration::from_millis(200);

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LegacyError {
    #[error("the client's message cannot be understood")]
    Decode(#[from] DecodeError),
    /// The thread that the session was on is gone; its panic has been printed.
    #[error("a thread failed")]
    Panicked,
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A file could not be read while it was being sent, which no message can say.
    #[error("a download was broken off")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Wire(#[from] StreamError),
}

/// Serves a legacy client until it leaves or something fails. What it was uploading is kept.
pub(crate) async fn serve<S: Store + LegacyStore>(
    mut wire: BufferedStream,
    context: &Arc<Context<S>>,
    hello: Hello,
    places: Places,
) -> Result<(), LegacyError> {
    let mut session = Session::new(Arc::clone(context), hello, places);
    loop {
        match session.run(&mut wire, Patience::Reactor).await? {
            Stop::Left => return Ok(()),
            Stop::Streak(permit) => match express::run(session, wire, permit).await? {
                Some(back) => (session, wire) = back,
                None => return Ok(()),
            },
            Stop::Quiet => {}
        }
    }
}

/// Where a session runs, and so what it does when its client is silent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// On a reactor thread. After some small files in a row it asks for a thread to itself.
    Reactor,
    /// On a thread to itself, which it gives back when its client pauses.
    Express,
}

/// Why a session is not running any more, between two requests.
pub(crate) enum Stop {
    /// The client has left, or is to leave.
    Left,
    /// The client pauses.
    Quiet,
    /// The client moves small files one after another.
    Streak(OwnedSemaphorePermit),
}

/// One client's conversation, apart from its connection.
pub(crate) struct Session<S: Store + LegacyStore> {
    context: Arc<Context<S>>,
    machine: Connection,
    /// When the first request must be there; `None` once it was heard.
    hello: Option<Hello>,
    /// Where the connection may move to while its files are small.
    places: Places,
    /// Small files in a row.
    streak: u32,
    /// A buffer that was used and can be used again.
    spare: Vec<u8>,
    offer: Option<S::Offer>,
    upload: Option<S::Upload>,
    download: Option<S::Download>,
}

impl<S: Store + LegacyStore> Session<S> {
    fn new(context: Arc<Context<S>>, hello: Hello, places: Places) -> Self {
        Self {
            context,
            machine: Connection::new(),
            hello: Some(hello),
            places,
            streak: 0,
            spare: Vec::new(),
            offer: None,
            upload: None,
            download: None,
        }
    }

    /// Asks for no thread to itself until some more small files have come.
    pub(crate) fn stay(&mut self) {
        self.streak = 0;
    }

    /// Serves the client until there is a reason to stop. What it was uploading when something
    /// failed is kept.
    pub(crate) async fn run(
        &mut self,
        wire: &mut BufferedStream,
        patience: Patience,
    ) -> Result<Stop, LegacyError> {
        let result = self.converse(wire, patience).await;
        if result.is_err() {
            self.suspend().await;
        }
        result
    }

    async fn converse(
        &mut self,
        wire: &mut BufferedStream,
        patience: Patience,
    ) -> Result<Stop, LegacyError> {
        loop {
            while let Some(action) = self.machine.poll() {
                self.act(wire, action).await?;
            }
            match self.machine.want() {
                Want::Message => match self.next_request(wire, patience).await? {
                    Ok(request) => {
                        debug!(?request, "received");
                        self.machine.message(request)?;
                        self.hello = None;
                    }
                    Err(stop) => return Ok(stop),
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
        patience: Patience,
    ) -> Result<Result<Request, Stop>, LegacyError> {
        self.spare = Vec::new();
        loop {
            if let Some((request, len)) = decode_request(wire.buffered(), &Limits::default())? {
                wire.consume(len);
                return Ok(Ok(request));
            }
            let timeouts = &self.context.timeouts;
            let between = wire.buffered().is_empty();
            if between
                && self.streak >= express::STREAK
                && patience == Patience::Reactor
                && let Some(permit) = self.places.take()
            {
                return Ok(Err(Stop::Streak(permit)));
            }
            if between && self.streak == 0 && patience == Patience::Express {
                return Ok(Err(Stop::Quiet));
            }
            let limit = match (self.hello, between, patience) {
                (Some(hello), _, _) => hello.left(),
                (None, true, Patience::Express) => express::PAUSE.min(timeouts.idle),
                (None, true, Patience::Reactor) => timeouts.idle,
                (None, false, _) => timeouts.stall,
            };
            let more = tokio::select! {
                more = wire.fill(self.context.guard(limit)) => more,
                () = self.context.stop.cancelled() => return Ok(Err(Stop::Left)),
            };
            match more {
                Ok(true) => {}
                Ok(false) => return Ok(Err(Stop::Left)),
                Err(StreamError::Timeout(_)) if between && patience == Patience::Express => {
                    self.streak = 0;
                    return Ok(Err(Stop::Quiet));
                }
                Err(StreamError::Timeout(_)) if between => {
                    debug!("closed: idle for too long");
                    return Ok(Err(Stop::Left));
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

    async fn act(&mut self, wire: &mut BufferedStream, action: Action) -> Result<(), LegacyError> {
        let fact = match action {
            Action::Send(reply) => return self.send(wire, &reply).await,
            Action::SendApart(reply) => {
                tokio::time::sleep(APART).await;
                return self.send(wire, &reply).await;
            }
            Action::NameRefused { name, error } => {
                self.context.monitor.error();
                warn!(?name, %error, "refused a name");
                return Ok(());
            }
            Action::OfferUpload { name, limit } => {
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
            Action::BeginUpload { name, resume, len } => {
                let offer = self.offer.take().ok_or(ProtocolError::OutOfStep)?;
                let begin = if resume { Begin::Resume(offer) } else { Begin::Anew(offer) };
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
            Action::CommitUpload => {
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
            Action::OfferDownload { name, held, whole_only } => {
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
            Action::SendBody { offset, len } => {
                self.send_body(wire, offset, len).await?;
                self.context.monitor.downloaded();
                Fact::BodySent
            }
        };
        Ok(self.machine.fact(fact)?)
    }

    async fn send(&mut self, wire: &mut BufferedStream, reply: &Reply) -> Result<(), LegacyError> {
        debug!(?reply, "sent");
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        Ok(wire.write_all(&bytes, self.context.stall()).await?)
    }

    async fn open(
        &mut self,
        name: &ftx_core::RemoteName,
        held: Option<ftx_core::legacy::Held>,
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
        } else if let Some(times) = self.context.troubles.requests.note() {
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
