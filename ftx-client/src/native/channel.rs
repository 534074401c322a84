//! One connection to a native server.

use std::time::{Duration, Instant};

use ftx_core::codec::MAX_RECORD_BYTES;
use ftx_core::native::Reason;
use ftx_core::native::wire::{
    CLIENT_PREFACE, FrameHeader, PREFACE_LEN, Reply, Request, ServerPreface, Token, VERSIONS,
    WAITING,
};
use ftx_core::shown;
use ftx_io::{BufferedStream, Frames, Incoming, IoLimits};
use tracing::debug;

use super::inbox::{Inbox, Owed};
use crate::{Cancel, Config, TransferError};

/// Program and version, as servers are told.
const AGENT: &str = concat!("ftx-client/", env!("CARGO_PKG_VERSION"));

/// A greeting that takes this long tells of a long line, where windows bound the speed: up to there
/// two connections carry 800 MiB/s. A server nearby that is busy takes some milliseconds, too, and more
/// connections to it would only lose more when they are cut.
const FAR: Duration = Duration::from_millis(20);

/// How often it is looked whether there is something to tell, while nothing comes.
const TELL: Duration = Duration::from_millis(100);

/// Frames that are taken in a row before there is a look at what is to be sent, and at whether the
/// caller has stopped it: a server that sends without end must not hold that up.
pub(super) const HEARD_FRAMES: usize = 1024;

/// Requests for small files that one connection has unanswered. To a distant server as many as it can
/// be sent before its first answer is here; to one nearby so few that no connection is left with much
/// when the others are done.
const FAR_REQUESTS: usize = 8192;
const NEAR_REQUESTS: usize = 512;

/// What a server turned out to be.
pub(crate) enum Greeted {
    /// It speaks FTX.
    Native(Box<Channel>),
    /// It is an original server; the connection goes on in the legacy dialect.
    Legacy(BufferedStream),
}

/// Which session a connection belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Session {
    /// One of its own, in place of the one that the client had last: nothing more that was asked there
    /// is to be begun.
    New { replaces: Option<Token> },
    /// That of another connection.
    Joined(Token),
}

/// A connection, past its greeting.
#[derive(Debug)]
pub(crate) struct Channel {
    frames: Frames,
    /// What came in while something was sent.
    inbox: Inbox,
    timeout: Duration,
    cancel: Cancel,
    /// It has served before, and the server may have closed it meanwhile.
    pub(crate) used: bool,
    /// Answers may still come, to what was given up too, so nothing else can be asked.
    pub(crate) unheard: bool,
    /// What the server said in its welcome.
    pub(crate) terms: Terms,
}

/// What a server allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// By which further connections join.
    pub(crate) session: Token,
    /// Bytes of files that may be on their way unanswered.
    pub(super) window: u64,
    /// Requests that may be unanswered at most.
    requests: u32,
    /// How long the greeting took: a round trip, and what the server needed.
    round_trip: Duration,
}

impl Terms {
    /// Whether round trips count.
    pub(super) fn is_far(&self) -> bool {
        self.round_trip >= FAR
    }

    /// Requests that a connection may have unanswered.
    pub(super) fn requests(&self) -> usize {
        let most = if self.is_far() { FAR_REQUESTS } else { NEAR_REQUESTS };
        usize::try_from(self.requests).unwrap_or(most).min(most)
    }
}

impl Channel {
    /// Sends preface and hello, and hears what the server is.
    pub(crate) async fn greet(
        mut wire: BufferedStream,
        config: &Config,
        cancel: &Cancel,
        session: Session,
    ) -> Result<Greeted, TransferError> {
        let (session, replaces) = match session {
            Session::New { replaces } => (None, replaces),
            Session::Joined(token) => (Some(token), None),
        };
        let guard = IoLimits { limit: config.timeout, stop: cancel.token(true) };
        let hello = Request::Hello {
            versions: VERSIONS.to_vec(),
            features: vec![WAITING.to_owned()],
            agent: AGENT.to_owned(),
            session,
            auth: None,
            replaces,
        };
        // In one write: an original server takes all of one read for one message.
        let bytes = [&CLIENT_PREFACE[..], &hello.encode(0)?].concat();
        let sent = Instant::now();
        wire.write_all(&bytes, guard).await?;
        let preface = loop {
            if let Some(preface) = wire.buffered().first_chunk::<PREFACE_LEN>() {
                break *preface;
            }
            if !wire.fill(guard).await? {
                return Err(TransferError::closed());
            }
        };
        let preface = ServerPreface::decode(preface).map_err(TransferError::handshake)?;
        wire.consume(PREFACE_LEN);
        if preface == ServerPreface::Legacy {
            return Ok(Greeted::Legacy(wire));
        }
        let longest = u32::try_from(MAX_RECORD_BYTES).unwrap_or(u32::MAX);
        let mut channel = Self {
            frames: Frames::new(wire, longest),
            inbox: Inbox::default(),
            timeout: config.timeout,
            cancel: cancel.clone(),
            used: false,
            unheard: false,
            terms: Terms {
                session: Token([0; 16]),
                window: 0,
                requests: 0,
                round_trip: Duration::ZERO,
            },
        };
        match channel.reply().await? {
            (_, Reply::Welcome { session, window, requests, agent, .. }) => {
                let round_trip = sent.elapsed();
                debug!(agent, ?round_trip, "native server");
                channel.terms = Terms { session, window, requests: requests.max(1), round_trip };
                Ok(Greeted::Native(Box::new(channel)))
            }
            _ => Err(out_of_step("an answer before the welcome")),
        }
    }

    /// Another handle stops it from now on.
    pub(crate) fn set_cancel(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
    }

    /// Puts a message behind those that the next flush sends.
    pub(super) fn queue(&mut self, id: u32, request: &Request) -> Result<(), TransferError> {
        debug!(id, ?request, "sent");
        self.frames.queue(&request.encode(id)?);
        Ok(())
    }

    /// Puts bytes of a frame behind them.
    pub(super) fn queue_bytes(&mut self, bytes: &[u8]) {
        self.frames.queue(bytes);
    }

    /// How many bytes wait for a flush.
    pub(super) fn queued(&self) -> usize {
        self.frames.queued()
    }

    /// Sends what is queued.
    pub(super) async fn flush(&mut self) -> Result<(), TransferError> {
        if self.frames.queued() > 0 { self.send(&[]).await } else { Ok(()) }
    }

    /// So much is the server to answer yet: what it sends beyond that while something is sent breaks
    /// the protocol.
    pub(super) fn expect(&mut self, owed: Owed) {
        self.inbox.expect(owed);
    }

    /// Sends what is queued, and then `data`. Answers that come meanwhile are kept: a server that
    /// cannot send its answers takes nothing more.
    pub(super) async fn send(&mut self, data: &[u8]) -> Result<(), TransferError> {
        let guard = IoLimits { limit: self.timeout, stop: self.cancel.token(true) };
        let (mut reader, mut writer) = self.frames.split();
        let send = writer.send(data, guard);
        tokio::pin!(send);
        loop {
            tokio::select! {
                biased;
                sent = &mut send => return Ok(sent?),
                incoming = reader.next(guard), if !self.inbox.holds_data() => match incoming {
                    Ok(Some(incoming)) => self.inbox.push(incoming)?,
                    Ok(None) => return Err(TransferError::closed()),
                    // The time is that of the sending.
                    Err(ftx_io::ReadError::Stream(ftx_io::StreamError::Timeout(_))) => {}
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }

    /// What comes next.
    pub(super) async fn next(&mut self) -> Result<Incoming, TransferError> {
        if let Some(incoming) = self.inbox.pop() {
            return Ok(incoming);
        }
        let guard = IoLimits { limit: self.timeout, stop: self.cancel.token(true) };
        let next = self.frames.reader().next(guard).await?;
        next.ok_or(TransferError::closed())
    }

    /// What comes next, while what is queued goes out as the server takes it; `None` when something
    /// else has `changed`. Meanwhile `tell` is called now and then.
    ///
    /// # Errors
    /// The connection failed, or, if the server `owes` an answer, nothing came or went for too long.
    /// One that owes nothing is asked now and then whether it is still there.
    pub(super) async fn wait(
        &mut self,
        owes: bool,
        changed: impl Future<Output = ()>,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<Option<Incoming>, TransferError> {
        if let Some(incoming) = self.inbox.pop() {
            return Ok(Some(incoming));
        }
        let next = self.next_from(owes);
        // Made once: a wait that begins again every now and then comes to no end.
        tokio::pin!(next, changed);
        loop {
            tokio::select! {
                incoming = &mut next => return incoming.map(Some),
                () = &mut changed => return Ok(None),
                () = tokio::time::sleep(TELL) => tell(),
            }
        }
    }

    async fn next_from(&mut self, owes: bool) -> Result<Incoming, TransferError> {
        if !owes {
            match self.next_flushing(self.timeout / 2).await {
                Err(error) if error.reason() == Reason::TimedOut => {
                    self.queue(0, &Request::Ping { payload: 0 })?;
                }
                next => return next,
            }
        }
        self.next_flushing(self.timeout).await
    }

    /// What comes next, while what is queued goes out: a server that sends takes no requests
    /// meanwhile.
    async fn next_flushing(&mut self, limit: Duration) -> Result<Incoming, TransferError> {
        let guard = IoLimits { limit, stop: self.cancel.token(true) };
        let (mut reader, mut writer) = self.frames.split();
        let next = tokio::select! {
            biased;
            flushed = writer.flush(guard) => {
                flushed?;
                reader.next(guard).await?
            }
            next = reader.next(guard) => next?,
        };
        next.ok_or(TransferError::closed())
    }

    /// Sends as much of what is queued as goes out at once.
    pub(super) fn try_flush(&mut self) -> Result<(), TransferError> {
        self.frames.writer().try_flush().map_err(TransferError::connection)
    }

    /// What came already, if anything did; nothing is waited for.
    pub(super) async fn poll(&mut self) -> Result<Option<Incoming>, TransferError> {
        if self.inbox.is_empty() {
            if !self.frames.has_complete_frame() {
                self.frames.try_fill(1).map_err(TransferError::connection)?;
            }
            if !self.frames.has_complete_frame() {
                return Ok(None);
            }
        }
        self.next().await.map(Some)
    }

    /// Whether nothing has come that could be looked at without waiting.
    pub(super) fn may_wait(&self) -> bool {
        self.inbox.is_empty() && !self.frames.has_complete_frame()
    }

    /// The next message, flushing what is queued.
    pub(super) async fn reply(&mut self) -> Result<(u32, Reply), TransferError> {
        self.flush().await?;
        match self.next().await? {
            Incoming::Control { header, payload } => decode(&header, &payload),
            Incoming::Block { .. } | Incoming::File { .. } => {
                Err(out_of_step("bytes of a file that was not asked for"))
            }
        }
    }

    /// Reads `len` bytes of a file to the end of `chunk`.
    pub(super) async fn read_exact(
        &mut self,
        chunk: &mut Vec<u8>,
        len: usize,
    ) -> Result<(), TransferError> {
        let guard = IoLimits { limit: self.timeout, stop: self.cancel.token(true) };
        Ok(self.frames.reader().read_exact(chunk, len, guard).await?)
    }

    /// Reads the hash behind the bytes of a file.
    pub(super) async fn read_hash(&mut self) -> Result<[u8; 32], TransferError> {
        let guard = IoLimits { limit: self.timeout, stop: self.cancel.token(true) };
        Ok(self.frames.reader().read_hash(guard).await?)
    }
}

/// A server's message, whose texts are fit to be shown; a goodbye is an error.
pub(super) fn decode(header: &FrameHeader, payload: &[u8]) -> Result<(u32, Reply), TransferError> {
    let reply = fit_to_be_shown(Reply::decode(header, payload)?);
    debug!(id = header.request, ?reply, "received");
    match reply {
        Reply::Goodbye { reason, message } => Err(refused(reason, &message)),
        reply => Ok((header.request, reply)),
    }
}

/// The same reply with texts that neither act on a terminal nor fill a log.
fn fit_to_be_shown(reply: Reply) -> Reply {
    match reply {
        Reply::Failed { reason, message } => Reply::Failed { reason, message: shown(&message) },
        Reply::Goodbye { reason, message } => Reply::Goodbye { reason, message: shown(&message) },
        // None that the server has says anything here.
        Reply::Welcome { version, agent, session, window, requests, .. } => {
            let (features, agent) = (Vec::new(), shown(&agent));
            Reply::Welcome { version, features, agent, session, window, requests }
        }
        other => other,
    }
}

/// The error that a server's refusal is; the message is one that [`decode`] gave.
pub(super) fn refused(reason: i32, message: &str) -> TransferError {
    TransferError::refused(Reason::from_code(reason), message)
}

/// Whether a connection leaves after what came of listening to it: if nothing is lost with it, it is
/// `spare` and the others do without it.
pub(super) fn leaves(spare: bool, heard: Result<(), TransferError>) -> Result<bool, TransferError> {
    match heard {
        Err(error) if spare && error.is_about_connection() => {
            debug!(%error, "the others do without a connection");
            Ok(true)
        }
        heard => heard.map(|()| false),
    }
}

pub(super) fn out_of_step(what: &'static str) -> TransferError {
    ftx_core::native::StepError::OutOfStep { what }.into()
}
