//! Drives the legacy state machine of a connection: moves its bytes and asks the store.
//!
//! What is said when is decided in [`ftx_core::legacy::server`]; here is no protocol decision.

use std::time::Duration;

use ftx_core::Status;
use ftx_core::legacy::server::{Action, Connection, Fact};
use ftx_core::legacy::wire::{DecodeError, Limits, Reply, Request, decode_request};
use ftx_core::legacy::{ProtocolError, Want};
use ftx_io::{Chain, Guard, Wire, WireError, receive_chunk};
use ftx_store::StoreError;
use tracing::{debug, info, warn};

use crate::connection::Context;
use crate::store::{Begin, Download, Offered, Store, Upload};

/// How long a message that must arrive on its own waits after the one before: long enough for a
/// client on a slow line to have read that, short enough to be no nuisance.
const APART: Duration = Duration::from_millis(200);

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LegacyError {
    #[error("the client's message cannot be understood")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A file could not be read while it was being sent, which no message can say.
    #[error("a download was broken off")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Serves a legacy client until it leaves or something fails. What it was uploading is kept.
pub(crate) async fn serve<S: Store>(
    wire: &mut Wire,
    context: &Context<S>,
) -> Result<(), LegacyError> {
    let machine = Connection::new();
    let spare = Vec::new();
    let mut session =
        Session { context, wire, machine, spare, offer: None, upload: None, download: None };
    let result = session.run().await;
    session.suspend().await;
    result
}

struct Session<'a, S: Store> {
    context: &'a Context<S>,
    wire: &'a mut Wire,
    machine: Connection,
    /// A buffer that was used and can be used again.
    spare: Vec<u8>,
    offer: Option<S::Offer>,
    upload: Option<S::Upload>,
    download: Option<S::Download>,
}

impl<'a, S: Store> Session<'a, S> {
    async fn run(&mut self) -> Result<(), LegacyError> {
        let mut first = true;
        loop {
            while let Some(action) = self.machine.poll() {
                self.act(action).await?;
            }
            match self.machine.want() {
                Want::Message => {
                    let Some(request) = self.next_request(first).await? else { return Ok(()) };
                    debug!(?request, "received");
                    self.machine.message(request)?;
                    first = false;
                }
                Want::Body { left } => self.receive(left).await?,
                Want::Discard { left } => self.discard(left).await?,
                Want::Fact | Want::Nothing => return Err(ProtocolError::OutOfStep.into()),
            }
        }
    }

    /// The client's next request; `None` when it left, or is to leave, between two of them.
    async fn next_request(&mut self, first: bool) -> Result<Option<Request>, LegacyError> {
        self.spare = Vec::new();
        loop {
            if let Some((request, len)) = decode_request(self.wire.buffered(), &Limits::default())?
            {
                self.wire.consume(len);
                return Ok(Some(request));
            }
            let timeouts = &self.context.timeouts;
            let between = self.wire.buffered().is_empty();
            let limit = match (between, first) {
                (false, true) => timeouts.hello,
                (false, false) => timeouts.stall,
                (true, _) => timeouts.idle,
            };
            let more = tokio::select! {
                more = self.wire.fill(self.context.guard(limit)) => more,
                () = self.context.stop.cancelled() => return Ok(None),
            };
            match more {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(WireError::Timeout(_)) if between => {
                    debug!("closed: idle for too long");
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn act(&mut self, action: Action) -> Result<(), LegacyError> {
        let fact = match action {
            Action::Send(reply) => return self.send(&reply).await,
            Action::SendApart(reply) => {
                tokio::time::sleep(APART).await;
                return self.send(&reply).await;
            }
            Action::NameRefused { name, error } => {
                self.context.monitor.error();
                warn!(?name, %error, "refused a name");
                return Ok(());
            }
            Action::ConcludeOffer { name } => {
                if let Some(offer) = self.offer.take()
                    && let Err(error) = self.context.store.conclude(&name, offer).await
                {
                    self.note(&error, "a staging that is whole could not be published");
                }
                return Ok(());
            }
            Action::OfferUpload { name, limit } => {
                self.offer = None;
                match self.context.store.offer(&name, limit).await {
                    Ok(Offered { held, published, offer }) => {
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
                match self.open(&name, held, whole_only).await {
                    Ok(fact) => fact,
                    Err(error) => self.failed(&error, "a download was refused"),
                }
            }
            Action::SendBody { offset, len } => {
                self.send_body(offset, len).await?;
                self.context.monitor.downloaded();
                Fact::BodySent
            }
        };
        Ok(self.machine.fact(fact)?)
    }

    fn stall(&self) -> Guard<'a> {
        self.context.guard(self.context.timeouts.stall)
    }

    async fn send(&mut self, reply: &Reply) -> Result<(), LegacyError> {
        debug!(?reply, "sent");
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        Ok(self.wire.write_all(&bytes, self.stall()).await?)
    }

    async fn open(
        &mut self,
        name: &ftx_core::RemoteName,
        held: Option<ftx_core::legacy::Held>,
        whole_only: bool,
    ) -> Result<Fact, StoreError> {
        self.download = None;
        let mut download = self.context.store.open(name).await?;
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

    async fn send_body(&mut self, mut offset: u64, mut left: u64) -> Result<(), LegacyError> {
        let mut download = self.download.take().ok_or(ProtocolError::OutOfStep)?;
        while left > 0 {
            let chunk = download.read(offset, left, std::mem::take(&mut self.spare)).await?;
            let len = chunk.len() as u64;
            self.wire.write_all(&chunk, self.stall()).await?;
            self.context.monitor.sent(chunk.len());
            self.spare = chunk;
            offset += len;
            left = left.checked_sub(len).ok_or(ProtocolError::TooManyBytes)?;
        }
        Ok(())
    }

    /// Reads some of an upload's bytes and hands them to the store.
    async fn receive(&mut self, left: u64) -> Result<(), LegacyError> {
        let chunk = self.read_chunk(left).await?;
        let len = chunk.len() as u64;
        let upload = self.upload.as_mut().ok_or(ProtocolError::OutOfStep)?;
        match upload.write(chunk).await {
            Ok(spare) => self.spare = spare,
            Err(error) => {
                let status = error.status();
                self.note(&error, "an upload cannot be stored; its remaining bytes are discarded");
                self.suspend().await;
                self.machine.fact(Fact::BodyFailed { status })?;
            }
        }
        Ok(self.machine.fact(Fact::BodyReceived { len })?)
    }

    /// Reads some of an upload's bytes and drops them.
    async fn discard(&mut self, left: u64) -> Result<(), LegacyError> {
        let chunk = self.read_chunk(left).await?;
        let len = chunk.len() as u64;
        self.spare = chunk;
        Ok(self.machine.fact(Fact::BodyReceived { len })?)
    }

    async fn read_chunk(&mut self, left: u64) -> Result<Vec<u8>, WireError> {
        let mut chunk = std::mem::take(&mut self.spare);
        chunk.clear();
        let limit = receive_chunk(self.context.monitor.active());
        let limit = usize::try_from(left).map_or(limit, |left| left.min(limit));
        self.wire.read_body(&mut chunk, limit, self.stall()).await?;
        self.context.monitor.received(chunk.len());
        Ok(chunk)
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
        // An error must never look like success, whatever status it maps to.
        let status = match error.status() {
            Status::Ok => Status::UploadError,
            status => status,
        };
        Fact::Failed { status }
    }

    fn note(&self, error: &StoreError, what: &'static str) {
        self.context.monitor.error();
        warn!(error = %Chain(error), "{what}");
    }
}
