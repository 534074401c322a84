//! A client: one attempt of one upload, over several connections.

use ftx_core::native::StreamId;
use ftx_core::native::blocks::{Digest, PartialManifest, block_len};
use ftx_core::native::upload::{
    AnsweredUpload, ClaimedBlock, NextUpload, StreamLimits, UploadEnd, UploadRequests, UploadStep,
};
use ftx_core::native::wire::Overwrite;

use super::disk::{File, cv};
use super::faults::{Crash, Faults, Side};
use super::server::{Connection, Item, Server};

/// Far more than an attempt takes.
const MAX_STEPS: u32 = 100_000;

/// The end of an attempt, unless a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Failed,
    /// A connection is gone.
    Cut,
}

/// The counters of all attempts.
#[derive(Debug, Default)]
pub(crate) struct Account {
    next_stream: StreamId,
    next_request: u32,
    /// Sent blocks, including repeated ones.
    pub(crate) sent: u64,
    /// Connections that were lost, or whose upload ended early.
    pub(crate) lost: u64,
}

pub(crate) struct Client<'a> {
    file: &'a File,
    window: u64,
    requests: UploadRequests,
    request: u32,
    streams: Vec<StreamId>,
    account: &'a mut Account,
}

impl<'a> Client<'a> {
    pub(crate) fn new(file: &'a File, window: u64, account: &'a mut Account) -> Self {
        account.next_request += 1;
        Self {
            requests: UploadRequests::new(Overwrite::Replace),
            window,
            file,
            request: account.next_request,
            streams: Vec::new(),
            account,
        }
    }

    fn connect(&mut self, server: &mut Server) -> StreamId {
        self.account.next_stream += 1;
        let (stream, window) = (self.account.next_stream, self.window);
        server.connections.insert(stream, Connection::default());
        self.requests.connect(stream, StreamLimits { window, max_requests: 16 });
        stream
    }

    /// Makes one attempt. Its connections are gone afterwards, which the server notices later.
    pub(crate) fn run(
        mut self,
        streams: usize,
        server: &mut Server,
        faults: &mut Faults,
    ) -> Result<End, Crash> {
        self.streams = (0..streams).map(|_| self.connect(server)).collect();
        let end = self.steps(server, faults);
        for stream in self.streams.clone() {
            self.hang_up(stream, server, faults);
        }
        self.account.lost += if matches!(end, Ok(End::Done)) { 0 } else { streams as u64 };
        end
    }

    fn steps(&mut self, server: &mut Server, faults: &mut Faults) -> Result<End, Crash> {
        let (home, size) = (self.streams[0], self.file.size);
        self.requests.offer(home, self.request, 0, PartialManifest::new(size), None);
        self.send(home, Item::Offer { request: self.request, size }, server, faults)?;
        for _ in 0..MAX_STEPS {
            let stream = self.streams[faults.below(self.streams.len())];
            match faults.below(20) {
                0 if faults.cuts > 0 => {
                    faults.cuts -= 1;
                    return Ok(End::Cut);
                }
                1..=7 => self.message(stream, server, faults)?,
                8..=12 => {
                    if let Some(end) = self.answer(stream, server, faults) {
                        return Ok(end);
                    }
                }
                // Also connections of earlier attempts.
                _ => {
                    let all: Vec<StreamId> = server.connections.keys().copied().collect();
                    let stream = all[faults.below(all.len())];
                    server.deliver(stream, faults)?;
                }
            }
        }
        panic!("the upload stands still: {:?}", self.requests);
    }

    fn send(
        &mut self,
        on: StreamId,
        item: Item,
        server: &mut Server,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        faults.effect(Side::Client)?;
        if let Some(connection) = server.connections.get_mut(&on) {
            connection.to_server.push_back(item);
        }
        Ok(())
    }

    fn message(
        &mut self,
        on: StreamId,
        server: &mut Server,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        match self.requests.next(on) {
            NextUpload::Block { claim, .. } => self.block(on, claim, server, faults),
            NextUpload::Commit { request, .. } => {
                let mut digest = self.requests.commit(request).unwrap();
                assert_eq!(digest, self.file.manifest().digest());
                if std::mem::take(&mut faults.wrong_commit) {
                    digest = other(digest);
                }
                self.send(on, Item::Commit { request, digest }, server, faults)
            }
            NextUpload::File { .. } | NextUpload::Wait => Ok(()),
            next => panic!("{next:?}"),
        }
    }

    fn block(
        &mut self,
        on: StreamId,
        claim: ClaimedBlock,
        server: &mut Server,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        let (size, index, request) = (self.file.size, claim.index, self.request);
        let content = self.file.blocks[usize::try_from(index).unwrap()];
        let cv = cv(size, index, [content; 2]);
        let skips = |requests: &mut UploadRequests| {
            requests.hashed(request, index, cv).unwrap().unwrap().skips()
        };
        if claim.theirs.is_some() && skips(&mut self.requests) {
            return Ok(());
        }
        self.account.sent += 1;
        assert_eq!(claim.len, block_len(size, index));
        let second = if faults.damages_next() { !content } else { content };
        self.send(on, Item::Begin { request, index, len: claim.len }, server, faults)?;
        self.send(on, Item::Half { which: 0, content }, server, faults)?;
        self.send(on, Item::Half { which: 1, content: second }, server, faults)?;
        assert_eq!(self.requests.sent(request, index, cv), Ok(false));
        self.send(on, Item::End { cv }, server, faults)
    }

    fn answer(&mut self, on: StreamId, server: &mut Server, faults: &mut Faults) -> Option<End> {
        let (request, reply) = server.connections.get_mut(&on)?.to_client.pop_front()?;
        let AnsweredUpload { step, .. } = self.requests.on_reply(on, request, reply).unwrap()?;
        match step {
            UploadStep::Ended(UploadEnd::Done { .. }) => {
                assert!(!faults.has_lied, "it believes that another file is stored");
                Some(End::Done)
            }
            UploadStep::Ended(UploadEnd::OtherStored) => {
                assert!(std::mem::take(&mut faults.has_lied), "the server has said the truth");
                Some(End::Failed)
            }
            UploadStep::Ended(UploadEnd::Refused(_)) => Some(End::Failed),
            UploadStep::Nothing | UploadStep::Begun { .. } | UploadStep::Stored { .. } => None,
            step => panic!("{step:?}"),
        }
    }

    /// Some of the bytes on their way still arrive later.
    fn hang_up(&self, stream: StreamId, server: &mut Server, faults: &mut Faults) {
        if let Some(connection) = server.connections.get_mut(&stream) {
            let left = faults.below(connection.to_server.len() + 1);
            connection.to_server.truncate(left);
            connection.to_server.push_back(Item::Lost);
        }
    }
}

/// The digest of some other file.
pub(crate) fn other(digest: Digest) -> Digest {
    Digest(digest.0.map(|byte| !byte))
}
