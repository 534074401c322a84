//! A server: its disks, and the answers on their way on each connection.

mod answer;

use std::collections::{BTreeMap, VecDeque};

use ftx_core::native::StreamId;
use ftx_core::native::wire::Request;

use crate::files::ModelFile;
use crate::pair::{Bytes, Incoming, Millis, Peer};

use answer::Answer;

/// Where the server is not to be believed, once. The number counts the frames in question from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A block, or a small file, is damaged on its way: its hash is another one.
    Damaged(u64),
    /// A block of a *whole* is another one, with the hash of that.
    OtherBlock(u64),
    /// A chaining value of a manifest is another one.
    OtherCv(u64),
    /// A block of a range is another one, with the hash of that: only a manifest shows it.
    OtherPart(u64),
}

/// A server of files.
#[derive(Debug, Default)]
pub(crate) struct ModelServer {
    pub(crate) files: BTreeMap<String, ModelFile>,
    pub(crate) lie: Option<Lie>,
    /// Blocks and small files that were sent.
    pub(crate) sent: u64,
    pub(crate) pings: u64,
    /// The blocks of wholes and of ranges, and the chaining values.
    of_wholes: u64,
    of_ranges: u64,
    of_manifests: u64,
    /// A file gets this version once `sent` has reached the number.
    pub(crate) change: Option<(u64, String, ModelFile)>,
    answers: BTreeMap<StreamId, VecDeque<Answer>>,
}

impl ModelServer {
    pub(crate) fn new(files: BTreeMap<String, ModelFile>) -> Self {
        Self { files, ..Self::default() }
    }

    fn count_sent(&mut self) {
        self.sent += 1;
        if let Some((_, name, file)) = self.change.take_if(|(at, ..)| *at <= self.sent) {
            self.files.insert(name, file);
        }
    }
}

impl Peer for ModelServer {
    fn on_incoming(&mut self, _: Millis, stream: StreamId, incoming: Incoming) {
        let Incoming::Control { header, payload } = incoming else {
            panic!("a client that sends {incoming:?}");
        };
        let answer = match Request::decode(&header, &payload).unwrap() {
            Request::Get { name, version, what } => {
                Answer::to_get(self, header.request, name, version, what)
            }
            Request::Ping { payload } => {
                self.pings += 1;
                Answer::pong(header.request, payload)
            }
            other => panic!("{other:?}"),
        };
        self.answers.entry(stream).or_default().push_back(answer);
    }

    fn on_closed(&mut self, stream: StreamId) {
        self.answers.remove(&stream);
    }

    fn send(&mut self, _: Millis, stream: StreamId) -> Option<Bytes> {
        let mut answers = self.answers.remove(&stream)?;
        let bytes = loop {
            let Some(answer) = answers.front_mut() else { break None };
            match answer.next(self) {
                Some(bytes) => break Some(bytes),
                None => answers.pop_front(),
            };
        };
        self.answers.insert(stream, answers);
        bytes
    }
}
