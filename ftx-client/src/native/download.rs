//! Downloads: small files in one frame each, others block by block over all connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{
    BLOCK, BlockHasher, BlockRange, Cv, Digest, Manifest, block_len, block_offset,
};
use ftx_core::native::download::Fetch;
use ftx_core::native::wire::{BlockHead, FileHead, Meta, Reply, Request, Version, What};
use ftx_io::{CHUNK, Incoming, blocking};
use ftx_store::{BlockStaging, Durability, ManifestCache};

use super::channel::{Channel, decode, out_of_step, refused};
use super::place::{GoOn, Local, Place};
use super::run::{Crew, Note, Run};
use super::small::Batch;
use crate::{Event, TransferError, Transferred};

/// Blocks that a connection has asked for at a time, of one file.
const WINDOW: u64 = 16;

/// Files that one connection has open at a time.
const OPEN: usize = 4;

/// Requests for small files that one connection has unanswered: as many as a distant server can be
/// sent before its first answer is here.
const REQUESTS: usize = 8192;

/// Queued bytes from which on they are sent.
const SEND_AT: usize = 8 * 1024;

/// How long a connection with nothing to do waits before it looks again whether there is something
/// to tell.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A file to download.
#[derive(Clone, Debug)]
pub(crate) struct DownloadJob {
    pub(crate) name: RemoteName,
    pub(crate) path: std::path::PathBuf,
    /// Its bytes, where the server has said so before.
    pub(crate) size: Option<u64>,
}

/// What the connections of one try share.
pub(super) struct Downloads {
    run: Arc<Run<DownloadJob>>,
    pub(super) crew: Arc<Crew>,
    durability: Durability,
    manifests: Arc<ManifestCache>,
    /// Files that are fetched in blocks.
    open: Mutex<Vec<Arc<Fetching>>>,
}

/// A file that is fetched in blocks.
struct Fetching {
    job: usize,
    name: RemoteName,
    place: Place,
    size: u64,
    meta: Meta,
    version: Version,
    fetch: Mutex<Fetch>,
    /// `None` once the file is whole.
    staging: Mutex<Option<Arc<BlockStaging>>>,
    stream: StreamId,
}

/// What the answer to a request will be about.
enum Asked {
    /// A file of which nothing is here: its first blocks, or all of a small one.
    Start { job: usize, name: RemoteName, place: Place, first: Option<BlockRange> },
    /// A file of which something is here: its chaining values.
    Compare(Box<Compare>),
    /// Blocks of a file.
    Blocks(Arc<Fetching>),
}

/// A file of which something is here.
struct Compare {
    job: usize,
    name: RemoteName,
    place: Place,
    local: Local,
    found: Option<(u64, Meta, Version)>,
    cvs: Vec<Cv>,
}

/// One connection at work.
pub(super) struct DownloadStream {
    shared: Arc<Downloads>,
    channel: Channel,
    stream: StreamId,
    asked: HashMap<u32, Asked>,
    batch: Batch,
    spare: Vec<u8>,
}

enum Work {
    Ask(Arc<Fetching>, Vec<BlockRange>),
    File(usize),
    Wait,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Downloads {
    pub(super) fn new(
        run: Arc<Run<DownloadJob>>,
        crew: Arc<Crew>,
        durability: Durability,
        manifests: Arc<ManifestCache>,
    ) -> Self {
        Self { run, crew, durability, manifests, open: Mutex::default() }
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

    fn close(&self, fetching: &Arc<Fetching>) {
        lock(&self.open).retain(|other| !Arc::ptr_eq(other, fetching));
        self.crew.changed.notify_waiters();
    }
}

impl DownloadStream {
    pub(super) fn new(shared: Arc<Downloads>, channel: Channel, stream: StreamId) -> Self {
        let batch = Batch::new(shared.durability);
        Self { shared, channel, stream, asked: HashMap::new(), batch, spare: Vec::new() }
    }

    /// Works until everything is done or something fails; `tell` is called now and then.
    pub(super) async fn work(
        mut self,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<Channel, TransferError> {
        let crew = Arc::clone(&self.shared.crew);
        loop {
            while let Some(incoming) = self.channel.poll().await? {
                self.take(incoming).await?;
                if self.batch.is_full() {
                    self.put_batch().await?;
                }
                tell();
            }
            // Listened to before looking: what changes in between is not missed.
            let changed = crew.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            crew.check()?;
            match self.next() {
                Work::Ask(fetching, ranges) => {
                    let request = self.shared.crew.new_request();
                    let (name, version) = (fetching.name.clone().into(), Some(fetching.version));
                    let what = What::Blocks(ranges);
                    self.channel.queue(request, &Request::Get { name, version, what })?;
                    self.asked.insert(request, Asked::Blocks(fetching));
                }
                Work::File(job) => {
                    // What is here may take long to read, and that is told to who watches the file.
                    tell();
                    self.file(job).await?;
                    if self.channel.queued() >= SEND_AT {
                        self.channel.try_flush()?;
                    }
                }
                Work::Wait => {
                    self.channel.try_flush()?;
                    if self.channel.may_wait() {
                        self.put_batch().await?;
                    }
                    tell();
                    if self.asked.is_empty() && self.shared.run.is_over() {
                        return Ok(self.channel);
                    }
                    let incoming = tokio::select! {
                        incoming = self.channel.next_flushing() => incoming?,
                        () = changed => continue,
                        () = tokio::time::sleep(LOOK_AGAIN), if self.stream == 0 => continue,
                    };
                    self.take(incoming).await?;
                }
            }
        }
    }

    fn next(&self) -> Work {
        let opened = lock(&self.shared.open).clone();
        let own = opened.iter().filter(|fetching| fetching.stream == self.stream).count();
        for fetching in opened {
            let ranges = lock(&fetching.fetch).next(self.stream);
            if let Some(ranges) = ranges {
                return Work::Ask(fetching, ranges);
            }
        }
        let unanswered = usize::try_from(self.channel.terms.requests).unwrap_or(1).min(REQUESTS);
        if own < OPEN
            && self.asked.len() < unanswered
            && let Some(job) = self.shared.run.take()
        {
            return Work::File(job);
        }
        Work::Wait
    }

    /// Looks at what is here of a file, and asks for the rest.
    async fn file(&mut self, index: usize) -> Result<(), TransferError> {
        let Some(job) = self.shared.run.job(index).cloned() else { return Ok(()) };
        let DownloadJob { name, path, size } = job;
        let place =
            match Place::new(&path, self.shared.durability, Arc::clone(&self.shared.manifests)) {
                Ok(place) => place,
                Err(error) => {
                    self.shared.finish(index, Err(error.into()));
                    return Ok(());
                }
            };
        let request = self.shared.crew.new_request();
        let ask = |what| Request::Get { name: name.clone().into(), version: None, what };
        if size.is_some_and(|size| size <= BLOCK) {
            self.channel.queue(request, &ask(What::Whole))?;
            let asked = Asked::Start { job: index, name, place, first: None };
            self.asked.insert(request, asked);
            return Ok(());
        }
        let looked = place.look(self.go_on(index)).await;
        let local = match looked {
            Ok(local) => local,
            Err(error) => {
                self.shared.finish(index, Err(error));
                return Ok(());
            }
        };
        let asked = match local {
            None => {
                let first = BlockRange { first: 0, count: WINDOW };
                self.channel.queue(request, &ask(What::Blocks(vec![first])))?;
                Asked::Start { job: index, name, place, first: Some(first) }
            }
            Some(local) => {
                self.channel.queue(request, &ask(What::Manifest))?;
                let (found, cvs) = (None, Vec::new());
                Asked::Compare(Box::new(Compare { job: index, name, place, local, found, cvs }))
            }
        };
        self.asked.insert(request, asked);
        Ok(())
    }

    /// Tells who watches a file how much of it is read, until the try ends.
    fn go_on(&self, job: usize) -> GoOn {
        let (run, crew) = (Arc::clone(&self.shared.run), Arc::clone(&self.shared.crew));
        Box::new(move |done, total| {
            run.tell_now(job, &Event::Hashing { done, total });
            crew.check().is_ok()
        })
    }

    async fn take(&mut self, incoming: Incoming) -> Result<(), TransferError> {
        match incoming {
            Incoming::Block { request, head } => self.block(request, head).await,
            Incoming::File { request, head, len } => self.small(request, head, len).await,
            Incoming::Control { header, payload } => {
                let (request, reply) = decode(&header, &payload)?;
                match reply {
                    Reply::Working { .. } | Reply::Pong { .. } => Ok(()),
                    Reply::Found { size, meta, version } => {
                        self.found(request, size, meta, version).await
                    }
                    Reply::Cvs { first, cvs } => self.cvs(request, first, cvs),
                    Reply::End { digest } => match self.asked.remove(&request) {
                        Some(Asked::Blocks(fetching)) => self.end(&fetching).await,
                        Some(Asked::Compare(compare)) => match digest {
                            Some(digest) => self.compare(*compare, digest).await,
                            None => Err(out_of_step("a manifest without a digest")),
                        },
                        Some(Asked::Start { .. }) | None => Err(out_of_step("an end of nothing")),
                    },
                    Reply::Failed { reason, message } => {
                        self.failed(request, refused(reason, message));
                        Ok(())
                    }
                    _ => Err(out_of_step("an answer to another request")),
                }
            }
        }
    }

    /// The server has the file.
    async fn found(
        &mut self,
        request: u32,
        size: u64,
        meta: Meta,
        version: Version,
    ) -> Result<(), TransferError> {
        match self.asked.remove(&request) {
            Some(Asked::Compare(mut compare)) => {
                compare.found = Some((size, meta, version));
                self.asked.insert(request, Asked::Compare(compare));
            }
            Some(Asked::Start { job, name, place, first }) => {
                self.shared.run.note(job, Note::Started { from: 0, size });
                let staging = match place.create(size).await {
                    Ok(staging) => staging,
                    Err(error) => {
                        // What comes for this request is read and dropped.
                        self.shared.finish(job, Err(error));
                        return Ok(());
                    }
                };
                let first = first.unwrap_or(BlockRange { first: 0, count: u64::MAX });
                let fetch = Fetch::begun(size, self.stream, first, WINDOW);
                let fetching = Fetching {
                    job,
                    name,
                    place,
                    size,
                    meta,
                    version,
                    fetch: Mutex::new(fetch),
                    staging: Mutex::new(Some(Arc::new(staging))),
                    stream: self.stream,
                };
                self.open(request, fetching);
            }
            Some(asked @ Asked::Blocks(_)) => {
                let same = matches!(&asked, Asked::Blocks(f) if f.version == version);
                self.asked.insert(request, asked);
                if !same {
                    return Err(out_of_step("a version that was not asked for"));
                }
            }
            None => {}
        }
        Ok(())
    }

    fn open(&mut self, request: u32, fetching: Fetching) {
        let fetching = Arc::new(fetching);
        lock(&self.shared.open).push(Arc::clone(&fetching));
        self.asked.insert(request, Asked::Blocks(fetching));
        self.shared.crew.changed.notify_waiters();
    }

    fn cvs(&mut self, request: u32, first: u64, page: Vec<Cv>) -> Result<(), TransferError> {
        match self.asked.get_mut(&request) {
            Some(Asked::Compare(compare)) if compare.cvs.len() as u64 == first => {
                compare.cvs.extend(page);
                Ok(())
            }
            Some(_) => Err(out_of_step("a page of a manifest")),
            None => Ok(()),
        }
    }

    /// Compares what is here with what the server has.
    async fn compare(&mut self, compare: Compare, digest: Digest) -> Result<(), TransferError> {
        let Compare { job, name, place, local, found, cvs } = compare;
        let (size, meta, version) = found.ok_or_else(|| out_of_step("a manifest of no file"))?;
        let manifest = Manifest::new(size, cvs).map_err(|_| out_of_step("half a manifest"))?;
        let run = Arc::clone(&self.shared.run);
        let prepared = local.prepare(&place, &manifest, self.go_on(job)).await;
        let (staging, known) = match prepared {
            Ok(Some(prepared)) => prepared,
            Ok(None) => {
                // The target is just this file.
                run.note(job, Note::Started { from: size, size });
                run.gain();
                let done = Transferred { moved: 0, already_there: true };
                self.shared.finish(job, Ok(done));
                return Ok(());
            }
            Err(error) => {
                self.shared.finish(job, Err(error));
                return Ok(());
            }
        };
        let mut fetch = Fetch::new(size, &known, WINDOW);
        for (page, cvs) in manifest.cvs().chunks(1024).enumerate() {
            fetch.cvs(page as u64 * 1024, cvs)?;
        }
        fetch.manifest(digest)?;
        run.note(job, Note::Started { from: fetch.progress().done, size });
        let fetching = Arc::new(Fetching {
            job,
            name,
            place,
            size,
            meta,
            version,
            fetch: Mutex::new(fetch),
            staging: Mutex::new(Some(Arc::new(staging))),
            stream: self.stream,
        });
        lock(&self.shared.open).push(Arc::clone(&fetching));
        self.shared.crew.changed.notify_waiters();
        self.publish_if_whole(&fetching).await
    }

    async fn block(&mut self, request: u32, head: BlockHead) -> Result<(), TransferError> {
        let BlockHead { index, len } = head;
        let fetching = match self.asked.get(&request) {
            Some(Asked::Blocks(fetching)) => Arc::clone(fetching),
            Some(Asked::Start { .. } | Asked::Compare(_)) => {
                return Err(out_of_step("a block before its file"));
            }
            None => return self.drain(len).await,
        };
        if len != block_len(fetching.size, index) {
            return Err(out_of_step("a block of another length"));
        }
        // It failed here while this was on its way.
        let Some(staging) = lock(&fetching.staging).clone() else { return self.drain(len).await };
        if lock(&fetching.fetch).expects(self.stream) != Some(index) {
            return Err(out_of_step("a block that was not asked for"));
        }
        let mut hasher = BlockHasher::new(fetching.size, index);
        let mut offset = block_offset(index);
        let end = offset + len;
        let mut trouble = None;
        while offset < end {
            let mut chunk = std::mem::take(&mut self.spare);
            chunk.clear();
            let piece = usize::try_from(end - offset).map_or(CHUNK, |left| left.min(CHUNK));
            self.channel.read_exact(&mut chunk, piece).await?;
            let staging = Arc::clone(&staging);
            let written = blocking(fetching.place.path(), move || {
                hasher.update(&chunk);
                let written = staging.write_at(offset, &chunk);
                Ok((chunk, hasher, written))
            });
            let (chunk, back, written) = written.await?;
            (self.spare, hasher) = (chunk, back);
            offset += piece as u64;
            trouble = trouble.or(written.err());
        }
        let claimed = Cv(self.channel.read_hash().await?);
        let computed = hasher.finish().map_err(|_| out_of_step("half a block"))?;
        if trouble.is_none() && computed == claimed {
            trouble = blocking(fetching.place.path(), move || Ok(staging.stored(index, claimed)))
                .await?
                .err();
        } else {
            drop(staging);
        }
        if let Some(error) = trouble {
            // What has arrived stays on the disk.
            lock(&fetching.staging).take();
            self.shared.close(&fetching);
            self.shared.finish(fetching.job, Err(error.into()));
            return Ok(());
        }
        lock(&fetching.fetch).block(self.stream, index, computed, claimed)?;
        let done = lock(&fetching.fetch).progress().done;
        self.shared.run.gain();
        self.shared.run.note(fetching.job, Note::Progress { done, size: fetching.size });
        Ok(())
    }

    async fn drain(&mut self, mut left: u64) -> Result<(), TransferError> {
        while left > 0 {
            let mut chunk = std::mem::take(&mut self.spare);
            chunk.clear();
            let piece = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            self.channel.read_exact(&mut chunk, piece).await?;
            left -= piece as u64;
            self.spare = chunk;
        }
        self.channel.read_hash().await?;
        Ok(())
    }

    /// A request for blocks is answered.
    async fn end(&mut self, fetching: &Arc<Fetching>) -> Result<(), TransferError> {
        if lock(&fetching.staging).is_some() {
            lock(&fetching.fetch).range_end(self.stream)?;
        }
        self.publish_if_whole(fetching).await
    }

    async fn publish_if_whole(&mut self, fetching: &Arc<Fetching>) -> Result<(), TransferError> {
        if !lock(&fetching.fetch).is_finished() {
            return Ok(());
        }
        // Whoever takes it publishes it.
        let Some(staging) = lock(&fetching.staging).take() else { return Ok(()) };
        let moved = lock(&fetching.fetch).progress().moved;
        let Some(staging) = Arc::into_inner(staging) else {
            return Err(out_of_step("a block after the last one"));
        };
        let published = fetching.place.publish(staging, fetching.meta).await;
        self.shared.close(fetching);
        let result = published.map(|()| Transferred { moved, already_there: false });
        self.shared.finish(fetching.job, result);
        Ok(())
    }

    /// A whole small file.
    async fn small(&mut self, request: u32, head: FileHead, len: u64) -> Result<(), TransferError> {
        let (job, place) = match self.asked.remove(&request) {
            Some(Asked::Start { job, place, .. }) => (job, place),
            Some(_) => return Err(out_of_step("a file that was not asked for")),
            None => return self.drain(len).await,
        };
        let FileHead::Got { meta, .. } = head else {
            return Err(out_of_step("a file to be stored"));
        };
        let mut data = Vec::new();
        self.channel.read_exact(&mut data, usize::try_from(len).unwrap_or(0)).await?;
        let claimed = self.channel.read_hash().await?;
        if digest_of(&data) != claimed {
            return Err(TransferError::Damaged { name: place.path().display().to_string() });
        }
        self.shared.run.note(job, Note::Started { from: 0, size: len });
        self.batch.push(job, place, data, meta);
        Ok(())
    }

    async fn put_batch(&mut self) -> Result<(), TransferError> {
        for (job, result) in self.batch.publish().await {
            self.shared.finish(job, result);
        }
        Ok(())
    }

    fn failed(&mut self, request: u32, error: TransferError) {
        match self.asked.remove(&request) {
            Some(Asked::Start { job, .. }) => self.shared.finish(job, Err(error)),
            Some(Asked::Compare(compare)) => self.shared.finish(compare.job, Err(error)),
            Some(Asked::Blocks(fetching)) => {
                lock(&fetching.staging).take();
                self.shared.close(&fetching);
                self.shared.finish(fetching.job, Err(error));
            }
            None => {}
        }
    }
}

fn digest_of(data: &[u8]) -> [u8; 32] {
    let mut hasher = BlockHasher::new(data.len() as u64, 0);
    hasher.update(data);
    hasher.finish().map_or_else(|_| Manifest::empty().digest().0, |cv| cv.0)
}
