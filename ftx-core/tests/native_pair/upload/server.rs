//! A server of uploads: a [`Receiver`] for each, and a model of its driver and its disk.

use std::collections::{BTreeMap, VecDeque};

use ftx_core::native::blocks::{Cv, Digest, block_count, block_len};
use ftx_core::native::upload::{BlockAction, Completed, Receiver};
use ftx_core::native::wire::{BlockHead, FileHead, Reply, Request};
use ftx_core::native::{Granule, Reason, StreamId};

use super::client::other;
use crate::files::{ModelDisk, ModelFile, ModelStaging};
use crate::pair::{Bytes, Incoming, Millis, Peer};

/// The pause between two heartbeats.
const HEARTBEAT: Millis = 1_000;

/// A block whose frame has begun.
#[derive(Debug)]
struct Arriving {
    request: u32,
    head: BlockHead,
    /// `None` if the upload is unknown: the block is discarded without an answer.
    action: Option<BlockAction>,
    offset: u64,
}

#[derive(Debug)]
struct Upload {
    name: String,
    home: StreamId,
    receiver: Receiver,
    staging: ModelStaging,
    /// Blocks of granules that are not complete.
    part: BTreeMap<u64, Cv>,
}

/// An answer that is due later. Until then the server sends heartbeats.
#[derive(Debug)]
struct Late {
    to: (StreamId, u32),
    at: Millis,
    heartbeat: Millis,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Begin { name: String, size: u64 },
    Publish(Digest),
}

#[derive(Debug)]
pub(crate) struct UploadServer {
    pub(crate) granule: Granule,
    /// The most unanswered bytes of a connection.
    pub(crate) window: u64,
    pub(crate) disks: BTreeMap<String, ModelDisk>,
    /// How long an offer waits for another run.
    pub(crate) wait: Millis,
    /// How long it takes to publish a file.
    pub(crate) publish: Millis,
    /// The next `Done` has the digest of another file.
    pub(crate) lies: bool,
    /// Unanswered bytes that a client may have beyond the window.
    pub(crate) slack: u64,
    /// Blocks that have arrived.
    pub(crate) blocks: u64,
    uploads: BTreeMap<u32, Upload>,
    arriving: BTreeMap<StreamId, Arriving>,
    unanswered: BTreeMap<StreamId, u64>,
    late: Vec<Late>,
    out: BTreeMap<StreamId, VecDeque<Bytes>>,
}

impl UploadServer {
    pub(crate) fn new(granule: Granule) -> Self {
        Self {
            granule,
            window: granule.min_window_bytes(),
            disks: BTreeMap::new(),
            wait: 0,
            publish: 0,
            lies: false,
            slack: 0,
            blocks: 0,
            uploads: BTreeMap::new(),
            arriving: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            late: Vec::new(),
            out: BTreeMap::new(),
        }
    }

    fn answer(&mut self, (to, request): (StreamId, u32), reply: &Reply) {
        let bytes = reply.encode(request).unwrap().into();
        self.out.entry(to).or_default().push_back(bytes);
    }

    fn late(&mut self, to: (StreamId, u32), now: Millis, delay: Millis, work: Work) {
        if delay == 0 {
            return self.work(to, work);
        }
        self.late.push(Late { to, at: now + delay, heartbeat: now + HEARTBEAT, work });
    }

    fn work(&mut self, to: (StreamId, u32), work: Work) {
        match work {
            Work::Begin { name, size } => self.begin(to, name, size),
            Work::Publish(digest) => self.publish(to, digest),
        }
    }

    fn on_request(&mut self, now: Millis, to: (StreamId, u32), request: Request) {
        match request {
            Request::Offer { name, size, .. } => {
                if self.wait > 0 {
                    self.answer(to, &Reply::Waiting);
                }
                self.late(to, now, self.wait, Work::Begin { name, size });
            }
            Request::Commit { digest } => self.late(to, now, self.publish, Work::Publish(digest)),
            Request::Check { name, digest, .. } => {
                let published = self.disks.get(&name).and_then(|disk| disk.published.as_ref());
                let is_there = published.is_some_and(|file| file.manifest().digest() == digest);
                let done = Reply::Done { digest, unchanged: true };
                self.answer(to, if is_there { &done } else { &Reply::Wanted });
            }
            Request::Ping { payload } => self.answer(to, &Reply::Pong { payload }),
            Request::Abandon { .. } => self.fail(to.1, Reason::Cancelled),
            other => panic!("{other:?}"),
        }
    }

    /// There is one writer of a name, so the last offer takes over.
    fn begin(&mut self, to: (StreamId, u32), name: String, size: u64) {
        let before = self.uploads.iter().find(|(_, upload)| upload.name == name);
        if let Some(before) = before.map(|(request, _)| *request) {
            self.fail(before, Reason::TakenOver);
        }
        let disk = self.disks.entry(name.clone()).or_default();
        let staging = disk.staging.take().filter(|staging| staging.size() == size);
        let staging = staging.unwrap_or_else(|| ModelStaging::new(size));
        let published = disk.published.as_ref().map(|file| (&file.manifest()).into());
        let receiver = Receiver::new(staging.block_map(), published.as_ref());
        for page in receiver.have().collect::<Vec<_>>() {
            self.answer(to, &Reply::Have { first: page.first, blocks: page.blocks });
        }
        let (resumed, granule) = (receiver.resumed(), self.granule);
        let (home, part) = (to.0, BTreeMap::new());
        self.uploads.insert(to.1, Upload { name, home, receiver, staging, part });
        self.answer(to, &Reply::Ready { resumed, granule });
    }

    /// Keeps the staging for a later offer.
    fn fail(&mut self, request: u32, reason: Reason) {
        let Some(upload) = self.uploads.remove(&request) else { return };
        self.answer((upload.home, request), &Reply::failed(reason, "no"));
        self.disks.entry(upload.name).or_default().staging = Some(upload.staging);
    }

    fn on_block_head(&mut self, stream: StreamId, request: u32, head: BlockHead) {
        let unanswered = self.unanswered.entry(stream).or_default();
        *unanswered += head.len;
        assert!(*unanswered <= self.window + self.slack, "the client exceeds the window");
        let action = self.uploads.get_mut(&request).map(|upload| {
            let action = upload.receiver.accept(stream, head.index, head.len).unwrap();
            if action == BlockAction::Write {
                upload.staging.forget(head.index);
            }
            action
        });
        self.arriving.insert(stream, Arriving { request, head, action, offset: 0 });
    }

    fn on_block_bytes(&mut self, stream: StreamId, content: u8, len: u64) {
        let arriving = self.arriving.get_mut(&stream).unwrap();
        let index = arriving.head.index;
        if arriving.action == Some(BlockAction::Write)
            && let Some(upload) = self.uploads.get_mut(&arriving.request)
        {
            upload.staging.write(index, arriving.offset, content, len);
        }
        arriving.offset += len;
    }

    fn on_block_end(&mut self, stream: StreamId, claimed: Cv) {
        let Arriving { request, head, .. } = self.arriving.remove(&stream).unwrap();
        self.blocks += 1;
        let index = head.index;
        let Some(upload) = self.uploads.get_mut(&request) else { return };
        let computed = upload.staging.computed(index).unwrap_or(claimed);
        let completed = match upload.receiver.complete(stream, computed, claimed) {
            Ok(completed) => completed,
            Err(error) => return self.fail(request, error.reason()),
        };
        assert_eq!(completed, Completed::Journal, "a client sends a block once");
        upload.part.insert(index, claimed);
        let granule = self.granule.around(index, block_count(upload.staging.size()));
        let (first, end) = (granule.first, granule.end());
        if index + 1 < end {
            return;
        }
        // The blocks of a granule come on one connection, in order.
        assert_eq!(upload.part.range(first..end).count() as u64, granule.count);
        for index in first..end {
            upload.staging.stored(index, upload.part[&index]);
        }
        let (size, unanswered) =
            (upload.staging.size(), self.unanswered.entry(stream).or_default());
        for index in first..end {
            *unanswered -= block_len(size, index);
        }
        for index in first..end {
            self.answer((stream, request), &Reply::Stored { index });
        }
    }

    fn publish(&mut self, to: (StreamId, u32), digest: Digest) {
        let Some(upload) = self.uploads.get_mut(&to.1) else { return };
        let copy = match upload.receiver.commit(digest) {
            Ok(copy) => copy,
            Err(error) => return self.fail(to.1, error.reason()),
        };
        let Some(mut upload) = self.uploads.remove(&to.1) else { return };
        let disk = self.disks.entry(upload.name).or_default();
        let size = upload.staging.size();
        for index in copy.iter().flat_map(|range| range.first..range.end()) {
            let content = disk.published.as_ref().unwrap().blocks[index as usize];
            let len = block_len(size, index);
            upload.staging.write(index, 0, content, len);
        }
        let file = upload.staging.publish();
        assert_eq!(file.manifest().digest(), digest);
        let unchanged = disk.published.replace(file.clone()) == Some(file);
        let lies = std::mem::take(&mut self.lies);
        let digest = if lies { other(digest) } else { digest };
        self.answer(to, &Reply::Done { digest, unchanged });
    }

    fn put(&mut self, to: (StreamId, u32), name: String, bytes: &[u8], claimed: Digest) {
        let blocks = bytes.first().map(|content| vec![*content]).unwrap_or_default();
        let file = ModelFile { size: bytes.len() as u64, blocks };
        assert_eq!(file.manifest().digest(), claimed);
        let disk = self.disks.entry(name).or_default();
        let unchanged = disk.published.replace(file.clone()) == Some(file);
        self.answer(to, &Reply::Done { digest: claimed, unchanged });
    }
}

impl Peer for UploadServer {
    fn on_incoming(&mut self, now: Millis, stream: StreamId, incoming: Incoming) {
        match incoming {
            Incoming::Control { header, payload } => {
                let request = Request::decode(&header, &payload).unwrap();
                self.on_request(now, (stream, header.request), request);
            }
            Incoming::BlockHead { request, head } => self.on_block_head(stream, request, head),
            Incoming::BlockBytes { content, len } => self.on_block_bytes(stream, content, len),
            Incoming::BlockEnd { claimed } => self.on_block_end(stream, claimed),
            Incoming::File { request, head, bytes, claimed } => {
                let FileHead::Put { name, .. } = head else { panic!("{head:?}") };
                self.put((stream, request), name, &bytes, claimed);
            }
        }
    }

    fn on_closed(&mut self, stream: StreamId) {
        self.arriving.remove(&stream);
        self.late.retain(|late| late.to.0 != stream);
        for upload in self.uploads.values_mut() {
            upload.receiver.lost(stream);
        }
        let own = self.uploads.iter().filter(|(_, upload)| upload.home == stream);
        for request in own.map(|(request, _)| *request).collect::<Vec<_>>() {
            self.fail(request, Reason::ConnectionLost);
        }
    }

    fn send(&mut self, _: Millis, stream: StreamId) -> Option<Bytes> {
        self.out.get_mut(&stream)?.pop_front()
    }

    fn wakes_at(&self) -> Option<Millis> {
        self.late.iter().map(|late| late.at.min(late.heartbeat)).min()
    }

    fn on_time(&mut self, now: Millis) {
        let due: Vec<Late> = self.late.extract_if(.., |late| late.at <= now).collect();
        for late in due {
            self.work(late.to, late.work);
        }
        let mut beats = Vec::new();
        for late in &mut self.late {
            if late.heartbeat <= now {
                late.heartbeat = now + HEARTBEAT;
                beats.push(late.to);
            }
        }
        for to in beats {
            self.answer(to, &Reply::Working { done: 0, total: 0 });
        }
    }
}
