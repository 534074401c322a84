//! Uploads: small files in one frame each, others block by block over all connections.

mod again;
mod answers;
mod block;
mod known;
mod source;
mod source_token;
mod unheard;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BLOCK_BYTES, Digest};
use ftx_core::native::upload::{ClaimedBlock, Sender};
use ftx_core::native::wire::{FileHead, Overwrite, Request, Token};
use ftx_io::CHUNK_BYTES;
use ftx_store::ManifestCache;

use self::again::Again;
use self::known::Kept;
use self::source::Source;
use self::unheard::{Doubt, Sent, Told};
use super::channel::{Channel, HEARD_FRAMES, leaves};
use super::inbox::Owed;
use super::run::{Crew, Note, Run, lock};
use crate::{LocalPath, TransferError, Transferred};

/// Uploads that one connection has offered at a time, besides those that wait for another run.
const OFFERED: usize = 8;

/// The same with those that wait: a server allows no less than 16.
const OFFERED_AND_WAITING: usize = 16;

/// Queued bytes from which on they are sent.
const SEND_AT: usize = 128 * 1024;

/// A file to upload.
#[derive(Clone, Debug)]
pub(crate) struct UploadJob {
    pub(crate) path: LocalPath,
    pub(crate) name: RemoteName,
    /// The same for each try.
    pub(crate) run: Token,
    told: Told,
}

impl UploadJob {
    pub(crate) fn new(path: LocalPath, name: RemoteName, run: Token) -> Self {
        Self { path, name, run, told: Told::default() }
    }
}

/// What the connections of one try share.
pub(super) struct Uploads {
    run: Arc<Run<UploadJob>>,
    pub(super) crew: Arc<Crew>,
    overwrite: Overwrite,
    manifests: Arc<ManifestCache>,
    again: Again,
    /// Files that are sent in blocks, in the order of their offers.
    open: Mutex<Vec<Arc<Open>>>,
    /// Requests that were given up here, and the connections that are to tell the server so.
    abandoned: Mutex<Vec<(StreamId, u32)>>,
}

/// A file that is sent in blocks.
pub(super) struct Open {
    job: usize,
    request: u32,
    source: Source,
    sender: Mutex<Sender>,
    /// The connection that offered it, and will commit it.
    stream: StreamId,
    kept: Kept,
    /// A block was found to be another than the cache said.
    distrusted: AtomicBool,
    /// Another run uploads it, and the server waits for that.
    waits: AtomicBool,
}

/// What the answer to a request will be about.
enum Pending {
    Put { job: usize, bytes: u64, digest: Digest },
    Check { job: usize, size: u64, digest: Digest },
    Offer(Arc<Open>),
    Commit(Arc<Open>, Digest),
    Doubt(Doubt),
}

/// One connection at work.
pub(super) struct UploadStream {
    shared: Arc<Uploads>,
    channel: Channel,
    stream: StreamId,
    pending: HashMap<u32, Pending>,
    /// Small files that the server was asked about, and wants.
    wanted: Vec<usize>,
    /// Bytes of small files that are on their way unanswered.
    put: u64,
    /// Bytes of blocks that are, by their request.
    sent: HashMap<u32, u64>,
    spare: Vec<u8>,
}

enum Work {
    Block(Arc<Open>, ClaimedBlock),
    Commit(Arc<Open>, Digest),
    File(usize),
    Wanted(usize),
    Wait,
}

impl Uploads {
    pub(super) fn new(
        run: Arc<Run<UploadJob>>,
        crew: Arc<Crew>,
        overwrite: Overwrite,
        manifests: Arc<ManifestCache>,
    ) -> Self {
        let (open, abandoned) = (Mutex::default(), Mutex::default());
        Self { run, crew, overwrite, manifests, again: Again::default(), open, abandoned }
    }

    fn opened(&self) -> Vec<Arc<Open>> {
        lock(&self.open).clone()
    }

    /// Whether the server is asked about the next small file before it is sent. What becomes of one that
    /// is there is for the server to find out where it is not to be replaced.
    fn asks(&self) -> bool {
        self.overwrite == Overwrite::Replace && self.again.asks()
    }

    fn close(&self, open: &Open) {
        lock(&self.open).retain(|other| other.request != open.request);
        self.crew.changed.notify_waiters();
    }

    fn finish(&self, job: usize, result: Result<Transferred, TransferError>) {
        self.crew.finish(&self.run, job, result);
    }
}

impl UploadStream {
    pub(super) fn new(shared: Arc<Uploads>, channel: Channel, stream: StreamId) -> Self {
        let (pending, sent) = (HashMap::new(), HashMap::new());
        let (wanted, spare) = (Vec::new(), Vec::new());
        Self { shared, channel, stream, pending, wanted, put: 0, sent, spare }
    }

    /// Works until everything is done or something fails; `tell` is called now and then.
    pub(super) async fn work(
        mut self,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<Channel, TransferError> {
        let crew = Arc::clone(&self.shared.crew);
        loop {
            let spare = self.is_spare();
            if leaves(spare, self.hear().await)? {
                return Ok(self.channel);
            }
            tell();
            // Listened to before looking: what changes in between is not missed.
            let changed = crew.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            crew.check()?;
            self.abandon()?;
            if self.pending.is_empty() && self.shared.run.is_over() {
                return Ok(self.channel);
            }
            self.channel.expect(self.owed());
            match self.next() {
                Work::Block(open, claim) => self.block(&open, claim).await?,
                Work::Commit(open, digest) => self.commit(open, digest).await?,
                Work::File(job) => self.file(job, self.shared.asks()).await?,
                Work::Wanted(job) => self.file(job, false).await?,
                Work::Wait => {
                    let spare = self.is_spare();
                    if leaves(spare, self.wait(changed, tell).await)? {
                        return Ok(self.channel);
                    }
                }
            }
        }
    }

    /// Takes what has come already.
    async fn hear(&mut self) -> Result<(), TransferError> {
        for _ in 0..HEARD_FRAMES {
            let Some(incoming) = self.channel.poll().await? else { break };
            self.take(&incoming).await?;
        }
        Ok(())
    }

    /// Takes what comes next, unless something changes before.
    async fn wait(
        &mut self,
        changed: impl Future<Output = ()>,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<(), TransferError> {
        let owes = !self.pending.is_empty() || !self.sent.is_empty();
        if let Some(incoming) = self.channel.wait(owes, changed, tell).await? {
            self.take(&incoming).await?;
        }
        Ok(())
    }

    /// Whether nothing is lost with the connection.
    fn is_spare(&self) -> bool {
        let own = |open: &Arc<Open>| open.stream == self.stream;
        let idle = self.pending.is_empty() && self.sent.is_empty() && self.wanted.is_empty();
        self.stream != 0 && idle && !self.shared.opened().iter().any(own)
    }

    /// Tells the server of uploads of this connection that were given up, on whichever.
    fn abandon(&mut self) -> Result<(), TransferError> {
        let own = |(stream, _): &mut (StreamId, u32)| *stream == self.stream;
        let requests: Vec<_> = lock(&self.shared.abandoned).extract_if(.., own).collect();
        for (_, request) in requests {
            self.pending.remove(&request);
            self.channel.queue(request, &Request::Abandon { discard: false })?;
            self.channel.unheard = true;
        }
        Ok(())
    }

    fn next(&mut self) -> Work {
        let opened = self.shared.opened();
        // Blocks of an upload that has failed get no answers, or some that tell nothing.
        let sent = self.sent.len();
        self.sent.retain(|&request, _| opened.iter().any(|open| open.request == request));
        self.channel.unheard |= self.sent.len() < sent;
        let (mut own, mut waiting) = (0, 0);
        for open in &opened {
            let mut sender = lock(&open.sender);
            if open.stream == self.stream {
                own += 1;
                waiting += usize::from(open.waits.load(Relaxed));
                let committed = self.pending.contains_key(&open.request);
                if let Some(digest) = sender.all_stored().filter(|_| !committed) {
                    return Work::Commit(Arc::clone(open), digest);
                }
            }
            if self.has_room(BLOCK_BYTES)
                && let Some(claim) = sender.claim(self.stream)
            {
                return Work::Block(Arc::clone(open), claim);
            }
        }
        let may_offer = own - waiting < OFFERED && own < OFFERED_AND_WAITING;
        if may_offer && self.has_room(1) && self.pending.len() < self.channel.terms.requests() {
            if let Some(job) = self.wanted.pop() {
                return Work::Wanted(job);
            }
            if let Some(job) = self.shared.run.take() {
                return Work::File(job);
            }
        }
        Work::Wait
    }

    /// What the server may still answer on this connection.
    fn owed(&self) -> Owed {
        let sum = |sum: u64, some: u64| sum.saturating_add(some);
        let opened = self.shared.opened();
        let own = opened.iter().filter(|open| open.stream == self.stream);
        Owed {
            requests: self.pending.len() as u64,
            unspoken: own.map(|open| lock(&open.sender).unspoken()).fold(0, sum),
            sent: self.sent.values().map(|bytes| bytes.div_ceil(BLOCK_BYTES)).fold(0, sum),
        }
    }

    fn has_room(&self, bytes: u64) -> bool {
        let unanswered = self.sent.values().fold(self.put, |sum, bytes| sum.saturating_add(*bytes));
        unanswered == 0 || unanswered.saturating_add(bytes) <= self.channel.terms.window
    }

    /// Opens a file, and sends or offers it, or asks about it first if it is a small one.
    async fn file(&mut self, job: usize, asks: bool) -> Result<(), TransferError> {
        let Some(UploadJob { path, name, run, told }) = self.shared.run.job(job).cloned() else {
            return Ok(());
        };
        let source = match Source::open(path).await {
            Ok(source) => source,
            Err(error) => {
                self.shared.finish(job, Err(error));
                return Ok(());
            }
        };
        let size = source.identity.size;
        if size <= BLOCK_BYTES {
            return self.small(job, source, name, &told, asks).await;
        }
        let request = self.shared.crew.new_request();
        let (meta, overwrite) = (source.meta, self.shared.overwrite);
        let token = source_token::of(&source.local, &source.identity).await;
        let offer = Request::Offer { name: name.into(), size, meta, overwrite, run, source: token };
        self.channel.queue(request, &offer)?;
        // What was hashed before is not read again, unless the server lacks it.
        let known = self.shared.known(&source).await;
        let kept = Kept::new(&known);
        let sender = Mutex::new(Sender::with_known(known, self.channel.terms.window));
        let open = Arc::new(Open {
            job,
            request,
            source,
            sender,
            stream: self.stream,
            kept,
            distrusted: AtomicBool::new(false),
            waits: AtomicBool::new(false),
        });
        lock(&self.shared.open).push(Arc::clone(&open));
        self.pending.insert(request, Pending::Offer(open));
        self.channel.expect(self.owed());
        self.channel.flush().await
    }

    /// Sends a small file, or asks about it.
    async fn small(
        &mut self,
        job: usize,
        source: Source,
        name: RemoteName,
        told: &Told,
        asks: bool,
    ) -> Result<(), TransferError> {
        let size = source.identity.size;
        let data = std::mem::take(&mut self.spare);
        let (source, data) = match source.read(0, size, data).await {
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
        let request = self.shared.crew.new_request();
        let (name, meta, digest) = (name.into(), source.meta, Digest::of(&data));
        if asks {
            self.spare = data;
            self.channel.queue(request, &Request::Check { name, size, meta, digest })?;
            self.pending.insert(request, Pending::Check { job, size, digest });
            return self.send_queued().await;
        }
        self.shared.run.note(job, Note::Started { from: 0, size });
        let head = FileHead::Put { name, meta, overwrite: self.shared.overwrite };
        self.channel.queue_bytes(&head.encode(request, size)?);
        told.publish(request, Sent { digest, meta });
        if size <= CHUNK_BYTES as u64 {
            self.channel.queue_bytes(&data);
        } else {
            self.channel.send(&data).await?;
        }
        self.channel.queue_bytes(&digest.0);
        self.spare = data;
        self.put += size;
        self.pending.insert(request, Pending::Put { job, bytes: size, digest });
        self.send_queued().await
    }

    async fn send_queued(&mut self) -> Result<(), TransferError> {
        if self.channel.queued() >= SEND_AT { self.channel.flush().await } else { Ok(()) }
    }
}
