//! The downloads of one connection: chooses the next request.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, block_len};
use ftx_core::native::download::{DownloadRequest, INITIAL_WINDOW_BLOCKS};
use ftx_core::native::wire::{GetScope, Request, Version};
use ftx_io::Executor;

use super::batch::DownloadBatch;
use super::request_window::RequestWindow;
use super::target::{DownloadTarget, ExistingFile, LocalData, OnHashed};
use super::{
    Comparison, DownloadJob, DownloadWorkload, GetRequest, GetRequests, LocalCopy, OpenDownload,
    PendingFile, lock,
};
use crate::native::channel::{Channel, MAX_DRAINED_FRAMES, may_leave};
use crate::native::line::LineMeter;
use crate::{Event, TransferError};

/// Queued bytes that trigger a flush.
const REQUEST_FLUSH_BYTES: usize = 8 * 1024;

/// The downloads of one connection.
pub(super) struct DownloadStream {
    pub(super) shared: Arc<DownloadWorkload>,
    pub(super) channel: Channel,
    pub(super) stream: StreamId,
    pub(super) executor: Executor,
    pub(super) requests: GetRequests,
    /// The most files that are requested.
    pub(super) window: RequestWindow,
    /// The request for the next page of a listing, which only the first connection makes.
    pub(super) listing: Option<u32>,
    /// An answer to such a request has not been reported.
    pub(super) has_page: bool,
    /// Large comparisons, which wait until no reply is outstanding.
    pub(super) comparisons: Vec<Comparison>,
    pub(super) batch: DownloadBatch,
    pub(super) spare: Vec<u8>,
    pub(super) line: LineMeter,
}

/// The next action of a connection.
enum NextAction {
    Compare(Comparison),
    Request(Arc<OpenDownload>, Vec<BlockRange>),
    File(usize),
    Wait,
}

impl DownloadStream {
    pub(super) fn new(
        shared: Arc<DownloadWorkload>,
        mut channel: Channel,
        stream: StreamId,
        executor: Executor,
    ) -> Self {
        channel.frames.set_inline_compression(executor.is_inline());
        let batch = DownloadBatch::new(shared.durability);
        let requests = GetRequests::new(channel.limits.max_requests());
        let (comparisons, spare, line) = (Vec::new(), Vec::new(), LineMeter::new());
        Self {
            shared,
            channel,
            stream,
            executor,
            requests,
            window: RequestWindow::default(),
            listing: None,
            has_page: false,
            comparisons,
            batch,
            spare,
            line,
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
            if may_leave(spare, self.drain(report).await)? {
                return Ok(self.channel);
            }
            if std::mem::take(&mut self.has_page) {
                report();
                attempt.changed.notify_waiters();
            }
            self.request_page()?;
            // Registered before the state is read, so that no change is missed.
            let changed = attempt.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            attempt.check()?;
            match self.next() {
                NextAction::Request(open, ranges) => {
                    let (name, version) = (open.name.clone(), open.remote.version);
                    let size = open.remote.size;
                    let asked = ranges.clone();
                    let get = DownloadRequest::blocks(open, version, ranges);
                    let id = self.request(name, Some(version), get)?;
                    for index in asked.iter().flat_map(|range| range.first..range.end()) {
                        self.line.sent(id, index, block_len(size, index));
                    }
                }
                NextAction::Compare(comparison) => {
                    report();
                    self.compare(comparison).await?;
                }
                NextAction::File(job) => {
                    // Reading local data may take long, and its observer must exist by then.
                    report();
                    self.open_file(job).await?;
                    if self.channel.queued() >= REQUEST_FLUSH_BYTES {
                        self.channel.try_flush()?;
                    }
                }
                NextAction::Wait => {
                    self.channel.try_flush()?;
                    if self.channel.may_wait() {
                        self.publish_batch().await?;
                    }
                    report();
                    if self.is_done() {
                        return Ok(self.channel);
                    }
                    let spare = self.is_spare();
                    if may_leave(spare, self.wait(changed, report).await)? {
                        return Ok(self.channel);
                    }
                }
            }
        }
    }

    /// Handles the frames that have arrived.
    async fn drain(&mut self, report: &mut (dyn FnMut() + Send)) -> Result<(), TransferError> {
        for _ in 0..MAX_DRAINED_FRAMES {
            let Some(incoming) = self.channel.poll().await? else { break };
            self.on_incoming(incoming).await?;
            if self.batch.is_full() {
                self.publish_batch().await?;
            }
            report();
        }
        Ok(())
    }

    /// Handles the next frame, unless something else changes first.
    async fn wait(
        &mut self,
        changed: impl Future<Output = ()>,
        report: &mut (dyn FnMut() + Send),
    ) -> Result<(), TransferError> {
        if let Some(incoming) = self.channel.wait(self.is_owed(), changed, report).await? {
            self.on_incoming(incoming).await?;
        }
        Ok(())
    }

    /// Whether nothing is left to do on this connection.
    fn is_done(&self) -> bool {
        let is_idle = self.requests.is_empty() && self.comparisons.is_empty();
        let is_over = !self.is_owed() && self.shared.queue.is_over();
        is_over || (is_idle && self.batch.is_empty() && self.is_surplus())
    }

    fn is_surplus(&self) -> bool {
        self.shared.attempt.is_surplus(self.stream)
    }

    /// Whether the server owes an answer.
    fn is_owed(&self) -> bool {
        !self.requests.is_empty() || self.listing.is_some()
    }

    /// Whether the connection could be lost without losing work.
    fn is_spare(&self) -> bool {
        self.stream != 0 && self.requests.is_empty() && self.comparisons.is_empty()
    }

    /// Queues a `Get`, and returns its id.
    fn request(
        &mut self,
        name: RemoteName,
        version: Option<Version>,
        (request, what): (GetRequest, GetScope),
    ) -> Result<u32, TransferError> {
        let id = self.shared.attempt.new_request();
        self.channel.queue(id, &Request::Get { name: name.into(), version, what })?;
        self.requests.insert(id, request);
        Ok(id)
    }

    fn next(&mut self) -> NextAction {
        if self.requests.is_empty()
            && let Some(comparison) = self.comparisons.pop()
        {
            return NextAction::Compare(comparison);
        }
        if !self.comparisons.is_empty() || self.is_surplus() {
            return NextAction::Wait;
        }
        // Files would delay the next page, for which the other connections wait.
        let lists = self.stream == 0 && self.shared.queue.seeks_more();
        if lists && self.shared.attempt.has_extra() {
            return NextAction::Wait;
        }
        let window = self.line.window(&self.shared.attempt) / BLOCK_BYTES;
        let opened = lock(&self.shared.open).clone();
        let own = opened.iter().filter(|open| open.stream == self.stream).count();
        for open in opened {
            let ranges = lock(&open.fetch).next(self.stream, window);
            if let Some(ranges) = ranges {
                return NextAction::Request(open, ranges);
            }
        }
        if self.window.has_room(self.requests.len())
            && self.requests.may_begin(own)
            && let Some(job) = self.shared.queue.take()
        {
            return NextAction::File(job);
        }
        NextAction::Wait
    }

    /// Inspects the local data of a file, and requests the rest.
    async fn open_file(&mut self, index: usize) -> Result<(), TransferError> {
        let Some(job) = self.shared.queue.job(index) else { return Ok(()) };
        let DownloadJob { name, path, size, mismatched, .. } = &*job;
        let (name, size, mismatched) = (name.clone(), *size, mismatched.load(Relaxed));
        let target = match DownloadTarget::new(
            path,
            self.shared.durability,
            Arc::clone(&self.shared.manifests),
        ) {
            Ok(target) => target,
            Err(error) => {
                self.shared.finish(index, Err(error.into()));
                return Ok(());
            }
        };
        if let Some(size) = size.filter(|size| *size <= BLOCK_BYTES && !mismatched) {
            return self.small_file(index, name, target, size).await;
        }
        let inspected = target.inspect(&self.executor, self.on_hashed(index)).await;
        let local = match inspected {
            Ok(local) => local,
            Err(error) => {
                self.shared.finish(index, Err(error));
                return Ok(());
            }
        };
        let local = local.or_else(|| mismatched.then(LocalData::none));
        let file = PendingFile { job: index, name: name.clone(), target, local: LocalCopy::None };
        let Some(local) = local else {
            let first = BlockRange { first: 0, count: INITIAL_WINDOW_BLOCKS };
            let get = DownloadRequest::first_blocks(Box::new(file), first);
            let id = self.request(name, None, get)?;
            for index in first.first..first.end() {
                self.line.sent(id, index, BLOCK_BYTES);
            }
            return Ok(());
        };
        let local = LocalCopy::Blocks(Box::new(local));
        let get = DownloadRequest::manifest(Box::new(PendingFile { local, ..file }), mismatched);
        self.request(name, None, get)?;
        Ok(())
    }

    /// Requests a file of `size` bytes, at most a block, unless the local file is the same.
    async fn small_file(
        &mut self,
        index: usize,
        name: RemoteName,
        target: DownloadTarget,
        size: u64,
    ) -> Result<(), TransferError> {
        let existing = match target.inspect_small(&self.executor, size).await {
            Ok(existing) => existing,
            Err(error) => {
                self.shared.finish(index, Err(error));
                return Ok(());
            }
        };
        let file = |local| Box::new(PendingFile { job: index, name: name.clone(), target, local });
        let get = match existing {
            LocalCopy::Small(ExistingFile { digest, .. }) => {
                DownloadRequest::whole_unless(file(existing), digest)
            }
            absent => DownloadRequest::whole(file(absent)),
        };
        let id = self.request(name, None, get)?;
        self.line.sent(id, 0, size);
        Ok(())
    }

    /// Tells the file's observer how much of it is hashed. Stops with the attempt.
    pub(super) fn on_hashed(&self, job: usize) -> OnHashed {
        let (queue, attempt) = (Arc::clone(&self.shared.queue), Arc::clone(&self.shared.attempt));
        Box::new(move |done, total| {
            queue.tell_now(job, &Event::Hashing { done, total });
            attempt.activity().touch();
            attempt.check().is_ok()
        })
    }
}
