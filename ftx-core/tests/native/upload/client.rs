//! A client: one attempt of one upload, over several connections.

use ftx_core::native::StreamId;
use ftx_core::native::blocks::block_len;
use ftx_core::native::upload::{SendDecision, Sender};

use super::disk::{File, cv};
use super::faults::{Crash, Faults, Side};
use super::server::{Answer, Connection, Item, Server};

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
    sender: Sender,
    request: u32,
    streams: Vec<StreamId>,
    commit_sent: bool,
    account: &'a mut Account,
}

impl<'a> Client<'a> {
    pub(crate) fn new(file: &'a File, window: u64, account: &'a mut Account) -> Self {
        account.next_request += 1;
        Self {
            sender: Sender::new(file.size, window),
            file,
            request: account.next_request,
            streams: Vec::new(),
            commit_sent: false,
            account,
        }
    }

    fn connect(&mut self, server: &mut Server) -> StreamId {
        self.account.next_stream += 1;
        server.connections.insert(self.account.next_stream, Connection::default());
        self.account.next_stream
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
        let offer = Item::Offer { request: self.request, size: self.file.size };
        self.send(self.streams[0], offer, server, faults)?;
        for _ in 0..MAX_STEPS {
            let stream = self.streams[faults.below(self.streams.len())];
            match faults.below(20) {
                0 if faults.cuts > 0 => {
                    faults.cuts -= 1;
                    return Ok(End::Cut);
                }
                1..=7 => self.block(stream, server, faults)?,
                8..=12 => {
                    if let Some(end) = self.answer(stream, server)? {
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
            if !self.commit_sent
                && let Some(digest) = self.sender.all_stored()
            {
                self.commit_sent = true;
                let commit = Item::Commit { request: self.request, digest };
                self.send(self.streams[0], commit, server, faults)?;
            }
        }
        panic!("the upload stands still: {:?}", self.sender);
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

    fn block(
        &mut self,
        on: StreamId,
        server: &mut Server,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        let Some(claim) = self.sender.claim(on) else { return Ok(()) };
        let (size, index, request) = (self.file.size, claim.index, self.request);
        let content = self.file.blocks[usize::try_from(index).unwrap()];
        let cv = cv(size, index, content);
        if claim.theirs.is_some() && self.sender.hashed(index, cv).unwrap() == SendDecision::Skip {
            return Ok(());
        }
        self.account.sent += 1;
        assert_eq!(claim.len, block_len(size, index));
        self.send(on, Item::Begin { request, index, len: claim.len }, server, faults)?;
        self.send(on, Item::Half { which: 0, content }, server, faults)?;
        self.send(on, Item::Half { which: 1, content }, server, faults)?;
        self.sender.sent(index, cv).unwrap();
        self.send(on, Item::End { cv }, server, faults)
    }

    fn answer(&mut self, on: StreamId, server: &mut Server) -> Result<Option<End>, Crash> {
        let connection = server.connections.get_mut(&on);
        match connection.and_then(|connection| connection.to_client.pop_front()) {
            Some(Answer::Have(page)) => self.sender.have(page.first, &page.blocks).unwrap(),
            Some(Answer::Ready) => self.sender.ready().unwrap(),
            Some(Answer::Stored(index)) => self.sender.stored(on, index).unwrap(),
            Some(Answer::Done(digest)) => {
                assert_eq!(digest, self.file.manifest().digest());
                return Ok(Some(End::Done));
            }
            Some(Answer::Failed) => return Ok(Some(End::Failed)),
            None => {}
        }
        Ok(None)
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
