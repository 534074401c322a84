//! The downloads of one connection: chooses the next request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Digest};
use ftx_core::native::wire::{GetScope, Request};
use ftx_io::Executor;

use super::batch::DownloadBatch;
use super::target::{DownloadTarget, LocalData, OnHashed};
use super::{
    Comparison, ConditionalGet, DownloadJob, DownloadWorkload, OpenDownload, PendingGet,
    WINDOW_BLOCKS, lock,
};
use crate::native::channel::{Channel, MAX_DRAINED_FRAMES, may_leave};
use crate::{Event, TransferError};

/// Large files that one connection has open, and files that may turn out to be large.
const MAX_LARGE_FILES: usize = 4;
const MAX_OPENING_FILES: usize = 16;

/// Queued bytes that trigger a flush.
const REQUEST_FLUSH_BYTES: usize = 8 * 1024;

/// The downloads of one connection.
pub(super) struct DownloadStream {
    pub(super) shared: Arc<DownloadWorkload>,
    pub(super) channel: Channel,
    pub(super) stream: StreamId,
    pub(super) executor: Executor,
    pub(super) pending: HashMap<u32, PendingGet>,
    /// Requested files that may turn out to be large.
    pub(super) opening: usize,
    /// Large comparisons, which wait until no reply is outstanding.
    pub(super) comparisons: Vec<(Box<Comparison>, Digest)>,
    pub(super) batch: DownloadBatch,
    pub(super) spare: Vec<u8>,
}

enum DownloadStep {
    Compare(Box<Comparison>, Digest),
    Request(Arc<OpenDownload>, Vec<BlockRange>),
    File(usize),
    Wait,
}

impl DownloadStream {
    pub(super) fn new(
        shared: Arc<DownloadWorkload>,
        channel: Channel,
        stream: StreamId,
        executor: Executor,
    ) -> Self {
        let batch = DownloadBatch::new(shared.durability);
        Self {
            shared,
            channel,
            stream,
            executor,
            pending: HashMap::new(),
            opening: 0,
            comparisons: Vec::new(),
            batch,
            spare: Vec::new(),
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
            // Registered before the state is read, so that no change is missed.
            let changed = attempt.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            attempt.check()?;
            match self.next() {
                DownloadStep::Request(open, ranges) => {
                    let request = self.shared.attempt.new_request();
                    let (name, version) = (open.name.clone().into(), Some(open.remote.version));
                    let what = GetScope::Blocks(ranges);
                    self.channel.queue(request, &Request::Get { name, version, what })?;
                    self.insert(request, PendingGet::Blocks(open));
                }
                DownloadStep::Compare(comparison, digest) => {
                    report();
                    Box::pin(self.compare(*comparison, digest)).await?;
                }
                DownloadStep::File(job) => {
                    // Reading local data may take long, and its observer must exist by then.
                    report();
                    self.open_file(job).await?;
                    if self.channel.queued() >= REQUEST_FLUSH_BYTES {
                        self.channel.try_flush()?;
                    }
                }
                DownloadStep::Wait => {
                    self.channel.try_flush()?;
                    if self.channel.may_wait() {
                        self.publish_batch().await?;
                    }
                    report();
                    if self.pending.is_empty() && self.shared.queue.is_over() {
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
            self.on_reply(incoming).await?;
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
        let is_owed = !self.pending.is_empty();
        if let Some(incoming) = self.channel.wait(is_owed, changed, report).await? {
            self.on_reply(incoming).await?;
        }
        Ok(())
    }

    /// Whether the connection could be lost without losing work.
    fn is_spare(&self) -> bool {
        self.stream != 0 && self.pending.is_empty() && self.comparisons.is_empty()
    }

    pub(super) fn insert(&mut self, request: u32, get: PendingGet) {
        self.opening += usize::from(get.may_be_large());
        self.pending.insert(request, get);
    }

    pub(super) fn remove(&mut self, request: u32) -> Option<PendingGet> {
        let get = self.pending.remove(&request)?;
        self.opening -= usize::from(get.may_be_large());
        Some(get)
    }

    fn next(&mut self) -> DownloadStep {
        if self.pending.is_empty()
            && let Some((comparison, digest)) = self.comparisons.pop()
        {
            return DownloadStep::Compare(comparison, digest);
        }
        if !self.comparisons.is_empty() {
            return DownloadStep::Wait;
        }
        let opened = lock(&self.shared.open).clone();
        let own = opened.iter().filter(|open| open.stream == self.stream).count();
        for open in opened {
            let ranges = lock(&open.fetch).next(self.stream);
            if let Some(ranges) = ranges {
                return DownloadStep::Request(open, ranges);
            }
        }
        if own < MAX_LARGE_FILES
            && self.opening < MAX_OPENING_FILES
            && self.pending.len() < self.channel.limits.max_requests()
            && let Some(job) = self.shared.queue.take()
        {
            return DownloadStep::File(job);
        }
        DownloadStep::Wait
    }

    /// Inspects the local data of a file, and requests the rest.
    async fn open_file(&mut self, index: usize) -> Result<(), TransferError> {
        let Some(job) = self.shared.queue.job(index).cloned() else { return Ok(()) };
        let DownloadJob { name, path, size, mismatched } = job;
        let mismatched = mismatched.load(Relaxed);
        let target = match DownloadTarget::new(
            &path,
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
        let request = self.shared.attempt.new_request();
        let request_for = |what| Request::Get { name: name.clone().into(), version: None, what };
        let inspected = target.inspect(&self.executor, self.on_hashed(index)).await;
        let local = match inspected {
            Ok(local) => local,
            Err(error) => {
                self.shared.finish(index, Err(error));
                return Ok(());
            }
        };
        let local = local.or_else(|| mismatched.then(LocalData::none));
        let get = match local {
            None => {
                let first = BlockRange { first: 0, count: WINDOW_BLOCKS };
                self.channel.queue(request, &request_for(GetScope::Blocks(vec![first])))?;
                PendingGet::Start { job: index, name, target, first: Some(first) }
            }
            Some(local) => {
                let what = if mismatched { GetScope::FreshManifest } else { GetScope::Manifest };
                self.channel.queue(request, &request_for(what))?;
                let (remote, cvs) = (None, Vec::new());
                PendingGet::Compare(Box::new(Comparison {
                    job: index,
                    name,
                    target,
                    local,
                    remote,
                    cvs,
                }))
            }
        };
        self.insert(request, get);
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
        let request = self.shared.attempt.new_request();
        let what = existing.map_or(GetScope::Whole, |file| GetScope::WholeUnless(file.digest));
        let get = Request::Get { name: name.clone().into(), version: None, what };
        self.channel.queue(request, &get)?;
        let get = match existing {
            None => PendingGet::Start { job: index, name, target, first: None },
            Some(existing) => PendingGet::Conditional(Box::new(ConditionalGet {
                job: index,
                name,
                target,
                existing,
                remote: None,
            })),
        };
        self.insert(request, get);
        Ok(())
    }

    /// Tells the file's observer how much of it is hashed. Stops with the attempt.
    pub(super) fn on_hashed(&self, job: usize) -> OnHashed {
        let (queue, attempt) = (Arc::clone(&self.shared.queue), Arc::clone(&self.shared.attempt));
        Box::new(move |done, total| {
            queue.tell_now(job, &Event::Hashing { done, total });
            attempt.check().is_ok()
        })
    }
}
