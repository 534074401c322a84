//! One connection to a native server.

use std::time::{Duration, Instant};

use ftx_core::codec::MAX_RECORD_BYTES;
use ftx_core::native::wire::{CLIENT_PREFACE, Reply, Request, ServerPreface, Token, ZSTD};
use ftx_core::native::{Reason, Silence, SilenceAction};
use ftx_io::{BufferedStream, DetachedFrames, Frames, Incoming, IoLimits, LineHint};
use tracing::debug;

use super::backlog::{Backlog, ExpectedReplies};
use super::decode::decode_control;
use super::hello::{SessionRequest, hello, read_preface};
use crate::activity::Activity;
use crate::connect::FAR_ROUND_TRIP;
use crate::{Cancel, ClientConfig, TransferError};

/// The interval of reports while nothing arrives.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// Frames handled in a row before the connection sends again and checks for cancellation: a server that
/// sends without end must not block either.
pub(super) const MAX_DRAINED_FRAMES: usize = 1024;

/// Unanswered requests for small files of one connection. To a distant server as many as can be sent
/// before its first reply arrives; to a near one so few that no connection has much left when the
/// others are done.
const FAR_REQUEST_COUNT: usize = 8192;
const NEAR_REQUEST_COUNT: usize = 512;

/// The dialect that a server turned out to speak.
pub(crate) enum Handshake {
    /// It speaks FTX.
    Native(Box<Channel>),
    /// The original protocol. The connection continues in the legacy dialect.
    Legacy(BufferedStream),
}

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(super) frames: Frames,
    /// Frames that arrived while something was sent.
    pub(super) backlog: Backlog,
    pub(super) timeout: Duration,
    pub(super) cancel: Cancel,
    /// The signs of life of the call that uses it.
    pub(super) activity: Activity,
    /// It has served a request before, and the server may have closed it meanwhile.
    pub(crate) used: bool,
    /// Stale replies may still arrive, so the connection cannot be reused.
    pub(crate) tainted: bool,
    /// The limits in the server's `Welcome`.
    pub(crate) limits: ServerLimits,
}

/// An idle connection, which belongs to no runtime.
#[derive(Debug)]
pub(crate) struct IdleChannel {
    frames: DetachedFrames,
    timeout: Duration,
    /// See [`Channel`].
    pub(crate) used: bool,
    /// See [`Channel`].
    pub(crate) limits: ServerLimits,
}

/// The limits of a server, and its distance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerLimits {
    /// The token by which extra connections join the session.
    pub(crate) session: Token,
    /// The most unanswered bytes of files.
    pub(super) window: u64,
    /// The most unanswered requests.
    requests: u32,
    /// The duration of the handshake: a round trip and the server's own time.
    pub(super) round_trip: Duration,
}

impl ServerLimits {
    /// Whether round trips bound the speed.
    pub(super) fn is_far(&self) -> bool {
        self.round_trip >= FAR_ROUND_TRIP
    }

    /// The most unanswered requests of a connection.
    pub(super) fn max_requests(&self) -> usize {
        let most = if self.is_far() { FAR_REQUEST_COUNT } else { NEAR_REQUEST_COUNT };
        usize::try_from(self.requests).unwrap_or(most).min(most)
    }
}

impl Channel {
    /// Sends preface and `Hello`, and finds out which dialect the server speaks.
    pub(crate) async fn handshake(
        mut stream: BufferedStream,
        config: &ClientConfig,
        cancel: &Cancel,
        session: SessionRequest,
    ) -> Result<Handshake, TransferError> {
        let limits = IoLimits { limit: config.timeout, stop: cancel.token(true) };
        let hello = hello(session, config);
        // In one write: an original server takes the bytes of one read for one message.
        let bytes = [&CLIENT_PREFACE[..], &hello.encode(0)?].concat();
        let sent = Instant::now();
        stream.write_all(&bytes, limits).await?;
        if read_preface(&mut stream, limits).await? == ServerPreface::Legacy {
            return Ok(Handshake::Legacy(stream));
        }
        let is_local = stream.transport().is_local();
        let longest = u32::try_from(MAX_RECORD_BYTES).unwrap_or(u32::MAX);
        let mut channel = Self {
            frames: Frames::new(stream, longest),
            backlog: Backlog::default(),
            timeout: config.timeout,
            cancel: cancel.clone(),
            activity: Activity::new(),
            used: false,
            tainted: false,
            limits: ServerLimits {
                session: Token([0; 16]),
                window: 0,
                requests: 0,
                round_trip: Duration::ZERO,
            },
        };
        let reply = channel.reply().await;
        match reply.map_err(|error| TransferError::at_hello(error, config))? {
            (_, Reply::Welcome { features, session, window, requests, agent, .. }) => {
                let round_trip = sent.elapsed();
                if features.iter().any(|feature| feature == ZSTD) {
                    let hint = LineHint { is_local, round_trip: Some(round_trip) };
                    channel.frames.enable_compression(config.compress, hint);
                }
                debug!(agent, ?round_trip, "native server");
                channel.limits =
                    ServerLimits { session, window, requests: requests.max(1), round_trip };
                Ok(Handshake::Native(Box::new(channel)))
            }
            _ => Err(out_of_step("an answer before the welcome")),
        }
    }

    /// Keeps the connection for a later call. `None` if the system refuses.
    pub(crate) fn detach(self) -> Option<IdleChannel> {
        let Self { frames, timeout, used, limits, .. } = self;
        Some(IdleChannel { frames: frames.detach().ok()?, timeout, used, limits })
    }

    /// Makes it report its signs of life to a call. On a connection that the server may have closed
    /// meanwhile, the call waits half as long at first: the other half is left for a new connection.
    pub(crate) fn set_activity(&mut self, activity: &Activity) {
        self.activity = activity.clone();
        if self.used {
            activity.expect_within(self.timeout / 2);
        }
    }

    /// Queues a message for the next flush.
    pub(super) fn queue(&mut self, id: u32, request: &Request) -> Result<(), TransferError> {
        debug!(id, ?request, "sent");
        self.frames.queue(&request.encode(id)?);
        Ok(())
    }

    /// Queues bytes of a frame for the next flush.
    pub(super) fn queue_bytes(&mut self, bytes: &[u8]) {
        self.frames.queue(bytes);
    }

    /// Bytes that wait for a flush.
    pub(super) fn queued(&self) -> usize {
        self.frames.queued()
    }

    /// Sends the queued bytes.
    pub(super) async fn flush(&mut self) -> Result<(), TransferError> {
        if self.frames.queued() > 0 { self.send(&[]).await } else { Ok(()) }
    }

    /// Sets the replies that the server owes. If more than these arrive during a send, the server
    /// breaks the protocol.
    pub(super) fn expect(&mut self, expected_replies: ExpectedReplies) {
        self.backlog.expect(expected_replies);
    }

    /// The next frame.
    pub(super) async fn next(&mut self) -> Result<Incoming, TransferError> {
        if let Some(incoming) = self.backlog.pop() {
            return Ok(incoming);
        }
        let limit = self.activity.limit(self.timeout);
        let limits = IoLimits { limit, stop: self.cancel.token(true) };
        let next = self.frames.reader().next(limits).await?;
        self.activity.touch();
        next.ok_or(TransferError::closed())
    }

    /// The next frame, or `None` once `changed` completes. Sends the queued bytes meanwhile, and calls
    /// `report` from time to time.
    ///
    /// # Errors
    /// The connection failed, or it stalled while the server owed a reply (`is_owed`). A server that
    /// owes nothing gets a `Ping` from time to time.
    pub(super) async fn wait(
        &mut self,
        is_owed: bool,
        changed: impl Future<Output = ()>,
        report: &mut (dyn FnMut() + Send),
    ) -> Result<Option<Incoming>, TransferError> {
        if let Some(incoming) = self.backlog.pop() {
            return Ok(Some(incoming));
        }
        let next = self.next_or_ping(is_owed);
        // Created once: a wait that restarts with each report would never time out.
        tokio::pin!(next, changed);
        loop {
            tokio::select! {
                incoming = &mut next => return incoming.map(Some),
                () = &mut changed => return Ok(None),
                () = tokio::time::sleep(REPORT_INTERVAL) => report(),
            }
        }
    }

    async fn next_or_ping(&mut self, is_owed: bool) -> Result<Incoming, TransferError> {
        self.activity.defer(self.frames.outgoing_pacer().wait());
        let mut silence = Silence::new(self.activity.limit(self.timeout), is_owed);
        loop {
            let next = self.next_flushing(silence.limit()).await;
            match &next {
                Err(error) if error.reason() == Reason::TimedOut => match silence.on_limit() {
                    SilenceAction::Ping => self.queue(0, &Request::Ping { payload: 0 })?,
                    SilenceAction::Leave => return next,
                },
                _ => return next,
            }
        }
    }

    /// Sends as many of the queued bytes as fit into the socket.
    pub(super) fn try_flush(&mut self) -> Result<(), TransferError> {
        self.frames.writer().try_flush().map_err(TransferError::connection)
    }

    /// The next frame, if it has arrived. Does not wait.
    pub(super) async fn poll(&mut self) -> Result<Option<Incoming>, TransferError> {
        if self.backlog.is_empty() {
            if !self.frames.has_complete_frame() {
                self.frames.try_read().map_err(TransferError::connection)?;
            }
            if !self.frames.has_complete_frame() {
                return Ok(None);
            }
        }
        self.next().await.map(Some)
    }

    /// Whether no frame has arrived.
    pub(super) fn may_wait(&self) -> bool {
        self.backlog.is_empty() && !self.frames.has_complete_frame()
    }

    /// Flushes, and returns the next message.
    pub(super) async fn reply(&mut self) -> Result<(u32, Reply), TransferError> {
        self.flush().await?;
        decode_control(&self.next().await?)
    }

    /// Appends `len` bytes of a file to `chunk`.
    pub(super) async fn read_exact(
        &mut self,
        chunk: &mut Vec<u8>,
        len: usize,
    ) -> Result<(), TransferError> {
        let end = chunk.len() + len;
        while chunk.len() < end {
            self.activity.defer(self.frames.incoming_pacer().wait());
            let limit = self.activity.limit(self.timeout);
            let limits = IoLimits { limit, stop: self.cancel.token(true) };
            self.frames.reader().read_data(chunk, end - chunk.len(), limits).await?;
            self.activity.received();
        }
        Ok(())
    }

    /// Reads the hash that follows the bytes of a file.
    pub(super) async fn read_hash(&mut self) -> Result<[u8; 32], TransferError> {
        let limits = IoLimits { limit: self.timeout, stop: self.cancel.token(true) };
        Ok(self.frames.reader().read_hash(limits).await?)
    }
}

impl IdleChannel {
    /// Uses the connection in a call, in the current runtime. `None` if the system refuses.
    pub(crate) fn attach(self, cancel: &Cancel, activity: &Activity) -> Option<Channel> {
        let Self { frames, timeout, used, limits } = self;
        let mut channel = Channel {
            frames: frames.attach().ok()?,
            backlog: Backlog::default(),
            timeout,
            cancel: cancel.clone(),
            activity: activity.clone(),
            used,
            tainted: false,
            limits,
        };
        channel.frames.set_inline_compression(false);
        channel.set_activity(activity);
        Some(channel)
    }
}

/// Whether a connection leaves the attempt after a failed read: an idle one (`is_spare`) can be lost
/// without losing work.
pub(super) fn may_leave(
    is_spare: bool,
    read: Result<(), TransferError>,
) -> Result<bool, TransferError> {
    match read {
        Err(error) if is_spare && error.is_about_connection() => {
            debug!(%error, "an idle connection was lost; the attempt continues without it");
            Ok(true)
        }
        read => read.map(|()| false),
    }
}

pub(super) fn out_of_step(what: &'static str) -> TransferError {
    ftx_core::native::StepError::OutOfStep { what }.into()
}
