//! Uploads: small files in one frame each, others block by block over all connections.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{
    BLOCK, BlockHasher, Cv, Digest, Manifest, PartialManifest, block_offset,
};
use ftx_core::native::upload::{Claim, Next, Sender};
use ftx_core::native::wire::{BlockHead, FileHead, Meta, Overwrite, Reply, Request, Token};
use ftx_io::{CHUNK, Incoming, blocking};
use ftx_store::{FileIdentity, ManifestCache, Positioned, StoreError};

use super::channel::{Channel, decode, out_of_step, refused};
use super::run::{Crew, Note, Run};
use super::writer;
use crate::{TransferError, Transferred, regular};

/// Uploads that one connection has offered at a time.
const OFFERED: usize = 8;

/// Queued bytes from which on they are sent.
const SEND_AT: usize = 128 * 1024;

/// How long a connection with nothing to do waits before it looks again whether there is something
/// to tell.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A file to upload.
#[derive(Clone, Debug)]
pub(crate) struct UploadJob {
    pub(crate) path: PathBuf,
    pub(crate) name: RemoteName,
    /// Who uploads it, the same for each try, unless the file says so by itself.
    pub(crate) writer: Token,
}

/// What the connections of one try share.
pub(super) struct Uploads {
    run: Arc<Run<UploadJob>>,
    pub(super) crew: Arc<Crew>,
    overwrite: Overwrite,
    manifests: Arc<ManifestCache>,
    /// Files that are sent in blocks, in the order of their offers.
    open: Mutex<Vec<Arc<Open>>>,
}

/// A file that is sent in blocks.
pub(super) struct Open {
    job: usize,
    request: u32,
    source: Source,
    sender: Mutex<Sender>,
    /// The connection that offered it, and will commit it.
    stream: StreamId,
}

/// A local file as it was when it was opened.
struct Source {
    path: PathBuf,
    file: File,
    identity: FileIdentity,
    meta: Meta,
    positioned: Positioned,
    opened: SystemTime,
}

/// What the answer to a request will be about.
enum Pending {
    Put { job: usize, bytes: u64 },
    Offer(Arc<Open>),
    Commit(Arc<Open>),
}

/// One connection at work.
pub(super) struct UploadStream {
    shared: Arc<Uploads>,
    channel: Channel,
    stream: StreamId,
    pending: HashMap<u32, Pending>,
    /// Bytes of files that are on their way unanswered.
    unanswered: u64,
    spare: Vec<u8>,
}

enum Work {
    Block(Arc<Open>, Claim),
    Commit(Arc<Open>, Digest),
    File(usize),
    Wait,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Uploads {
    pub(super) fn new(
        run: Arc<Run<UploadJob>>,
        crew: Arc<Crew>,
        overwrite: Overwrite,
        manifests: Arc<ManifestCache>,
    ) -> Self {
        Self { run, crew, overwrite, manifests, open: Mutex::default() }
    }

    fn opened(&self) -> Vec<Arc<Open>> {
        lock(&self.open).clone()
    }

    fn close(&self, open: &Open) {
        lock(&self.open).retain(|other| other.request != open.request);
        self.crew.changed.notify_waiters();
    }

    fn finish(&self, job: usize, result: Result<Transferred, TransferError>) {
        match result {
            Err(error) if error.is_transient() || matches!(error, TransferError::Cancelled) => {
                self.crew.fail(error);
            }
            result => self.run.finish(job, result),
        }
        if self.run.is_over() {
            self.crew.changed.notify_waiters();
        }
    }
}

impl UploadStream {
    pub(super) fn new(shared: Arc<Uploads>, channel: Channel, stream: StreamId) -> Self {
        let (pending, spare) = (HashMap::new(), Vec::new());
        Self { shared, channel, stream, pending, unanswered: 0, spare }
    }

    /// Works until everything is done or something fails; `tell` is called now and then.
    pub(super) async fn work(
        mut self,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<Channel, TransferError> {
        let crew = Arc::clone(&self.shared.crew);
        loop {
            while let Some(incoming) = self.channel.poll().await? {
                self.take(&incoming)?;
            }
            tell();
            // Listened to before looking: what changes in between is not missed.
            let changed = crew.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            crew.check()?;
            if self.pending.is_empty() && self.shared.run.is_over() {
                return Ok(self.channel);
            }
            match self.next() {
                Work::Block(open, claim) => self.block(&open, claim).await?,
                Work::Commit(open, digest) => self.commit(open, digest).await?,
                Work::File(job) => self.file(job).await?,
                Work::Wait => {
                    self.channel.flush().await?;
                    let incoming = tokio::select! {
                        incoming = self.channel.next() => incoming?,
                        () = changed => continue,
                        () = tokio::time::sleep(LOOK_AGAIN), if self.stream == 0 => continue,
                    };
                    self.take(&incoming)?;
                }
            }
        }
    }

    fn next(&self) -> Work {
        let opened = self.shared.opened();
        let mut own = 0;
        for open in &opened {
            let mut sender = lock(&open.sender);
            if open.stream == self.stream {
                own += 1;
                let committed = self.pending.contains_key(&open.request);
                if let Some(digest) = sender.all_stored().filter(|_| !committed) {
                    return Work::Commit(Arc::clone(open), digest);
                }
            }
            if self.has_room(BLOCK)
                && let Some(claim) = sender.claim(self.stream)
            {
                return Work::Block(Arc::clone(open), claim);
            }
        }
        if own < OFFERED
            && self.has_room(1)
            && self.pending.len() < usize::try_from(self.channel.terms.requests).unwrap_or(1)
            && let Some(job) = self.shared.run.take()
        {
            return Work::File(job);
        }
        Work::Wait
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.unanswered == 0 || self.unanswered.saturating_add(bytes) <= self.channel.terms.window
    }

    /// Opens a file, and sends or offers it.
    async fn file(&mut self, job: usize) -> Result<(), TransferError> {
        let Some(UploadJob { path, name, writer }) = self.shared.run.job(job).cloned() else {
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
        if size <= BLOCK {
            self.shared.run.note(job, Note::Started { from: 0, size });
            return self.put(job, source, name).await;
        }
        let request = self.shared.crew.new_request();
        let (meta, overwrite) = (source.meta, self.shared.overwrite);
        let writer = writer::of(&source.path).unwrap_or(writer);
        let offer = Request::Offer { name: name.into(), size, meta, overwrite, writer };
        self.channel.queue(request, &offer)?;
        // What was hashed before is not read again, unless the server lacks it.
        let known = self.shared.manifests.manifest(&source.identity);
        let window = self.channel.terms.window;
        let sender = Mutex::new(match known.as_deref().map(PartialManifest::from) {
            Some(known) => Sender::with_known(known, window),
            None => Sender::new(size, window),
        });
        let open = Arc::new(Open { job, request, source, sender, stream: self.stream });
        lock(&self.shared.open).push(Arc::clone(&open));
        self.pending.insert(request, Pending::Offer(open));
        self.channel.flush().await
    }

    /// Sends a small file.
    async fn put(
        &mut self,
        job: usize,
        source: Source,
        name: RemoteName,
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
        let (meta, overwrite) = (source.meta, self.shared.overwrite);
        let head = FileHead::Put { name: name.into(), meta, overwrite };
        self.channel.queue_bytes(&head.encode(request, size)?);
        let digest = digest_of(&data);
        if size <= CHUNK as u64 {
            self.channel.queue_bytes(&data);
        } else {
            self.channel.send(&data).await?;
        }
        self.channel.queue_bytes(&digest.0);
        self.spare = data;
        self.unanswered += size;
        self.pending.insert(request, Pending::Put { job, bytes: size });
        if self.channel.queued() >= SEND_AT { self.channel.flush().await } else { Ok(()) }
    }

    async fn block(&mut self, open: &Arc<Open>, claim: Claim) -> Result<(), TransferError> {
        match self.send_block(open, claim).await {
            // The file cannot be read; the connection is as it was.
            Err(Trouble::File(error)) => self.give_up(open, error).await,
            Err(Trouble::Connection(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    async fn send_block(&mut self, open: &Arc<Open>, claim: Claim) -> Result<(), Trouble> {
        let Claim { index, len, theirs } = claim;
        let size = open.source.identity.size;
        let head = BlockHead { index, len }.encode(open.request)?;
        let mut offset = block_offset(index);
        let end = offset + len;
        let mut hasher = BlockHasher::new(size, index);
        let step = if theirs.is_some() { len } else { CHUNK as u64 };
        let mut begun = false;
        while offset < end {
            let piece = step.min(end - offset);
            let spare = std::mem::take(&mut self.spare);
            let read = read_hashed(open, offset, piece, spare, hasher).await;
            let (chunk, back) = match read {
                Ok(read) => read,
                // In the middle of a frame nothing else can be said.
                Err(error) if begun => return Err(Trouble::Connection(error)),
                Err(error) => return Err(Trouble::File(error)),
            };
            hasher = back;
            offset += piece;
            if theirs.is_some() {
                let cv = finish(&hasher, &open.source)?;
                if lock(&open.sender).hashed(index, cv)? == Next::Skip {
                    self.spare = chunk;
                    self.tell_progress(open);
                    self.wake_if_stored(open);
                    return Ok(());
                }
            }
            if !std::mem::replace(&mut begun, true) {
                self.channel.queue_bytes(&head);
            }
            self.channel.send(&chunk).await?;
            self.spare = chunk;
        }
        let cv = finish(&hasher, &open.source)?;
        // Before the value goes out: the answer may come at once.
        lock(&open.sender).sent(index, cv)?;
        self.unanswered += len;
        self.channel.send(&cv.0).await?;
        Ok(())
    }

    fn wake_if_stored(&self, open: &Open) {
        if open.stream != self.stream && lock(&open.sender).all_stored().is_some() {
            self.shared.crew.changed.notify_waiters();
        }
    }

    fn tell_progress(&self, open: &Open) {
        let done = lock(&open.sender).progress().done;
        let size = open.source.identity.size;
        self.shared.run.gain();
        self.shared.run.note(open.job, Note::Progress { done, size });
    }

    async fn commit(&mut self, open: Arc<Open>, digest: Digest) -> Result<(), TransferError> {
        if let Err(error) = open.source.unchanged().await {
            return self.give_up(&open, error).await;
        }
        self.channel.queue(open.request, &Request::Commit { digest })?;
        self.pending.insert(open.request, Pending::Commit(open));
        self.channel.flush().await
    }

    /// Ends an upload for a reason that lies here.
    async fn give_up(&mut self, open: &Open, error: TransferError) -> Result<(), TransferError> {
        self.shared.close(open);
        self.shared.finish(open.job, Err(error));
        if open.stream == self.stream {
            self.channel.queue(open.request, &Request::Abandon { discard: false })?;
            self.channel.flush().await?;
        }
        Ok(())
    }

    fn take(&mut self, incoming: &Incoming) -> Result<(), TransferError> {
        let Incoming::Control { header, payload } = incoming else {
            return Err(out_of_step("bytes of a file that was not asked for"));
        };
        let (request, reply) = decode(header, payload)?;
        match reply {
            Reply::Working { .. } | Reply::Pong { .. } => Ok(()),
            Reply::Have { first, blocks } => {
                let open = self.offered(request)?;
                Ok(lock(&open.sender).have(first, &blocks)?)
            }
            Reply::Ready { resumed } => {
                let open = Arc::clone(self.offered(request)?);
                lock(&open.sender).ready()?;
                self.pending.remove(&request);
                let size = open.source.identity.size;
                self.shared.run.note(open.job, Note::Started { from: resumed, size });
                self.shared.crew.changed.notify_waiters();
                Ok(())
            }
            Reply::Stored { index } => self.stored(request, index),
            Reply::Done { unchanged, .. } => self.done(request, unchanged),
            Reply::Failed { reason, message } => {
                self.failed(request, refused(reason, message));
                Ok(())
            }
            _ => Err(out_of_step("an answer to another request")),
        }
    }

    fn offered(&self, request: u32) -> Result<&Arc<Open>, TransferError> {
        match self.pending.get(&request) {
            Some(Pending::Offer(open)) => Ok(open),
            _ => Err(out_of_step("an answer to no offer")),
        }
    }

    fn stored(&mut self, request: u32, index: u64) -> Result<(), TransferError> {
        let opened = self.shared.opened();
        let Some(open) = opened.iter().find(|open| open.request == request) else {
            // It has failed here meanwhile.
            return Ok(());
        };
        let mut sender = lock(&open.sender);
        sender.stored(self.stream, index)?;
        drop(sender);
        let len = ftx_core::native::blocks::block_len(open.source.identity.size, index);
        self.unanswered = self.unanswered.saturating_sub(len);
        self.tell_progress(open);
        self.wake_if_stored(open);
        Ok(())
    }

    fn done(&mut self, request: u32, unchanged: bool) -> Result<(), TransferError> {
        match self.pending.remove(&request) {
            Some(Pending::Put { job, bytes }) => {
                self.unanswered = self.unanswered.saturating_sub(bytes);
                self.shared.finish(job, Ok(Transferred { moved: bytes, already_there: false }));
            }
            Some(Pending::Commit(open)) => {
                let moved = lock(&open.sender).progress().moved;
                self.shared.close(&open);
                let manifest = lock(&open.sender).own().complete();
                if let Some(manifest) = manifest {
                    let Source { identity, opened, .. } = &open.source;
                    self.shared.manifests.learn_all(identity, &Arc::new(manifest), *opened);
                }
                let already_there = unchanged && moved == 0;
                self.shared.finish(open.job, Ok(Transferred { moved, already_there }));
            }
            Some(Pending::Offer(_)) | None => return Err(out_of_step("an answer to no commit")),
        }
        Ok(())
    }

    fn failed(&mut self, request: u32, error: TransferError) {
        match self.pending.remove(&request) {
            Some(Pending::Put { job, bytes }) => {
                self.unanswered = self.unanswered.saturating_sub(bytes);
                self.shared.finish(job, Err(error));
            }
            Some(Pending::Offer(open) | Pending::Commit(open)) => {
                self.shared.close(&open);
                self.shared.finish(open.job, Err(error));
            }
            None => {
                let opened = self.shared.opened();
                let open = opened.iter().find(|open| open.request == request);
                // Or else it is about one that was given up here.
                if let Some(open) = open {
                    self.shared.close(open);
                    self.shared.finish(open.job, Err(error));
                }
            }
        }
    }
}

/// Why a block could not be sent.
enum Trouble {
    File(TransferError),
    Connection(TransferError),
}

impl<E: Into<TransferError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Connection(error.into())
    }
}

fn finish(hasher: &BlockHasher, source: &Source) -> Result<Cv, TransferError> {
    hasher.finish().map_err(|_| TransferError::Changed { path: source.path.clone() })
}

fn digest_of(data: &[u8]) -> Digest {
    let mut hasher = BlockHasher::new(data.len() as u64, 0);
    hasher.update(data);
    hasher.finish().map_or_else(|_| Manifest::empty().digest(), |cv| Digest(cv.0))
}

impl Source {
    async fn open(path: PathBuf) -> Result<Self, TransferError> {
        let about = path.clone();
        let opened = blocking(&about, move || {
            let (file, identity) = regular::open(&path)?;
            let metadata = file.metadata().map_err(|e| StoreError::io("look at", &path, e))?;
            let (meta, file) = (ftx_store::meta_of(&metadata), file.into_std());
            let (positioned, opened) = (Positioned::default(), SystemTime::now());
            Ok(Self { path, file, identity, meta, positioned, opened })
        });
        Ok(opened.await?)
    }

    /// Reads `len` bytes from `offset`, and gives both back.
    async fn read(
        self,
        offset: u64,
        len: u64,
        mut chunk: Vec<u8>,
    ) -> Result<(Self, Vec<u8>), TransferError> {
        let path = self.path.clone();
        let read = blocking(&path, move || {
            self.fill(offset, len, &mut chunk, |_| {})?;
            Ok((self, chunk))
        });
        Ok(read.await?)
    }

    /// Reads `len` bytes from `offset`, and shows them to `see` while they are in the processor's
    /// cache.
    fn fill(
        &self,
        mut offset: u64,
        len: u64,
        chunk: &mut Vec<u8>,
        mut see: impl FnMut(&[u8]),
    ) -> Result<(), StoreError> {
        chunk.resize(usize::try_from(len).unwrap_or(CHUNK), 0);
        for piece in chunk.chunks_mut(CHUNK) {
            self.positioned
                .read_exact_at(&self.file, piece, offset)
                .map_err(|error| StoreError::io("read", Path::new(&self.path), error))?;
            offset += piece.len() as u64;
            see(piece);
        }
        Ok(())
    }

    async fn unchanged(&self) -> Result<(), TransferError> {
        let now = FileIdentity::of_std(&self.file)
            .map_err(|error| StoreError::io("look at", &self.path, error))?;
        if now.same_content(&self.identity) {
            return Ok(());
        }
        Err(TransferError::Changed { path: self.path.clone() })
    }
}

/// Reads and hashes `len` bytes from `offset` of a file.
async fn read_hashed(
    open: &Arc<Open>,
    offset: u64,
    len: u64,
    mut chunk: Vec<u8>,
    mut hasher: BlockHasher,
) -> Result<(Vec<u8>, BlockHasher), TransferError> {
    let reading = Arc::clone(open);
    let read = blocking(&open.source.path, move || {
        reading.source.fill(offset, len, &mut chunk, |piece| hasher.update(piece))?;
        Ok((chunk, hasher))
    });
    Ok(read.await?)
}
