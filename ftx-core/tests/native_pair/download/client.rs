//! A client that downloads: the machines of its requests, and a model of their driver.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, block_count};
use ftx_core::native::download::{
    DownloadRequest, DownloadStep, Fetch, INITIAL_WINDOW_BLOCKS, OpenRequests, RequestedFile,
};
use ftx_core::native::wire::{GetScope, Reply, Request, Version};
use ftx_core::native::{Silence, SilenceAction, StreamId};

use super::blocks::{ArrivingBytes, OpenFile};
use crate::files::{ModelDisk, ModelFile, ModelStaging};
use crate::pair::{Bytes, Incoming, Millis, Peer};

/// How long a server may owe an answer in silence.
pub(crate) const IDLE_LIMIT: Millis = 30_000;

/// Unanswered requests of a connection.
pub(crate) const MAX_REQUESTS: usize = 40;

/// A file to download, and its size in the listing.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) listed: Option<u64>,
}

/// The end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    /// Every file is done, or has failed by itself.
    Over,
    Cut,
    Crashed,
    Silence,
}

#[derive(Debug)]
pub(super) struct ClientStream {
    requests: OpenRequests<String, usize>,
    pub(super) arriving: Option<ArrivingBytes>,
    /// The silence of the server, and its beginning.
    silence: Silence,
    silent_since: Millis,
    to_send: VecDeque<Bytes>,
}

impl ClientStream {
    fn new(now: Millis) -> Self {
        Self {
            requests: OpenRequests::new(MAX_REQUESTS),
            arriving: None,
            silence: Silence::new(Duration::from_millis(IDLE_LIMIT), false),
            silent_since: now,
            to_send: VecDeque::new(),
        }
    }

    /// Something has arrived, or is awaited from now on.
    fn listen(&mut self, now: Millis) {
        let is_owed = !self.requests.is_empty();
        self.silence = Silence::new(Duration::from_millis(IDLE_LIMIT), is_owed);
        self.silent_since = now;
    }

    fn wakes_at(&self) -> Millis {
        self.silent_since + self.silence.limit().as_millis() as Millis
    }
}

/// One attempt of a client, and what it leaves behind.
#[derive(Debug)]
pub(crate) struct DownloadClient {
    pub(crate) disks: BTreeMap<String, ModelDisk>,
    /// Files that arrived damaged: the server must read them again.
    pub(crate) distrusted: BTreeSet<String>,
    pub(crate) done: BTreeSet<String>,
    pub(crate) end: Option<AttemptEnd>,
    /// The process ends before this effect.
    pub(crate) crash_at: Option<u64>,
    queue: VecDeque<Job>,
    under_way: BTreeSet<String>,
    pub(super) open: Vec<OpenFile>,
    pub(super) streams: BTreeMap<StreamId, ClientStream>,
    next_request: u32,
    effects: u64,
}

impl DownloadClient {
    pub(crate) fn new(
        disks: BTreeMap<String, ModelDisk>,
        jobs: Vec<Job>,
        streams: &[StreamId],
        now: Millis,
    ) -> Self {
        Self {
            disks,
            distrusted: BTreeSet::new(),
            done: BTreeSet::new(),
            end: None,
            crash_at: None,
            queue: jobs.into(),
            under_way: BTreeSet::new(),
            open: Vec::new(),
            streams: streams.iter().map(|id| (*id, ClientStream::new(now))).collect(),
            next_request: 0,
            effects: 0,
        }
    }

    /// Something that a later process can see is about to be done. `false` if this one ends before.
    pub(super) fn effect(&mut self) -> bool {
        self.effects += 1;
        if self.crash_at == Some(self.effects) {
            self.end = Some(AttemptEnd::Crashed);
        }
        self.end.is_none()
    }

    pub(super) fn disk(&mut self, name: &str) -> &mut ModelDisk {
        self.disks.entry(name.to_owned()).or_default()
    }

    pub(super) fn finish(&mut self, name: &str, is_done: bool) {
        if self.under_way.remove(name) && is_done {
            self.done.insert(name.to_owned());
        }
        if self.under_way.is_empty() && self.queue.is_empty() {
            self.end.get_or_insert(AttemptEnd::Over);
        }
    }

    fn act(&mut self, stream: StreamId, id: u32, step: DownloadStep<String, usize>) {
        match step {
            DownloadStep::Wait | DownloadStep::CheckRoom(_) => {}
            DownloadStep::Open { file, remote, first } => {
                if !self.effect() {
                    return;
                }
                self.disk(&file).staging = Some(ModelStaging::new(remote.size));
                let fetch = Fetch::begun(remote.size, stream, first);
                let open = self.open(stream, file, remote, fetch);
                let is_whole = first.count == u64::MAX;
                let asked = if is_whole { 0 } else { first.count.min(block_count(remote.size)) };
                self.open[open].outstanding.insert(stream, asked);
                self.streams.get_mut(&stream).unwrap().requests.opened(id, open).unwrap();
            }
            DownloadStep::Compare { file, remote, manifest } => {
                self.compare(stream, file, remote, &manifest);
            }
            DownloadStep::Keep { file, .. } => self.finish(&file, true),
            DownloadStep::Receive { .. } => panic!("a file comes with its bytes"),
            DownloadStep::Block { file, head } => self.on_block(stream, file, head),
            DownloadStep::Skip { .. } => {
                self.streams.get_mut(&stream).unwrap().arriving = Some(ArrivingBytes::Skip);
            }
            DownloadStep::EndBlocks { file, digest } => self.end_blocks(stream, file, digest),
            DownloadStep::Mismatched { file, .. } => self.finish(&file, false),
            DownloadStep::Refused { file: RequestedFile::Unopened(file), .. } => {
                self.finish(&file, false);
            }
            DownloadStep::Refused { file: RequestedFile::Open(file), .. } => self.fail(file),
        }
    }

    /// The first request of a file, by its local data.
    fn begin(&mut self, job: &Job) -> (DownloadRequest<String, usize>, GetScope) {
        let name = job.name.clone();
        self.under_way.insert(name.clone());
        let distrusts = self.distrusted.contains(&name);
        let disk = self.disk(&name);
        let small = job.listed.filter(|size| *size <= BLOCK_BYTES && !distrusts);
        if let Some(size) = small {
            return match disk.published.as_ref().filter(|file| file.size == size) {
                Some(file) => {
                    let digest = file.manifest().digest();
                    DownloadRequest::whole_unless(name, digest)
                }
                None => DownloadRequest::whole(name),
            };
        }
        if disk.published.is_none() && disk.staging.is_none() && !distrusts {
            let first = BlockRange { first: 0, count: INITIAL_WINDOW_BLOCKS };
            return DownloadRequest::first_blocks(name, first);
        }
        DownloadRequest::manifest(name, distrusts)
    }

    fn request(
        &mut self,
        now: Millis,
        stream: StreamId,
        name: String,
        version: Option<Version>,
        (request, what): (DownloadRequest<String, usize>, GetScope),
    ) -> Bytes {
        self.next_request += 1;
        let id = self.next_request;
        let state = self.streams.get_mut(&stream).unwrap();
        let was_idle = state.requests.is_empty();
        state.requests.insert(id, request);
        if was_idle {
            state.listen(now);
        }
        Request::Get { name, version, what }.encode(id).unwrap().into()
    }
}

impl Peer for DownloadClient {
    fn on_incoming(&mut self, now: Millis, stream: StreamId, incoming: Incoming) {
        if self.end.is_some() {
            return;
        }
        let Some(state) = self.streams.get_mut(&stream) else { return };
        state.listen(now);
        match incoming {
            Incoming::Control { header, payload } => {
                let reply = Reply::decode(&header, &payload).unwrap();
                if matches!(reply, Reply::Pong { .. }) {
                    return;
                }
                let step = state.requests.on_reply(header.request, reply).unwrap();
                self.act(stream, header.request, step);
            }
            Incoming::BlockHead { request, head } => {
                let step = state.requests.on_block(request, head).unwrap();
                self.act(stream, request, step);
            }
            Incoming::BlockBytes { content, len } => self.on_bytes(stream, content, len),
            Incoming::BlockEnd { claimed } => self.on_block_end(stream, claimed),
            Incoming::File { request, head, bytes, claimed } => {
                let size = bytes.len() as u64;
                let step = state.requests.on_file(request, &head, size).unwrap();
                let DownloadStep::Receive { file, .. } = step else { panic!("{step:?}") };
                let blocks: Vec<u8> = bytes.first().copied().into_iter().collect();
                let file_here = ModelFile { size, blocks };
                if file_here.manifest().digest() != claimed {
                    self.distrusted.insert(file.clone());
                    return self.finish(&file, false);
                }
                if self.effect() {
                    self.disk(&file).published = Some(file_here);
                    self.finish(&file, true);
                }
            }
        }
        if let Some(state) = self.streams.get_mut(&stream) {
            state.listen(now);
        }
    }

    fn on_closed(&mut self, stream: StreamId) {
        if self.streams.contains_key(&stream) {
            self.end.get_or_insert(AttemptEnd::Cut);
        }
    }

    fn send(&mut self, now: Millis, stream: StreamId) -> Option<Bytes> {
        if self.end.is_some() {
            return None;
        }
        if let Some(bytes) = self.streams.get_mut(&stream)?.to_send.pop_front() {
            return Some(bytes);
        }
        for file in 0..self.open.len() {
            if let Some(ranges) = self.open[file].fetch.next(stream, INITIAL_WINDOW_BLOCKS) {
                self.open[file].ask(stream, &ranges);
                let OpenFile { name, remote, .. } = &self.open[file];
                let (name, version) = (name.clone(), remote.version);
                let get = DownloadRequest::blocks(file, version, ranges);
                return Some(self.request(now, stream, name, Some(version), get));
            }
        }
        let is_own = |file: &&OpenFile| file.stream == stream && !file.is_closed;
        let own = self.open.iter().filter(is_own).count();
        if !self.streams[&stream].requests.may_begin(own) {
            return None;
        }
        let job = self.queue.pop_front()?;
        let get = self.begin(&job);
        Some(self.request(now, stream, job.name, None, get))
    }

    fn wakes_at(&self) -> Option<Millis> {
        self.streams.values().map(ClientStream::wakes_at).min()
    }

    fn on_time(&mut self, now: Millis) {
        for state in self.streams.values_mut().filter(|state| state.wakes_at() <= now) {
            state.silent_since = now;
            match state.silence.on_limit() {
                SilenceAction::Ping => {
                    let ping = Request::Ping { payload: 0 }.encode(0).unwrap();
                    state.to_send.push_back(ping.into());
                }
                SilenceAction::Leave => self.end = Some(AttemptEnd::Silence),
            }
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some()
    }
}
