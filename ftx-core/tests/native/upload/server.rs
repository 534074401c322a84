//! A server: its disk, one upload at a time, and the messages on their way on each connection.

use std::collections::{BTreeMap, VecDeque};

use ftx_core::native::blocks::{Cv, Digest, PartialManifest, block_count};
use ftx_core::native::upload::{BlockAction, Completed, ReceiveError, Receiver};
use ftx_core::native::wire::Reply;
use ftx_core::native::{Granule, Reason, StreamId};

use super::client::other;
use super::disk::{Disk, File, Record, cv};
use super::faults::{Crash, Faults, Side};

/// A client's message. A block is several of them, so that a connection can be cut within one.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Offer { request: u32, size: u64 },
    Begin { request: u32, index: u64, len: u64 },
    Half { which: usize, content: u8 },
    End { cv: Cv },
    Commit { request: u32, digest: Digest },
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Arriving {
    request: u32,
    index: u64,
    halves: [u8; 2],
    action: BlockAction,
}

#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) to_server: VecDeque<Item>,
    /// Replies, each with its request.
    pub(crate) to_client: VecDeque<(u32, Reply)>,
    arriving: Option<Arriving>,
}

#[derive(Debug)]
struct Upload {
    request: u32,
    home: StreamId,
    receiver: Receiver,
    /// Blocks of granules that are not complete.
    part: BTreeMap<u64, Cv>,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) granule: Granule,
    pub(crate) disk: Disk,
    pub(crate) connections: BTreeMap<StreamId, Connection>,
    upload: Option<Upload>,
}

impl Server {
    pub(crate) fn new(granule: Granule, published: Option<File>) -> Self {
        let disk = Disk { published, ..Disk::default() };
        Self { granule, disk, connections: BTreeMap::new(), upload: None }
    }

    /// The process ends; the disk is as it is.
    pub(crate) fn crash(&mut self) {
        self.connections.clear();
        self.upload = None;
    }

    /// Takes the next message of a connection.
    pub(crate) fn deliver(&mut self, stream: StreamId, faults: &mut Faults) -> Result<(), Crash> {
        let connection = self.connections.get_mut(&stream);
        let Some(item) = connection.and_then(|connection| connection.to_server.pop_front()) else {
            return Ok(());
        };
        match item {
            Item::Offer { request, size } => self.offer(stream, request, size, faults),
            Item::Begin { request, index, len } => self.begin(stream, request, index, len, faults),
            Item::Half { which, content } => self.half(stream, which, content, faults),
            Item::End { cv } => self.end(stream, cv, faults),
            Item::Commit { request, digest } => self.commit(stream, request, digest, faults),
            Item::Lost => {
                self.connections.remove(&stream);
                if let Some(upload) = &mut self.upload {
                    upload.receiver.lost(stream);
                }
                self.upload.take_if(|upload| upload.home == stream);
                Ok(())
            }
        }
    }

    fn answer(
        &mut self,
        (to, request): (StreamId, u32),
        reply: Reply,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        faults.effect(Side::Server)?;
        if let Some(connection) = self.connections.get_mut(&to) {
            connection.to_client.push_back((request, reply));
        }
        Ok(())
    }

    fn fail(&mut self, faults: &mut Faults) -> Result<(), Crash> {
        match self.upload.take() {
            Some(upload) => {
                let failed = Reply::failed(Reason::IoError, "no");
                self.answer((upload.home, upload.request), failed, faults)
            }
            None => Ok(()),
        }
    }

    /// The receiver of an open request.
    fn receiver(&mut self, request: u32) -> Option<&mut Receiver> {
        let upload = self.upload.as_mut().filter(|upload| upload.request == request);
        upload.map(|upload| &mut upload.receiver)
    }

    /// There is one writer, so the last offer takes over.
    fn offer(
        &mut self,
        stream: StreamId,
        request: u32,
        size: u64,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        self.fail(faults)?;
        faults.effect(Side::Server)?;
        self.disk.stage(size);
        let published = self.disk.published.as_ref();
        let published = published.map(|file| PartialManifest::from(&file.manifest()));
        let receiver = Receiver::new(self.disk.table(), published.as_ref());
        for page in receiver.have().collect::<Vec<_>>() {
            let have = Reply::Have { first: page.first, blocks: page.blocks };
            self.answer((stream, request), have, faults)?;
        }
        self.upload = Some(Upload { request, home: stream, receiver, part: BTreeMap::new() });
        let ready = Reply::Ready { resumed: 0, granule: self.granule };
        self.answer((stream, request), ready, faults)
    }

    fn begin(
        &mut self,
        stream: StreamId,
        request: u32,
        index: u64,
        len: u64,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        let mut action = BlockAction::Discard;
        if let Some(receiver) = self.receiver(request) {
            action = receiver.accept(stream, index, len).unwrap();
            if action == BlockAction::Write && self.disk.table().get(index).is_some() {
                faults.effect(Side::Server)?;
                self.disk.journal.push(Record::Forget { index });
            }
        }
        let connection = self.connections.get_mut(&stream).unwrap();
        connection.arriving = Some(Arriving { request, index, halves: [0; 2], action });
        Ok(())
    }

    fn half(
        &mut self,
        stream: StreamId,
        which: usize,
        content: u8,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        let connection = self.connections.get_mut(&stream).unwrap();
        let arriving = connection.arriving.as_mut().unwrap();
        arriving.halves[which] = content;
        let (request, index, action) = (arriving.request, arriving.index, arriving.action);
        if self.receiver(request).is_none() || action == BlockAction::Discard {
            return Ok(());
        }
        faults.effect(Side::Server)?;
        if faults.disk_is_full() {
            return self.fail(faults);
        }
        self.disk.data.entry(index).or_default()[which] = content;
        Ok(())
    }

    fn end(&mut self, stream: StreamId, claimed: Cv, faults: &mut Faults) -> Result<(), Crash> {
        let connection = self.connections.get_mut(&stream).unwrap();
        let Arriving { request, index, halves, .. } = *connection.arriving.as_ref().unwrap();
        let computed = cv(self.disk.staging_size, index, halves);
        let Some(receiver) = self.receiver(request) else { return Ok(()) };
        match receiver.complete(stream, computed, claimed) {
            Ok(Completed::Journal) => self.journal((stream, request), index, computed, faults),
            Ok(Completed::AlreadyStored) => {
                self.answer((stream, request), Reply::Stored { index }, faults)
            }
            Ok(Completed::Discarded) => Ok(()),
            Err(ReceiveError::Mismatch(_)) => {
                assert!(halves[0] != halves[1], "it arrived as it was sent");
                self.fail(faults)
            }
            Err(ReceiveError::Changed { .. }) => self.fail(faults),
            Err(error) => panic!("{error}"),
        }
    }

    /// A granule is journaled, and answered, when it is complete.
    fn journal(
        &mut self,
        (stream, request): (StreamId, u32),
        index: u64,
        cv: Cv,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        let granule = self.granule.around(index, block_count(self.disk.staging_size));
        let part = &mut self.upload.as_mut().unwrap().part;
        part.insert(index, cv);
        let own: Vec<_> =
            part.range(granule.first..granule.end()).map(|(i, cv)| (*i, *cv)).collect();
        if own.len() as u64 == granule.count {
            for &(index, cv) in &own {
                faults.effect(Side::Server)?;
                self.disk.journal.push(Record::Block { index, cv });
            }
            for (index, _) in own {
                self.answer((stream, request), Reply::Stored { index }, faults)?;
            }
        }
        Ok(())
    }

    fn commit(
        &mut self,
        stream: StreamId,
        request: u32,
        digest: Digest,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        let Some(receiver) = self.receiver(request) else { return Ok(()) };
        let copy = match receiver.commit(digest) {
            Ok(copy) => copy,
            Err(ReceiveError::DigestMismatch { .. }) => return self.fail(faults),
            Err(error) => panic!("{error}"),
        };
        let published = self.disk.published.as_ref().map(File::manifest);
        let unchanged = published.as_ref().is_some_and(|published| published.digest() == digest);
        if !unchanged {
            for index in copy.iter().flat_map(|range| range.first..range.end()) {
                let at = usize::try_from(index).unwrap();
                let content = self.disk.published.as_ref().unwrap().blocks[at];
                faults.effect(Side::Server)?;
                if faults.disk_is_full() {
                    return self.fail(faults);
                }
                self.disk.data.insert(index, [content; 2]);
                let cv = cv(self.disk.staging_size, index, [content; 2]);
                faults.effect(Side::Server)?;
                self.disk.journal.push(Record::Block { index, cv });
            }
            faults.effect(Side::Server)?;
            self.disk.publish();
        }
        let stored = self.disk.published.as_ref().unwrap().manifest().digest();
        assert_eq!(stored, digest, "another file is published than was committed");
        self.upload = None;
        let lies = std::mem::take(&mut faults.wrong_done);
        faults.has_lied |= lies;
        let digest = if lies { other(digest) } else { digest };
        self.answer((stream, request), Reply::Done { digest, unchanged }, faults)
    }
}
