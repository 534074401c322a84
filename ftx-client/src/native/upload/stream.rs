//! The uploads of one connection: does the messages that the requests name next.

use std::sync::{Arc, MutexGuard};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BLOCK_BYTES, Digest};
use ftx_core::native::upload::{NextUpload, SentFile, StreamLimits, UploadRequests};
use ftx_core::native::wire::{FileHead, Request};
use ftx_io::Executor;

use super::manifest_saver::SaveThrottle;
use super::source::UploadSource;
use super::{OpenUpload, UploadJob, UploadWorkload, lock, source_token};
use crate::TransferError;
use crate::native::channel::{Channel, MAX_DRAINED_FRAMES, may_leave};
use crate::native::line::LineMeter;
use crate::native::queue::QueueEvent;

/// The uploads of one connection.
pub(super) struct UploadStream {
    pub(super) shared: Arc<UploadWorkload>,
    pub(super) channel: Channel,
    pub(super) stream: StreamId,
    pub(super) executor: Executor,
    pub(super) spare: Vec<u8>,
    pub(super) line: LineMeter,
}

impl UploadStream {
    pub(super) fn new(
        shared: Arc<UploadWorkload>,
        mut channel: Channel,
        stream: StreamId,
        executor: Executor,
    ) -> Self {
        channel.frames.set_inline_compression(executor.is_inline());
        let (window, max_requests) = (channel.limits.window, channel.limits.max_requests() as u64);
        lock(&shared.requests).connect(stream, StreamLimits { window, max_requests });
        let (spare, line) = (Vec::new(), LineMeter::new());
        Self { shared, channel, stream, executor, spare, line }
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, UploadRequests> {
        lock(&self.shared.requests)
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
                return Ok(self.into_channel());
            }
            report();
            // Registered before the state is read, so that no change is missed.
            let changed = attempt.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            attempt.check()?;
            if self.is_done() {
                return Ok(self.into_channel());
            }
            self.expect();
            let next = self.next();
            let job = match next {
                NextUpload::File { .. } => self.shared.queue.take(),
                _ => None,
            };
            match (next, job) {
                (NextUpload::Abandon { request }, _) => {
                    self.channel.queue(request, &Request::Abandon { discard: false })?;
                }
                (NextUpload::Block { request, claim, .. }, _) => self.block(request, claim).await?,
                (NextUpload::Commit { request, .. }, _) => self.commit(request).await?,
                (NextUpload::Wanted(job), _) => self.open_file(job, false).await?,
                (NextUpload::File { probe }, Some(job)) => self.open_file(job, probe).await?,
                (NextUpload::File { .. }, None) | (NextUpload::Wait, _) => {
                    let spare = self.is_spare();
                    if may_leave(spare, self.wait(changed, report).await)? {
                        return Ok(self.into_channel());
                    }
                }
            }
        }
    }

    /// Whether nothing is left to do on this connection.
    fn is_done(&self) -> bool {
        let requests = self.requests();
        let is_over = requests.owed(self.stream).requests == 0 && self.shared.queue.is_over();
        is_over || (self.shared.attempt.is_surplus(self.stream) && requests.is_idle(self.stream))
    }

    /// The next message, within the window of the line.
    fn next(&self) -> NextUpload {
        let attempt = &self.shared.attempt;
        let window = self.line.window(attempt);
        let mut requests = self.requests();
        requests.set_window(self.stream, window);
        requests.set_surplus(self.stream, attempt.is_surplus(self.stream));
        requests.next(self.stream)
    }

    fn into_channel(mut self) -> Channel {
        let is_tainted = self.requests().is_tainted(self.stream);
        self.channel.tainted |= is_tainted;
        self.channel
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
        let is_owed = !self.requests().owed(self.stream).is_none();
        if let Some(incoming) = self.channel.wait(is_owed, changed, report).await? {
            self.on_reply(&incoming).await?;
        }
        Ok(())
    }

    /// Whether the connection could be lost without losing work.
    fn is_spare(&self) -> bool {
        self.stream != 0 && self.requests().is_idle(self.stream)
    }

    /// Tells the channel which replies the server owes.
    fn expect(&mut self) {
        let owed = self.requests().owed(self.stream);
        self.channel.expect(owed.into());
    }

    /// Opens a file, then offers it, or sends or probes it if it is small.
    async fn open_file(&mut self, job: usize, probe: bool) -> Result<(), TransferError> {
        let Some(about) = self.shared.queue.job(job) else { return Ok(()) };
        let about = UploadJob::clone(&about);
        let source = match UploadSource::open(&self.executor, about.path.clone()).await {
            Ok(source) => source,
            Err(error) => {
                self.shared.finish(job, Err(error));
                return Ok(());
            }
        };
        if source.identity.size <= BLOCK_BYTES {
            return self.send_small(job, source, &about, probe).await;
        }
        self.offer(job, source, about).await
    }

    async fn offer(
        &mut self,
        job: usize,
        source: UploadSource,
        about: UploadJob,
    ) -> Result<(), TransferError> {
        let request = self.shared.attempt.new_request();
        let UploadJob { name, run, commit, .. } = about;
        let (size, meta, overwrite) = (source.identity.size, source.meta, self.shared.overwrite);
        let token = source_token::of(&self.executor, &source.local, &source.identity).await;
        let offer = Request::Offer { name: name.into(), size, meta, overwrite, run, source: token };
        self.channel.queue(request, &offer)?;
        // Blocks that were hashed before are read again only if the server lacks them.
        let known = self.shared.known(&self.executor, &source).await;
        let saves = SaveThrottle::new(&known);
        let open = OpenUpload { job, request, source, saves };
        lock(&self.shared.open).insert(request, Arc::new(open));
        let before = lock(&commit).before(request);
        self.requests().offer(self.stream, request, job, known, before);
        self.expect();
        self.channel.flush().await
    }

    /// Sends or probes a small file.
    async fn send_small(
        &mut self,
        job: usize,
        source: UploadSource,
        about: &UploadJob,
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
        let (meta, digest) = (source.meta, Digest::of(&data));
        let sent = SentFile { size, digest, meta };
        let name: RemoteName = about.name.clone();
        if probe {
            self.spare = data;
            let check = Request::Check { name: name.into(), size, meta, digest };
            self.channel.queue(request, &check)?;
            self.requests().check(self.stream, request, job, sent);
            return self.channel.flush_if_full().await;
        }
        self.shared.queue.push_event(job, QueueEvent::Started { from: 0, size });
        let head = FileHead::Put { name: name.into(), meta, overwrite: self.shared.overwrite };
        self.channel.queue_bytes(&head.encode(request, size)?);
        let before = lock(&about.commit).before(request);
        lock(&about.commit).announce(request, sent);
        self.requests().put(self.stream, request, job, sent, before);
        self.line.sent(request, 0, size);
        self.channel.put_data(&data).await?;
        self.channel.queue_bytes(&digest.0);
        self.spare = data;
        self.channel.flush_if_full().await
    }
}
