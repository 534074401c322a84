//! The state of one native connection.

use std::sync::Arc;
use std::time::Duration;

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::wire::Reply;
use ftx_io::{Executor, Frames, IoLimits, LineHint};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::error::NativeError;
use super::list::PausedListing;
use super::put_batch::PutBatch;
use super::recent_ranges::RecentRanges;
use super::session::{ActiveUpload, ClientSession};
use super::source_lease::SourceLeases;
use super::waiting_offers::WaitingOffers;
use crate::context::Context;
use crate::store::{Refusal, Store, StoredFile as _};

/// Files of at least this size are closed on a blocking thread.
const SLOW_CLOSE_BYTES: u64 = 64 * 1024 * 1024;

/// Queued replies are sent once they have this size.
pub(super) const MAX_QUEUED_REPLY_BYTES: usize = 32 * 1024;

/// Uploads that a connection may have open at the same time: each one takes some descriptors.
const MAX_OPEN_UPLOADS: usize = 64;

/// A longer time between `Welcome` and the first request is the client's, and not the line's.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(2);

/// One connection of a client, without its byte stream.
pub(super) struct NativeConnection<S: Store> {
    pub(super) context: Arc<Context<S>>,
    /// The store as the session's principal sees it.
    pub(super) store: S,
    /// Runs the blocking work of the thread that serves the connection now.
    pub(super) executor: Executor,
    pub(super) leases: SourceLeases,
    pub(super) session: Arc<ClientSession<S::Staging>>,
    pub(super) stream: StreamId,
    /// Cancelled when the proof of the principal is no longer valid.
    pub(super) ended: CancellationToken,
    /// The ids of uploads that were offered on this connection, and end with it.
    uploads: Vec<u32>,
    /// Offers that wait for another run. Later requests do not wait for them.
    pub(super) waiting: WaitingOffers,
    /// The client understands `Waiting`.
    pub(super) understands_waiting: bool,
    /// The file that was requested last: more of its ranges usually follow.
    pub(super) file: Option<(RemoteName, S::File)>,
    /// A listing whose next page may be requested.
    pub(super) paused: Option<PausedListing<S::Cursor>>,
    /// The blocks that were requested last.
    pub(super) recent: RecentRanges,
    pub(super) batch: PutBatch,
    /// A used buffer for the next read.
    pub(super) spare: Vec<u8>,
    /// The client is moving files.
    pub(super) is_busy: bool,
    /// The system gave no runtime for a dedicated thread.
    pub(super) stays: bool,
    /// When the connection was welcomed, until its first request arrives.
    welcomed: Option<Instant>,
}

impl<S: Store> NativeConnection<S> {
    pub(super) fn new(
        context: Arc<Context<S>>,
        leases: SourceLeases,
        session: Arc<ClientSession<S::Staging>>,
        ended: CancellationToken,
        understands_waiting: bool,
    ) -> Self {
        Self {
            stream: session.new_stream(),
            store: context.store.for_principal(session.principal()),
            context,
            executor: Executor::pool(),
            leases,
            session,
            ended,
            uploads: Vec::new(),
            waiting: WaitingOffers::default(),
            understands_waiting,
            file: None,
            paused: None,
            recent: RecentRanges::default(),
            batch: PutBatch::default(),
            spare: Vec::new(),
            is_busy: false,
            stays: false,
            welcomed: Some(Instant::now()),
        }
    }

    /// Tells the compressor about the line, with the first request: the client sends it at once, unless it
    /// has nothing to do.
    pub(super) fn estimate_line(&mut self, frames: &mut Frames) {
        let waited = self.welcomed.take().map(|welcomed| welcomed.elapsed());
        if let Some(round_trip) = waited.filter(|waited| *waited <= MAX_ROUND_TRIP) {
            frames.estimate_line(LineHint { is_local: false, round_trip: Some(round_trip) });
        }
    }

    /// Queues a reply.
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

    /// Queues the `Failed` reply of a refused request.
    pub(super) fn refuse(
        &self,
        frames: &mut Frames,
        request: u32,
        refusal: &Refusal,
    ) -> Result<(), NativeError> {
        self.context.metrics.failed(refusal.reason);
        if let Some(limit) = refusal.limit {
            self.context.metrics.limited(limit);
        }
        let reason = refusal.reason.name();
        if !refusal.is_general {
            warn!(id = request, reason, error = %refusal, "refused");
        } else if let Some(times) = self.context.throttles.requests.count() {
            warn!(id = request, reason, times, error = %refusal, "refused");
        }
        // A client limits the length of such texts, and a fully escaped name can be longer.
        let message = ftx_core::shown(&refusal.message);
        self.reply(frames, request, &Reply::failed(refusal.reason, message))
    }

    /// Fails if the id of a new request is that of an open upload.
    pub(super) fn check_new(&self, request: u32) -> Result<(), NativeError> {
        if self.session.has(request) || self.waiting.has(request) {
            return Err(NativeError::id_in_use(request));
        }
        Ok(())
    }

    /// Adds an upload that ends with this connection; `false` if another connection of the session has
    /// opened one of that id in the meantime.
    pub(super) fn add_upload(
        &mut self,
        request: u32,
        upload: &Arc<ActiveUpload<S::Staging>>,
    ) -> bool {
        let added = self.session.add(request, upload);
        if added {
            self.uploads.push(request);
        }
        added
    }

    /// Whether the connection may open no more uploads.
    pub(super) fn has_too_many_uploads(&mut self) -> bool {
        // Some may have failed on other connections.
        self.uploads.retain(|&id| self.session.has(id));
        self.uploads.len() + self.waiting.len() >= MAX_OPEN_UPLOADS
    }

    /// Whether no upload of this connection is open or waits.
    pub(super) fn has_no_uploads(&self) -> bool {
        self.uploads.is_empty() && self.waiting.is_empty()
    }

    /// Removes an upload from the session.
    pub(super) fn remove_upload(&mut self, request: u32) -> Option<Arc<ActiveUpload<S::Staging>>> {
        self.uploads.retain(|&id| id != request);
        self.session.remove(request)
    }

    /// Removes all uploads of this connection from the session.
    pub(super) fn remove_uploads(&mut self) -> Vec<Arc<ActiveUpload<S::Staging>>> {
        let uploads = std::mem::take(&mut self.uploads);
        uploads.into_iter().filter_map(|id| self.session.remove(id)).collect()
    }

    /// Closes the file that was requested last. Closing the last handle of a large file that was replaced
    /// takes long, and must not hold up the reactor.
    pub(super) fn close_file(&mut self) {
        if let Some((_, file)) = self.file.take()
            && file.size() >= SLOW_CLOSE_BYTES
        {
            drop(self.executor.spawn(move || drop(file)));
        }
    }

    /// The limits of a read or write in the middle of a message or a transfer.
    pub(super) fn stall(&self) -> IoLimits<'_> {
        self.limits(self.context.timeouts.stall)
    }

    /// Ends a wait after `limit`, or when the session is over.
    pub(super) fn limits(&self, limit: Duration) -> IoLimits<'_> {
        IoLimits { limit, stop: &self.session.over }
    }
}

impl<S: Store> Drop for NativeConnection<S> {
    /// A connection that did not end properly, as after a panic, must not block the uploads that wait for it.
    fn drop(&mut self) {
        self.session.lost(self.stream);
        self.remove_uploads().iter().for_each(|upload| upload.granules.end_all());
    }
}
