//! Downloads: small files in one frame each, others block by block over all connections.

mod answers;
mod block;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest};
use ftx_core::native::download::Fetch;
use ftx_core::native::wire::{GetScope, Meta, Request, Version};
use ftx_store::{BlockStaging, Durability, ManifestCache};

use super::channel::{Channel, HEARD_FRAMES, leaves};
use super::place::{GoOn, Here, Local, Place};
use super::run::{Crew, Run, lock};
use super::small::Batch;
use crate::{Event, LocalPath, TransferError, Transferred};

/// Blocks that a connection has asked for at a time, of one file: that much is lost with it at most.
const WINDOW: u64 = 8;

/// Files that one connection has open at a time, and those of which that is not known yet.
const OPEN: usize = 4;
const OPENING: usize = 16;

/// Bytes of a local file that may take long to hash and to copy. Meanwhile nothing is read from the
/// connection, so nothing may be on its way then.
const LONG: u64 = 64 * BLOCK_BYTES;

/// Queued bytes from which on they are sent.
const SEND_AT: usize = 8 * 1024;

/// A file to download.
#[derive(Clone, Debug)]
pub(crate) struct DownloadJob {
    pub(crate) name: RemoteName,
    pub(crate) path: LocalPath,
    /// Its bytes, where the server has said so before.
    pub(crate) size: Option<u64>,
    /// Something arrived otherwise than it was announced: the server may have to read the file again.
    pub(crate) mismatched: Arc<AtomicBool>,
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
    found: Found,
    fetch: Mutex<Fetch>,
    /// `None` once the file is whole.
    staging: Mutex<Option<Arc<BlockStaging>>>,
    stream: StreamId,
}

/// What the server says that it has.
#[derive(Clone, Copy)]
struct Found {
    size: u64,
    meta: Meta,
    version: Version,
}

/// What the answer to a request will be about.
enum Asked {
    /// A file of which nothing is here: its first blocks, or all of a small one.
    Start { job: usize, name: RemoteName, place: Place, first: Option<BlockRange> },
    /// A small file, unless it is the one that is here.
    Unless(Box<Unless>),
    /// A file of which something is here: its chaining values.
    Compare(Box<Compare>),
    /// Blocks of a file.
    Blocks(Arc<Fetching>),
    /// What is not wanted any more.
    Nothing,
}

/// A small file that may be here already.
struct Unless {
    job: usize,
    name: RemoteName,
    place: Place,
    here: Here,
    found: Option<Found>,
}

/// A file of which something is here.
struct Compare {
    job: usize,
    name: RemoteName,
    place: Place,
    local: Local,
    found: Option<Found>,
    cvs: Vec<Cv>,
}

/// One connection at work.
pub(super) struct DownloadStream {
    shared: Arc<Downloads>,
    channel: Channel,
    stream: StreamId,
    asked: HashMap<u32, Asked>,
    /// Files asked for that may turn out to be large.
    opening: usize,
    /// Files to be compared as soon as nothing is on its way.
    compares: Vec<(Box<Compare>, Digest)>,
    batch: Batch,
    spare: Vec<u8>,
}

enum Work {
    Compare(Box<Compare>, Digest),
    Ask(Arc<Fetching>, Vec<BlockRange>),
    File(usize),
    Wait,
}

impl Asked {
    /// Whether it may be about a file that is fetched in blocks, and takes descriptors then.
    fn may_be_large(&self) -> bool {
        matches!(self, Self::Start { first: Some(_), .. } | Self::Compare(_))
    }
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

    /// A file did not arrive as it was announced.
    fn mismatched(&self, job: usize) {
        if let Some(job) = self.run.job(job) {
            job.mismatched.store(true, Relaxed);
        }
    }

    fn finish(&self, job: usize, result: Result<Transferred, TransferError>) {
        self.crew.finish(&self.run, job, result);
    }

    fn close(&self, fetching: &Arc<Fetching>) {
        lock(&self.open).retain(|other| !Arc::ptr_eq(other, fetching));
        self.crew.changed.notify_waiters();
    }
}

impl DownloadStream {
    pub(super) fn new(shared: Arc<Downloads>, channel: Channel, stream: StreamId) -> Self {
        let batch = Batch::new(shared.durability);
        Self {
            shared,
            channel,
            stream,
            asked: HashMap::new(),
            opening: 0,
            compares: Vec::new(),
            batch,
            spare: Vec::new(),
        }
    }

    /// Works until everything is done or something fails; `tell` is called now and then.
    pub(super) async fn work(
        mut self,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<Channel, TransferError> {
        let crew = Arc::clone(&self.shared.crew);
        loop {
            let spare = self.is_spare();
            if leaves(spare, self.hear(tell).await)? {
                return Ok(self.channel);
            }
            // Listened to before looking: what changes in between is not missed.
            let changed = crew.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            crew.check()?;
            match self.next() {
                Work::Ask(fetching, ranges) => {
                    let request = self.shared.crew.new_request();
                    let (name, version) =
                        (fetching.name.clone().into(), Some(fetching.found.version));
                    let what = GetScope::Blocks(ranges);
                    self.channel.queue(request, &Request::Get { name, version, what })?;
                    self.ask(request, Asked::Blocks(fetching));
                }
                Work::Compare(compare, digest) => {
                    tell();
                    Box::pin(self.compare(*compare, digest)).await?;
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
                    let spare = self.is_spare();
                    if leaves(spare, self.wait(changed, tell).await)? {
                        return Ok(self.channel);
                    }
                }
            }
        }
    }

    /// Takes what has come already.
    async fn hear(&mut self, tell: &mut (dyn FnMut() + Send)) -> Result<(), TransferError> {
        for _ in 0..HEARD_FRAMES {
            let Some(incoming) = self.channel.poll().await? else { break };
            self.take(incoming).await?;
            if self.batch.is_full() {
                self.put_batch().await?;
            }
            tell();
        }
        Ok(())
    }

    /// Takes what comes next, unless something changes before.
    async fn wait(
        &mut self,
        changed: impl Future<Output = ()>,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<(), TransferError> {
        let owes = !self.asked.is_empty();
        if let Some(incoming) = self.channel.wait(owes, changed, tell).await? {
            self.take(incoming).await?;
        }
        Ok(())
    }

    /// Whether nothing is lost with the connection.
    fn is_spare(&self) -> bool {
        self.stream != 0 && self.asked.is_empty() && self.compares.is_empty()
    }

    fn ask(&mut self, request: u32, asked: Asked) {
        self.opening += usize::from(asked.may_be_large());
        self.asked.insert(request, asked);
    }

    fn answered(&mut self, request: u32) -> Option<Asked> {
        let asked = self.asked.remove(&request)?;
        self.opening -= usize::from(asked.may_be_large());
        Some(asked)
    }

    fn next(&mut self) -> Work {
        if self.asked.is_empty()
            && let Some((compare, digest)) = self.compares.pop()
        {
            return Work::Compare(compare, digest);
        }
        if !self.compares.is_empty() {
            return Work::Wait;
        }
        let opened = lock(&self.shared.open).clone();
        let own = opened.iter().filter(|fetching| fetching.stream == self.stream).count();
        for fetching in opened {
            let ranges = lock(&fetching.fetch).next(self.stream);
            if let Some(ranges) = ranges {
                return Work::Ask(fetching, ranges);
            }
        }
        if own < OPEN
            && self.opening < OPENING
            && self.asked.len() < self.channel.terms.requests()
            && let Some(job) = self.shared.run.take()
        {
            return Work::File(job);
        }
        Work::Wait
    }

    /// Looks at what is here of a file, and asks for the rest.
    async fn file(&mut self, index: usize) -> Result<(), TransferError> {
        let Some(job) = self.shared.run.job(index).cloned() else { return Ok(()) };
        let DownloadJob { name, path, size, mismatched } = job;
        let mismatched = mismatched.load(Relaxed);
        let place =
            match Place::new(&path, self.shared.durability, Arc::clone(&self.shared.manifests)) {
                Ok(place) => place,
                Err(error) => {
                    self.shared.finish(index, Err(error.into()));
                    return Ok(());
                }
            };
        if let Some(size) = size.filter(|size| *size <= BLOCK_BYTES && !mismatched) {
            return self.small_file(index, name, place, size).await;
        }
        let request = self.shared.crew.new_request();
        let ask = |what| Request::Get { name: name.clone().into(), version: None, what };
        let looked = place.look(self.go_on(index)).await;
        let local = match looked {
            Ok(local) => local,
            Err(error) => {
                self.shared.finish(index, Err(error));
                return Ok(());
            }
        };
        let local = local.or_else(|| mismatched.then(Local::nothing));
        let asked = match local {
            None => {
                let first = BlockRange { first: 0, count: WINDOW };
                self.channel.queue(request, &ask(GetScope::Blocks(vec![first])))?;
                Asked::Start { job: index, name, place, first: Some(first) }
            }
            Some(local) => {
                let what = if mismatched { GetScope::FreshManifest } else { GetScope::Manifest };
                self.channel.queue(request, &ask(what))?;
                let (found, cvs) = (None, Vec::new());
                Asked::Compare(Box::new(Compare { job: index, name, place, local, found, cvs }))
            }
        };
        self.ask(request, asked);
        Ok(())
    }

    /// Asks for a file of so many bytes, at most a block, unless it is the one that is here.
    async fn small_file(
        &mut self,
        index: usize,
        name: RemoteName,
        place: Place,
        size: u64,
    ) -> Result<(), TransferError> {
        let here = match place.look_at_small(size).await {
            Ok(here) => here,
            Err(error) => {
                self.shared.finish(index, Err(error));
                return Ok(());
            }
        };
        let request = self.shared.crew.new_request();
        let what = here.map_or(GetScope::Whole, |here| GetScope::WholeUnless(here.digest));
        let get = Request::Get { name: name.clone().into(), version: None, what };
        self.channel.queue(request, &get)?;
        let asked = match here {
            None => Asked::Start { job: index, name, place, first: None },
            Some(here) => {
                Asked::Unless(Box::new(Unless { job: index, name, place, here, found: None }))
            }
        };
        self.ask(request, asked);
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
}
