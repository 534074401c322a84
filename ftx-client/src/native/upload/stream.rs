//! The uploads of one connection: chooses the next message.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BLOCK_BYTES, Digest};
use ftx_core::native::upload::{ClaimedBlock, Sender};
use ftx_core::native::wire::{FileHead, Request};
use ftx_io::{CHUNK_BYTES, Executor};

use super::ambiguous_commit::{PendingCommit, SentFile};
use super::manifest_saver::SaveThrottle;
use super::source::UploadSource;
use super::{OpenUpload, PendingUpload, UploadJob, UploadWorkload, lock, source_token};
use crate::TransferError;
use crate::native::backlog::ExpectedReplies;
use crate::native::channel::{Channel, MAX_DRAINED_FRAMES, may_leave};
use crate::native::queue::QueueEvent;

/// Offers that one connection has open, apart from those that wait for another run.
const MAX_OFFERED_FILES: usize = 8;

/// The same with those that wait. A server allows at least 16.
const MAX_OFFERED_OR_WAITING_FILES: usize = 16;

/// Queued bytes that trigger a flush.
const FLUSH_BYTES: usize = 128 * 1024;

/// The uploads of one connection.
pub(super) struct UploadStream {
    pub(super) shared: Arc<UploadWorkload>,
    pub(super) channel: Channel,
    pub(super) stream: StreamId,
    pub(super) executor: Executor,
    pub(super) pending: HashMap<u32, PendingUpload>,
    /// Small files that were probed, and that the server wants.
    pub(super) wanted: Vec<usize>,
    /// Unanswered bytes of small files.
    pub(super) unanswered_small: u64,
    /// Unanswered bytes of blocks, by request.
    pub(super) unanswered: HashMap<u32, u64>,
    pub(super) spare: Vec<u8>,
}

enum UploadStep {
    Block(Arc<OpenUpload>, ClaimedBlock),
    Commit(Arc<OpenUpload>, Digest),
    File(usize),
    Wanted(usize),
    Wait,
}

impl UploadStream {
    pub(super) fn new(
        shared: Arc<UploadWorkload>,
        channel: Channel,
        stream: StreamId,
        executor: Executor,
    ) -> Self {
        let (pending, unanswered) = (HashMap::new(), HashMap::new());
        let (wanted, spare) = (Vec::new(), Vec::new());
        Self {
            shared,
            channel,
            stream,
            executor,
            pending,
            wanted,
            unanswered_small: 0,
            unanswered,
            spare,
        }
    }

    /// Works until everything is done or something fails, and calls `report` from time to time.
    pub(super) async fn work(
        mut self,
        report: &mut (dyn FnMut() + Send),
    ) -> Result<Channel, TransferError> {
        let attempt = Arc::clone(&self.shared.attempt);
        loop {
            let spare = self.is_spare();
            if may_leave(spare, self.drain().await)? {
                return Ok(self.channel);
            }
            report();
            // Registered before the state is read, so that no change is missed.
            let changed = attempt.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            attempt.check()?;
            self.abandon()?;
            if self.pending.is_empty() && self.shared.queue.is_over() {
                return Ok(self.channel);
            }
            self.channel.expect(self.expected_replies());
            match self.next() {
                UploadStep::Block(open, claim) => self.block(&open, claim).await?,
                UploadStep::Commit(open, digest) => self.commit(open, digest).await?,
                UploadStep::File(job) => self.open_file(job, self.shared.probes_next()).await?,
                UploadStep::Wanted(job) => self.open_file(job, false).await?,
                UploadStep::Wait => {
                    let spare = self.is_spare();
                    if may_leave(spare, self.wait(changed, report).await)? {
                        return Ok(self.channel);
                    }
                }
            }
        }
    }

    /// Handles the replies that have arrived.
    async fn drain(&mut self) -> Result<(), TransferError> {
        for _ in 0..MAX_DRAINED_FRAMES {
            let Some(incoming) = self.channel.poll().await? else { break };
            self.on_reply(&incoming).await?;
        }
        Ok(())
    }

    /// Handles the next reply, unless something else changes first.
    async fn wait(
        &mut self,
        changed: impl Future<Output = ()>,
        report: &mut (dyn FnMut() + Send),
    ) -> Result<(), TransferError> {
        let is_owed = !self.pending.is_empty() || !self.unanswered.is_empty();
        if let Some(incoming) = self.channel.wait(is_owed, changed, report).await? {
            self.on_reply(&incoming).await?;
        }
        Ok(())
    }

    /// Whether the connection could be lost without losing work.
    fn is_spare(&self) -> bool {
        let own = |open: &Arc<OpenUpload>| open.stream == self.stream;
        let idle = self.pending.is_empty() && self.unanswered.is_empty() && self.wanted.is_empty();
        self.stream != 0 && idle && !self.shared.opened().iter().any(own)
    }

    /// Sends the `Abandon` of each upload of this connection that failed on any connection.
    fn abandon(&mut self) -> Result<(), TransferError> {
        let own = |(stream, _): &mut (StreamId, u32)| *stream == self.stream;
        let requests: Vec<_> = lock(&self.shared.abandoned).extract_if(.., own).collect();
        for (_, request) in requests {
            self.pending.remove(&request);
            self.channel.queue(request, &Request::Abandon { discard: false })?;
            self.channel.tainted = true;
        }
        Ok(())
    }

    fn next(&mut self) -> UploadStep {
        let opened = self.shared.opened();
        // Replies to blocks of a failed upload may or may not come, so the connection cannot be reused.
        let sent = self.unanswered.len();
        self.unanswered.retain(|&request, _| opened.iter().any(|open| open.request == request));
        self.channel.tainted |= self.unanswered.len() < sent;
        let (mut own, mut waiting) = (0, 0);
        for open in &opened {
            let mut sender = lock(&open.sender);
            if open.stream == self.stream {
                own += 1;
                waiting += usize::from(open.is_waiting.load(Relaxed));
                let committed = self.pending.contains_key(&open.request);
                if let Some(digest) = sender.all_stored().filter(|_| !committed) {
                    return UploadStep::Commit(Arc::clone(open), digest);
                }
            }
            if self.has_room(BLOCK_BYTES)
                && let Some(claim) = sender.claim(self.stream)
            {
                return UploadStep::Block(Arc::clone(open), claim);
            }
        }
        let may_offer = own - waiting < MAX_OFFERED_FILES && own < MAX_OFFERED_OR_WAITING_FILES;
        if may_offer && self.has_room(1) && self.pending.len() < self.channel.limits.max_requests()
        {
            if let Some(job) = self.wanted.pop() {
                return UploadStep::Wanted(job);
            }
            if let Some(job) = self.shared.queue.take() {
                return UploadStep::File(job);
            }
        }
        UploadStep::Wait
    }

    /// The replies that the server still owes on this connection.
    fn expected_replies(&self) -> ExpectedReplies {
        let sum = |sum: u64, some: u64| sum.saturating_add(some);
        let opened = self.shared.opened();
        let own = opened.iter().filter(|open| open.stream == self.stream);
        ExpectedReplies {
            requests: self.pending.len() as u64,
            unspoken: own.map(|open| lock(&open.sender).unspoken()).fold(0, sum),
            sent: self.unanswered.values().map(|bytes| bytes.div_ceil(BLOCK_BYTES)).fold(0, sum),
        }
    }

    fn has_room(&self, bytes: u64) -> bool {
        let unanswered = self
            .unanswered
            .values()
            .fold(self.unanswered_small, |sum, bytes| sum.saturating_add(*bytes));
        unanswered == 0 || unanswered.saturating_add(bytes) <= self.channel.limits.window
    }

    /// Opens a file, then offers it, or sends or probes it if it is small.
    async fn open_file(&mut self, job: usize, probe: bool) -> Result<(), TransferError> {
        let Some(UploadJob { path, name, run, commit }) = self.shared.queue.job(job).cloned()
        else {
            return Ok(());
        };
        let source = match UploadSource::open(&self.executor, path).await {
            Ok(source) => source,
            Err(error) => {
                self.shared.finish(job, Err(error));
                return Ok(());
            }
        };
        let size = source.identity.size;
        if size <= BLOCK_BYTES {
            return self.send_small(job, source, name, &commit, probe).await;
        }
        let request = self.shared.attempt.new_request();
        let (meta, overwrite) = (source.meta, self.shared.overwrite);
        let token = source_token::of(&self.executor, &source.local, &source.identity).await;
        let offer = Request::Offer { name: name.into(), size, meta, overwrite, run, source: token };
        self.channel.queue(request, &offer)?;
        // Blocks that were hashed before are read again only if the server lacks them.
        let known = self.shared.known(&self.executor, &source).await;
        let saves = SaveThrottle::new(&known);
        let sender = Mutex::new(Sender::with_known(known, self.channel.limits.window));
        let open = Arc::new(OpenUpload {
            job,
            request,
            source,
            sender,
            stream: self.stream,
            saves,
            is_outdated: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
        });
        lock(&self.shared.open).push(Arc::clone(&open));
        self.pending.insert(request, PendingUpload::Offer(open));
        self.channel.expect(self.expected_replies());
        self.channel.flush().await
    }

    /// Sends or probes a small file.
    async fn send_small(
        &mut self,
        job: usize,
        source: UploadSource,
        name: RemoteName,
        commit: &PendingCommit,
        probe: bool,
    ) -> Result<(), TransferError> {
        let size = source.identity.size;
        let data = std::mem::take(&mut self.spare);
        let (source, data) = match source.read(&self.executor, 0, size, data).await {
            Ok(read) => read,
            Err(error) => {
                self.shared.finish(job, Err(error));
                return Ok(());
            }
        };
        if let Err(error) = source.unchanged().await {
            self.shared.finish(job, Err(error));
            return Ok(());
        }
        let request = self.shared.attempt.new_request();
        let (name, meta, digest) = (name.into(), source.meta, Digest::of(&data));
        if probe {
            self.spare = data;
            self.channel.queue(request, &Request::Check { name, size, meta, digest })?;
            self.pending.insert(request, PendingUpload::Check { job, size, digest });
            return self.send_queued().await;
        }
        self.shared.queue.push_event(job, QueueEvent::Started { from: 0, size });
        let head = FileHead::Put { name, meta, overwrite: self.shared.overwrite };
        self.channel.queue_bytes(&head.encode(request, size)?);
        commit.announce(request, SentFile { digest, meta });
        if size <= CHUNK_BYTES as u64 {
            self.channel.queue_bytes(&data);
        } else {
            self.channel.send(&data).await?;
        }
        self.channel.queue_bytes(&digest.0);
        self.spare = data;
        self.unanswered_small += size;
        self.pending.insert(request, PendingUpload::Put { job, bytes: size, digest });
        self.send_queued().await
    }

    async fn send_queued(&mut self) -> Result<(), TransferError> {
        if self.channel.queued() >= FLUSH_BYTES { self.channel.flush().await } else { Ok(()) }
    }
}
