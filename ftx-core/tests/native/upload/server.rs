//! A server: its disk, one upload at a time, and the messages on their way on each connection.

use std::collections::{BTreeMap, VecDeque};

use ftx_core::native::StreamId;
use ftx_core::native::blocks::{Cv, Digest, PartialManifest};
use ftx_core::native::upload::{BlockAction, Completed, HavePage, Receiver};

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

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Have(HavePage),
    Ready,
    Stored(u64),
    Done(Digest),
    Failed,
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
    pub(crate) to_client: VecDeque<Answer>,
    arriving: Option<Arriving>,
}

#[derive(Debug)]
struct Upload {
    request: u32,
    home: StreamId,
    receiver: Receiver,
}

#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) disk: Disk,
    pub(crate) connections: BTreeMap<StreamId, Connection>,
    upload: Option<Upload>,
}

impl Server {
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

    fn answer(&mut self, to: StreamId, answer: Answer, faults: &mut Faults) -> Result<(), Crash> {
        faults.effect(Side::Server)?;
        if let Some(connection) = self.connections.get_mut(&to) {
            connection.to_client.push_back(answer);
        }
        Ok(())
    }

    fn fail(&mut self, faults: &mut Faults) -> Result<(), Crash> {
        match self.upload.take() {
            Some(upload) => self.answer(upload.home, Answer::Failed, faults),
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
            self.answer(stream, Answer::Have(page), faults)?;
        }
        self.upload = Some(Upload { request, home: stream, receiver });
        self.answer(stream, Answer::Ready, faults)
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
        assert_eq!(halves[0], halves[1]);
        let computed = cv(self.disk.staging_size, index, halves[0]);
        let Some(receiver) = self.receiver(request) else { return Ok(()) };
        match receiver.complete(stream, computed, claimed) {
            Ok(Completed::Journal) => {
                faults.effect(Side::Server)?;
                self.disk.journal.push(Record::Block { index, cv: computed });
                self.answer(stream, Answer::Stored(index), faults)
            }
            Ok(Completed::AlreadyStored) => self.answer(stream, Answer::Stored(index), faults),
            Ok(Completed::Discarded) => Ok(()),
            Err(error) => panic!("{error}"),
        }
    }

    fn commit(
        &mut self,
        stream: StreamId,
        request: u32,
        digest: Digest,
        faults: &mut Faults,
    ) -> Result<(), Crash> {
        let Some(receiver) = self.receiver(request) else { return Ok(()) };
        let copy = receiver.commit(digest).unwrap();
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
                let cv = cv(self.disk.staging_size, index, content);
                faults.effect(Side::Server)?;
                self.disk.journal.push(Record::Block { index, cv });
            }
            faults.effect(Side::Server)?;
            self.disk.publish();
        }
        self.upload = None;
        self.answer(stream, Answer::Done(digest), faults)
    }
}
