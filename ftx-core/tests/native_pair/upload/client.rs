//! A client that uploads files: the requests of an attempt, and a model of their driver.

use std::collections::BTreeMap;
use std::time::Duration;

use ftx_core::native::blocks::{Digest, PartialManifest};
use ftx_core::native::upload::{
    AnsweredUpload, ClaimedBlock, FileId, NextUpload, SentFile, StreamLimits, UploadEnd,
    UploadRequests, UploadStep,
};
use ftx_core::native::wire::{BlockHead, FileHead, Meta, Overwrite, Reply, Request, Token};
use ftx_core::native::{Silence, SilenceAction, StreamId};

use crate::files::{ModelFile, model_cv};
use crate::pair::{Bytes, Incoming, Millis, Peer, block_frame, file_frame};

/// How long a client waits for a silent server.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Requests that a connection may have open.
pub(crate) const MAX_REQUESTS: usize = 512;

/// A fault of the client or of the line to the server, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientFault {
    /// The block with this number is damaged on its way.
    Damage(u64),
    /// The block with this number is sent again, with other contents.
    Changed(u64),
    /// The `Commit` has the digest of another file.
    WrongCommit,
}

/// The silence of a connection, and its begin.
#[derive(Debug)]
struct Line {
    silence: Silence,
    since: Millis,
}

/// The time at which the silence reaches its limit.
fn limit_of(line: &Line) -> Millis {
    line.since + line.silence.limit().as_millis() as Millis
}

/// One attempt to upload files, whose names are their numbers.
#[derive(Debug)]
pub(crate) struct UploadClient {
    files: Vec<ModelFile>,
    requests: UploadRequests,
    begun: usize,
    next_request: u32,
    lines: BTreeMap<StreamId, Line>,
    pings: Vec<StreamId>,
    pub(crate) ends: BTreeMap<FileId, UploadEnd>,
    /// The steps that a driver reports, with their times.
    pub(crate) told: Vec<(Millis, UploadStep)>,
    /// When it left a silent server.
    pub(crate) left_at: Option<Millis>,
    pub(crate) fault: Option<ClientFault>,
    /// Blocks that were sent.
    sent: u64,
    is_cut: bool,
}

impl UploadClient {
    /// The request ids of an attempt begin behind those of all earlier ones.
    pub(crate) fn new(files: &[ModelFile], streams: &[StreamId], window: u64, first: u32) -> Self {
        let mut requests = UploadRequests::new(Overwrite::Replace);
        let max_requests = MAX_REQUESTS as u64;
        for stream in streams {
            requests.connect(*stream, StreamLimits { window, max_requests });
        }
        let line = |stream: &StreamId| (*stream, Line { silence: patience(false), since: 0 });
        Self {
            files: files.to_vec(),
            requests,
            begun: 0,
            next_request: first,
            lines: streams.iter().map(line).collect(),
            pings: Vec::new(),
            ends: BTreeMap::new(),
            told: Vec::new(),
            left_at: None,
            fault: None,
            sent: 0,
            is_cut: false,
        }
    }

    fn begin(&mut self, stream: StreamId, file: FileId, probe: bool) -> Bytes {
        let request = self.next_request;
        self.next_request += 1;
        let ModelFile { size, blocks } = self.files[file].clone();
        let (name, meta, overwrite) = (file.to_string(), Meta::default(), Overwrite::Replace);
        if blocks.len() > 1 {
            self.requests.offer(stream, request, file, PartialManifest::new(size), None);
            let run = Token([1; 16]);
            let offer = Request::Offer { name, size, meta, overwrite, run, source: None };
            return offer.encode(request).unwrap().into();
        }
        let digest = self.files[file].manifest().digest();
        let sent = SentFile { size, digest, meta };
        if probe {
            self.requests.check(stream, request, file, sent);
            return Request::Check { name, size, meta, digest }.encode(request).unwrap().into();
        }
        self.requests.put(stream, request, file, sent, None);
        let head = FileHead::Put { name, meta, overwrite };
        file_frame(request, &head, size, blocks.first().copied().unwrap_or(0), digest)
    }

    /// The frame of a block, unless the server has it.
    fn block(&mut self, request: u32, file: FileId, claim: ClaimedBlock) -> Option<Bytes> {
        let cv = self.files[file].cv(claim.index);
        if claim.theirs.is_some() {
            let hashed = self.requests.hashed(request, claim.index, cv).unwrap();
            if hashed.is_none_or(|hashed| hashed.skips()) {
                return None;
            }
        }
        assert_eq!(self.requests.sent(request, claim.index, cv), Ok(false));
        let content = self.files[file].blocks[claim.index as usize];
        let head = BlockHead { index: claim.index, len: claim.len };
        self.sent += 1;
        let is_damaged = self.fault == Some(ClientFault::Damage(self.sent));
        let mut frame = block_frame(request, head, if is_damaged { !content } else { content }, cv);
        if self.fault == Some(ClientFault::Changed(self.sent)) {
            let other = model_cv(self.files[file].size, claim.index, !content);
            frame.append(block_frame(request, head, !content, other));
        }
        Some(frame)
    }
}

/// The digest of some other file.
pub(crate) fn other(digest: Digest) -> Digest {
    Digest(digest.0.map(|byte| !byte))
}

fn patience(is_owed: bool) -> Silence {
    Silence::new(TIMEOUT, is_owed)
}

impl Peer for UploadClient {
    fn on_incoming(&mut self, now: Millis, stream: StreamId, incoming: Incoming) {
        let Incoming::Control { header, payload } = incoming else { panic!("{incoming:?}") };
        let reply = Reply::decode(&header, &payload).unwrap();
        let answered = self.requests.on_reply(stream, header.request, reply).unwrap();
        let silence = patience(!self.requests.owed(stream).is_none());
        self.lines.insert(stream, Line { silence, since: now });
        let Some(AnsweredUpload { file, step, .. }) = answered else { return };
        if let UploadStep::Ended(end) = &step {
            assert!(self.ends.insert(file, end.clone()).is_none(), "{file} ends twice");
        }
        if !matches!(step, UploadStep::Nothing) {
            self.told.push((now, step));
        }
    }

    fn on_closed(&mut self, _: StreamId) {
        self.is_cut = true;
    }

    fn send(&mut self, now: Millis, stream: StreamId) -> Option<Bytes> {
        if let Some(at) = self.pings.iter().position(|ping| *ping == stream) {
            self.pings.remove(at);
            return Some(Request::Ping { payload: 0 }.encode(0).unwrap().into());
        }
        let was_owed = !self.requests.owed(stream).is_none();
        let bytes = loop {
            match self.requests.next(stream) {
                NextUpload::Abandon { request } => {
                    break Request::Abandon { discard: false }.encode(request).unwrap().into();
                }
                NextUpload::Commit { request, .. } => {
                    let mut digest = self.requests.commit(request).unwrap();
                    if self.fault == Some(ClientFault::WrongCommit) {
                        digest = other(digest);
                    }
                    break Request::Commit { digest }.encode(request).unwrap().into();
                }
                NextUpload::Block { request, file, claim } => {
                    if let Some(frame) = self.block(request, file, claim) {
                        break frame;
                    }
                }
                NextUpload::Wanted(file) => break self.begin(stream, file, false),
                NextUpload::File { probe } if self.begun < self.files.len() => {
                    self.begun += 1;
                    break self.begin(stream, self.begun - 1, probe);
                }
                NextUpload::File { .. } | NextUpload::Wait => return None,
            }
        };
        if !was_owed {
            self.lines.insert(stream, Line { silence: patience(true), since: now });
        }
        Some(bytes)
    }

    fn wakes_at(&self) -> Option<Millis> {
        self.lines.values().map(limit_of).min()
    }

    fn on_time(&mut self, now: Millis) {
        for (stream, line) in &mut self.lines {
            if limit_of(line) <= now {
                line.since = now;
                match line.silence.on_limit() {
                    SilenceAction::Ping => self.pings.push(*stream),
                    SilenceAction::Leave => self.left_at = Some(now),
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.is_cut || self.left_at.is_some() || self.ends.len() == self.files.len()
    }
}
