//! A scripted client.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ftx_core::native::Reason;
use ftx_core::native::blocks::{Cv, block_count};
use ftx_core::native::wire::{
    CLIENT_PREFACE, FileHead, GetScope, Meta, Overwrite, PREFACE_BYTES, Reply, Request, Token,
    Version, server_preface,
};
use ftx_tests::ScriptedStream;

use crate::frame::{Frame, block_frame, first_of, put_frame};
use crate::{DEADLINE, digest};

/// A connection, and bytes received beyond the last frame.
pub(crate) struct Client {
    stream: ScriptedStream,
    received: Vec<u8>,
    slow: bool,
    /// The server's limits, after the handshake.
    pub(crate) terms: Option<Terms>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) session: Token,
    pub(crate) window: u64,
    pub(crate) requests: u32,
}

/// The server's reply to an offered file: the blocks it has.
#[derive(Debug)]
pub(crate) struct OpenedUpload {
    pub(crate) id: u32,
    pub(crate) have: BTreeMap<u64, Cv>,
    pub(crate) resumed: u64,
}

/// An id that no request had before.
pub(crate) fn new_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Relaxed)
}

pub(crate) fn hello(session: Option<Token>) -> Request {
    Request::Hello {
        versions: vec![1],
        features: vec!["unheard-of".to_owned()],
        agent: "test".to_owned(),
        session,
        auth: None,
        replaces: None,
    }
}

pub(crate) fn offer(name: &str, size: usize, overwrite: Overwrite, writer: u8) -> Request {
    let (name, size, meta) = (name.to_owned(), size as u64, Meta::default());
    let (run, source) = (Token([writer; 16]), None);
    Request::Offer { name, size, meta, overwrite, run, source }
}

/// The offer of a run that uploads a source.
pub(crate) fn offer_of(name: &str, size: usize, run: u8, source: u8) -> Request {
    let (name, size, meta, overwrite) =
        (name.to_owned(), size as u64, Meta::default(), Overwrite::Replace);
    let (run, source) = (Token([run; 16]), Some(Token([source; 16])));
    Request::Offer { name, size, meta, overwrite, run, source }
}

pub(crate) fn get(name: &str, version: Option<Version>, what: GetScope) -> Request {
    Request::Get { name: name.to_owned(), version, what }
}

impl Client {
    /// A connection on which nothing was said.
    pub(crate) fn over(stream: ScriptedStream) -> Self {
        Self { stream, received: Vec::new(), slow: false, terms: None }
    }

    /// Greets the server, in a new session or in one that is there.
    pub(crate) fn greet(mut self, session: Option<Token>) -> Self {
        self.send_bytes(&[&CLIENT_PREFACE[..], &hello(session).encode(0).unwrap()].concat());
        self.hear_welcome();
        self
    }

    /// Greets the server in a new session, in place of one that was lost.
    pub(crate) fn greet_again(mut self, lost: Token) -> Self {
        let Request::Hello { versions, features, agent, session, auth, .. } = hello(None) else {
            panic!()
        };
        let replaces = Some(lost);
        let hello = Request::Hello { versions, features, agent, session, auth, replaces };
        self.send_bytes(&[&CLIENT_PREFACE[..], &hello.encode(0).unwrap()].concat());
        self.hear_welcome();
        self
    }

    pub(crate) fn hear_welcome(&mut self) {
        assert_eq!(self.preface(), server_preface(1));
        match self.frame() {
            Frame::Reply(0, Reply::Welcome { version: 1, session, window, requests, .. }) => {
                self.terms = Some(Terms { session, window, requests });
            }
            other => panic!("{other:?}"),
        }
    }

    /// The same connection for another thread, to read from while this one writes.
    pub(crate) fn reader(&self) -> Self {
        let stream = self.stream.share();
        Self { stream, received: Vec::new(), slow: false, terms: self.terms }
    }

    pub(crate) fn session(&self) -> Token {
        self.terms.unwrap().session
    }

    pub(crate) fn send(&mut self, id: u32, request: &Request) {
        self.send_bytes(&request.encode(id).unwrap());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends as many bytes as the server accepts; it may be gone.
    pub(crate) fn try_send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a request and hears its answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        let id = new_id();
        self.send(id, request);
        self.reply_to(id)
    }

    /// The next message, which is about this request.
    pub(crate) fn reply_to(&mut self, id: u32) -> Reply {
        match self.frame() {
            Frame::Reply(request, reply) if request == id => reply,
            other => panic!("not an answer to {id}: {other:?}"),
        }
    }

    /// Why the request fails, of which that is the next that is heard.
    pub(crate) fn failure(&mut self, id: u32) -> Reason {
        match self.reply_to(id) {
            Reply::Failed { reason, message } => {
                assert!(!message.is_empty());
                Reason::from_code(reason)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Why the server closes the connection, which it does then.
    pub(crate) fn goodbye(&mut self) -> Reason {
        let reason = loop {
            match self.frame() {
                Frame::Reply(0, Reply::Goodbye { reason, .. }) => break Reason::from_code(reason),
                Frame::Reply(0, other) => panic!("{other:?}"),
                _ => {}
            }
        };
        assert!(self.is_closed_within(DEADLINE), "open after a goodbye");
        reason
    }

    /// The next frame that is no sign of life.
    pub(crate) fn frame(&mut self) -> Frame {
        loop {
            match self.any_frame().expect("closed instead of a frame") {
                Frame::Reply(_, Reply::Working { .. }) => {}
                frame => return frame,
            }
        }
    }

    /// The next frame, or `None` at the end of the connection, wherever that is.
    pub(crate) fn any_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, len)) = first_of(&self.received) {
                self.received.drain(..len);
                return Some(frame);
            }
            match self.receive(DEADLINE) {
                Some(true) => {}
                Some(false) => return None,
                None => panic!("silent instead of a frame"),
            }
        }
    }

    pub(crate) fn preface(&mut self) -> [u8; PREFACE_BYTES] {
        loop {
            if let Some(preface) = self.received.first_chunk().copied() {
                self.received.drain(..PREFACE_BYTES);
                return preface;
            }
            assert_eq!(self.receive(DEADLINE), Some(true), "closed or silent instead of a preface");
        }
    }

    /// Offers a file and returns the server's reply.
    pub(crate) fn offer(&mut self, request: &Request) -> Result<OpenedUpload, Reason> {
        let id = new_id();
        self.send(id, request);
        self.hear_offered(id)
    }

    /// Receives the server's reply to an offered file.
    pub(crate) fn hear_offered(&mut self, id: u32) -> Result<OpenedUpload, Reason> {
        let mut have = BTreeMap::new();
        loop {
            match self.reply_to(id) {
                Reply::Have { first, blocks } => {
                    let blocks = (first..).zip(blocks);
                    have.extend(blocks.filter_map(|(index, cv)| Some((index, cv?))));
                }
                Reply::Ready { resumed, .. } => return Ok(OpenedUpload { id, have, resumed }),
                Reply::Failed { reason, .. } => return Err(Reason::from_code(reason)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Offers a file of which blocks are sent next.
    pub(crate) fn begin(&mut self, name: &str, file: &[u8], writer: u8) -> OpenedUpload {
        self.offer(&offer(name, file.len(), Overwrite::Replace, writer)).unwrap()
    }

    /// Sends blocks, and hears that each is stored.
    pub(crate) fn send_blocks(
        &mut self,
        id: u32,
        file: &[u8],
        blocks: impl IntoIterator<Item = u64>,
    ) {
        for index in blocks {
            self.send_bytes(&block_frame(id, file, index));
            assert_eq!(self.reply_to(id), Reply::Stored { index });
        }
    }

    /// Commits, and hears whether the file was there before.
    pub(crate) fn commit(&mut self, id: u32, file: &[u8]) -> bool {
        self.send(id, &Request::Commit { digest: digest(file) });
        match self.reply_to(id) {
            Reply::Done { digest: done, unchanged } if done == digest(file) => unchanged,
            other => panic!("{other:?}"),
        }
    }

    /// Uploads a file as blocks, only those that the server does not have; says which these were,
    /// and whether the file was there before.
    pub(crate) fn upload(&mut self, name: &str, file: &[u8], writer: u8) -> (Vec<u64>, bool) {
        let offered = self.begin(name, file, writer);
        let all = 0..block_count(file.len() as u64);
        let has = |index| offered.have.get(&index) == Some(&crate::cv(file, index));
        let sent: Vec<u64> = all.filter(|&index| !has(index)).collect();
        self.send_blocks(offered.id, file, sent.iter().copied());
        (sent, self.commit(offered.id, file))
    }

    /// Stores a small file.
    pub(crate) fn put(&mut self, name: &str, bytes: &[u8]) {
        let id = new_id();
        self.send_bytes(&put_frame(id, name, bytes));
        assert_eq!(self.reply_to(id), done(bytes), "{name}");
    }

    /// Downloads a whole file, and verifies every hash.
    pub(crate) fn download(&mut self, name: &str) -> Vec<u8> {
        let id = new_id();
        self.send(id, &get(name, None, GetScope::Whole));
        let size = match self.frame() {
            Frame::File { request, head: FileHead::Got { .. }, bytes, digest: claimed } => {
                assert_eq!((request, claimed), (id, digest(&bytes)), "{name}");
                return bytes;
            }
            Frame::Reply(request, Reply::Found { size, .. }) if request == id => size,
            other => panic!("{other:?}"),
        };
        let mut file = Vec::new();
        let mut cvs = Vec::new();
        loop {
            match self.frame() {
                Frame::Block { request, index, bytes, cv } => {
                    assert_eq!((request, index), (id, cvs.len() as u64));
                    file.extend(bytes);
                    cvs.push(cv);
                }
                Frame::Reply(request, Reply::End { digest: Some(claimed) }) => {
                    assert_eq!((request, claimed), (id, digest(&file)), "{name}");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(file.len() as u64, size);
        assert!((0..).zip(cvs).all(|(index, cv)| cv == crate::cv(&file, index)));
        file
    }

    /// How long after `start` the server closes; data sent before is ignored. The server's timer starts
    /// at the last received byte, so a test takes `start` before it sends that.
    pub(crate) fn closed_after(&mut self, start: Instant) -> Duration {
        assert!(self.is_closed_within(DEADLINE), "the server does not close");
        start.elapsed()
    }

    pub(crate) fn is_closed_within(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while let Some(left) = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            if self.receive(left) == Some(false) {
                return true;
            }
        }
        false
    }

    /// Whether the connection is open, and nothing comes, for a moment.
    pub(crate) fn is_silent_for(&mut self, moment: Duration) -> bool {
        self.received.is_empty() && self.receive(moment).is_none()
    }

    pub(crate) fn shut_write(&self) {
        self.stream.shut_write().unwrap();
    }

    /// The connection below the frames.
    pub(crate) fn stream(&self) -> &ScriptedStream {
        &self.stream
    }

    /// The connection below TLS.
    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.socket()
    }

    pub(crate) fn into_stream(self) -> ScriptedStream {
        self.stream
    }

    /// From here on, reads little at a time from a small buffer.
    pub(crate) fn read_slowly(&mut self) {
        self.slow = true;
    }

    /// Reads a piece of at most 64 KiB after each pause, until the server closes or is silent. Returns the
    /// number of bytes.
    pub(crate) fn read_at_a_pace(&mut self, pause: Duration) -> usize {
        let mut bytes = 0;
        // A slow client is one that pauses.
        while self.receive(Duration::from_secs(1)).is_some_and(|is_open| is_open) {
            bytes += std::mem::take(&mut self.received).len();
            std::thread::sleep(pause);
        }
        bytes
    }

    /// All that comes until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.receive(DEADLINE).expect("the server does not close") {}
        std::mem::take(&mut self.received)
    }

    /// Receives something: `Some(true)`; the end: `Some(false)`; nothing in time: `None`.
    fn receive(&mut self, limit: Duration) -> Option<bool> {
        self.stream.socket().set_read_timeout(Some(limit)).unwrap();
        let mut piece = [0; 64 * 1024];
        let most = if self.slow { 500 } else { piece.len() };
        match self.stream.read(&mut piece[..most]) {
            Ok(0) => Some(false),
            Ok(count) => {
                self.received.extend_from_slice(&piece[..count]);
                Some(true)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => None,
                _ => Some(false),
            },
        }
    }
}

/// The answer to a file that was not there before.
pub(crate) fn done(bytes: &[u8]) -> Reply {
    Reply::Done { digest: digest(bytes), unchanged: false }
}
