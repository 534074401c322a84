//! Downloads: a small file comes in one frame, a large one block by block over all connections.

mod batch;
mod block;
mod replies;
mod target;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest};
use ftx_core::native::download::Fetch;
use ftx_core::native::wire::{GetScope, Meta, Request, Version};
use ftx_store::{BlockStaging, Durability, ManifestCache};

use self::batch::DownloadBatch;
use self::target::{DownloadTarget, ExistingFile, LocalData, OnHashed};
use super::attempt::Attempt;
use super::channel::{Channel, MAX_DRAINED_FRAMES, may_leave};
use super::queue::{TransferQueue, lock};
use crate::{Event, LocalPath, TransferError, Transferred};

/// Blocks of one file that a connection requests at a time. Losing it loses at most these.
const WINDOW_BLOCKS: u64 = 8;

/// Large files that one connection has open, and files that may turn out to be large.
const MAX_OPEN_FILES: usize = 4;
const MAX_OPENING_FILES: usize = 16;

/// The size from which a local file takes long to hash and copy. The connection is not read meanwhile,
/// so no reply may be outstanding then.
const LARGE_LOCAL_BYTES: u64 = 64 * BLOCK_BYTES;

/// Queued bytes that trigger a flush.
const FLUSH_BYTES: usize = 8 * 1024;

/// A file to download.
#[derive(Clone, Debug)]
pub(crate) struct DownloadJob {
    pub(crate) name: RemoteName,
    pub(crate) path: LocalPath,
    /// Its size in bytes, if a listing gave it.
    pub(crate) size: Option<u64>,
    /// It arrived damaged, so the server may have to read the file again.
    pub(crate) mismatched: Arc<AtomicBool>,
}

/// The downloads of one attempt, shared by its connections.
pub(super) struct DownloadWorkload {
    queue: Arc<TransferQueue<DownloadJob>>,
    pub(super) attempt: Arc<Attempt>,
    durability: Durability,
    manifests: Arc<ManifestCache>,
    /// Files that are fetched in blocks.
    open: Mutex<Vec<Arc<OpenDownload>>>,
}

/// A file that is fetched in blocks.
struct OpenDownload {
    job: usize,
    name: RemoteName,
    target: DownloadTarget,
    remote: RemoteVersion,
    fetch: Mutex<Fetch>,
    /// `None` once the file is whole.
    staging: Mutex<Option<Arc<BlockStaging>>>,
    stream: StreamId,
}

/// The version of a file that the server has.
#[derive(Clone, Copy)]
struct RemoteVersion {
    size: u64,
    meta: Meta,
    version: Version,
}

/// A `Get` that the server has not answered completely.
enum PendingGet {
    /// A file without local data: its first blocks, or all of a small file.
    Start { job: usize, name: RemoteName, target: DownloadTarget, first: Option<BlockRange> },
    /// A small file, unless the local one is the same.
    Conditional(Box<ConditionalGet>),
    /// The chaining values of a file with local data.
    Comparison(Box<Comparison>),
    /// Blocks of a file.
    Blocks(Arc<OpenDownload>),
    /// A file that has failed on this side. Its replies are skipped.
    Abandoned,
}

/// A small file whose local version may be up to date.
struct ConditionalGet {
    job: usize,
    name: RemoteName,
    target: DownloadTarget,
    existing: ExistingFile,
    remote: Option<RemoteVersion>,
}

/// A file whose local data is compared with the manifest of the server.
struct Comparison {
    job: usize,
    name: RemoteName,
    target: DownloadTarget,
    local: LocalData,
    remote: Option<RemoteVersion>,
    cvs: Vec<Cv>,
}

/// The downloads of one connection.
pub(super) struct DownloadStream {
    shared: Arc<DownloadWorkload>,
    channel: Channel,
    stream: StreamId,
    pending: HashMap<u32, PendingGet>,
    /// Requested files that may turn out to be large.
    opening: usize,
    /// Large comparisons, which wait until no reply is outstanding.
    compares: Vec<(Box<Comparison>, Digest)>,
    batch: DownloadBatch,
    spare: Vec<u8>,
}

enum DownloadStep {
    Comparison(Box<Comparison>, Digest),
    Ask(Arc<OpenDownload>, Vec<BlockRange>),
    File(usize),
    Wait,
}

impl PendingGet {
    /// Whether the file may be fetched in blocks, which takes descriptors.
    fn may_be_large(&self) -> bool {
        matches!(self, Self::Start { first: Some(_), .. } | Self::Comparison(_))
    }
}

impl DownloadWorkload {
    pub(super) fn new(
        queue: Arc<TransferQueue<DownloadJob>>,
        attempt: Arc<Attempt>,
        durability: Durability,
        manifests: Arc<ManifestCache>,
    ) -> Self {
        Self { queue, attempt, durability, manifests, open: Mutex::default() }
    }

    /// Records that a file arrived damaged.
    fn mismatched(&self, job: usize) {
        if let Some(job) = self.queue.job(job) {
            job.mismatched.store(true, Relaxed);
        }
    }

    fn finish(&self, job: usize, result: Result<Transferred, TransferError>) {
        self.attempt.finish(&self.queue, job, result);
    }

    fn close(&self, fetching: &Arc<OpenDownload>) {
        lock(&self.open).retain(|other| !Arc::ptr_eq(other, fetching));
        self.attempt.changed.notify_waiters();
    }
}

impl DownloadStream {
    pub(super) fn new(shared: Arc<DownloadWorkload>, channel: Channel, stream: StreamId) -> Self {
        let batch = DownloadBatch::new(shared.durability);
        Self {
            shared,
            channel,
            stream,
            pending: HashMap::new(),
            opening: 0,
            compares: Vec::new(),
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
                DownloadStep::Ask(fetching, ranges) => {
                    let request = self.shared.attempt.new_request();
                    let (name, version) =
                        (fetching.name.clone().into(), Some(fetching.remote.version));
                    let what = GetScope::Blocks(ranges);
                    self.channel.queue(request, &Request::Get { name, version, what })?;
                    self.insert(request, PendingGet::Blocks(fetching));
                }
                DownloadStep::Comparison(compare, digest) => {
                    report();
                    Box::pin(self.compare(*compare, digest)).await?;
                }
                DownloadStep::File(job) => {
                    // Reading local data may take long, and its observer must exist by then.
                    report();
                    self.open_file(job).await?;
                    if self.channel.queued() >= FLUSH_BYTES {
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
        self.stream != 0 && self.pending.is_empty() && self.compares.is_empty()
    }

    fn insert(&mut self, request: u32, get: PendingGet) {
        self.opening += usize::from(get.may_be_large());
        self.pending.insert(request, get);
    }

    fn remove(&mut self, request: u32) -> Option<PendingGet> {
        let get = self.pending.remove(&request)?;
        self.opening -= usize::from(get.may_be_large());
        Some(get)
    }

    fn next(&mut self) -> DownloadStep {
        if self.pending.is_empty()
            && let Some((compare, digest)) = self.compares.pop()
        {
            return DownloadStep::Comparison(compare, digest);
        }
        if !self.compares.is_empty() {
            return DownloadStep::Wait;
        }
        let opened = lock(&self.shared.open).clone();
        let own = opened.iter().filter(|fetching| fetching.stream == self.stream).count();
        for fetching in opened {
            let ranges = lock(&fetching.fetch).next(self.stream);
            if let Some(ranges) = ranges {
                return DownloadStep::Ask(fetching, ranges);
            }
        }
        if own < MAX_OPEN_FILES
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
        let inspected = target.inspect(self.on_hashed(index)).await;
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
                PendingGet::Comparison(Box::new(Comparison {
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
        let existing = match target.inspect_small(size).await {
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
    fn on_hashed(&self, job: usize) -> OnHashed {
        let (queue, attempt) = (Arc::clone(&self.shared.queue), Arc::clone(&self.shared.attempt));
        Box::new(move |done, total| {
            queue.tell_now(job, &Event::Hashing { done, total });
            attempt.check().is_ok()
        })
    }
}
