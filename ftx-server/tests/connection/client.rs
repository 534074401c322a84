//! A scripted client: the kit's socket, with the exchanges of these tests.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use ftx_core::Status;
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest, QString};
use ftx_tests::{RawSocket, ScriptedStream};

use crate::DEADLINE;

/// A connection, and bytes received beyond the last reply.
pub(crate) struct Client(RawSocket);

pub(crate) fn encoded(requests: &[LegacyRequest]) -> Vec<u8> {
    requests.iter().flat_map(ftx_tests::encoded).collect()
}

pub(crate) fn ask_upload(name: &str) -> LegacyRequest {
    LegacyRequest::UploadHeader { name: QString::from(name), extended: false }
}

pub(crate) fn ask_download(name: &str) -> LegacyRequest {
    let (name, md5) = (QString::from(name), QString::NULL);
    LegacyRequest::DownloadHeader { name, pos: 0, md5, extended: false }
}

pub(crate) fn begin(pos: usize, len: usize) -> LegacyRequest {
    LegacyRequest::UploadPos { pos: i64::try_from(pos).unwrap(), len: i64::try_from(len).unwrap() }
}

pub(crate) const CONTENT: LegacyRequest = LegacyRequest::DownloadContent { status: Status::Ok };
pub(crate) const TAIL: LegacyRequest = LegacyRequest::DownloadTail { status: Status::Ok };
pub(crate) const BEGUN: LegacyReply = LegacyReply::UploadPos { status: Status::Ok };
pub(crate) const STORED: LegacyReply =
    LegacyReply::UploadTail { status: Status::Ok, md5: QString::NULL };

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self(RawSocket::connect(addr))
    }

    pub(crate) fn over(stream: ScriptedStream) -> Self {
        Self(RawSocket::over(stream))
    }

    pub(crate) fn ask(&mut self, request: &LegacyRequest) -> LegacyReply {
        self.send(request);
        self.reply()
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> LegacyReply {
        self.0.reply().expect("closed instead of a reply")
    }

    /// Asks with 100 and begins anew.
    pub(crate) fn begin_upload(&mut self, name: &str, len: usize) {
        let reply = self.ask(&ask_upload(name));
        assert!(matches!(reply, LegacyReply::UploadHeader { status: Status::Ok, .. }), "{reply:?}");
        assert_eq!(self.ask(&begin(0, len)), BEGUN);
    }

    pub(crate) fn upload(&mut self, name: &str, bytes: &[u8]) {
        self.begin_upload(name, bytes.len());
        self.send_bytes(bytes);
        assert_eq!(self.reply(), STORED);
    }

    /// The server's offer of `name`: how many bytes, and their MD5.
    pub(crate) fn offered(&mut self, name: &str) -> (usize, String) {
        match self.ask(&ask_upload(name)) {
            LegacyReply::UploadHeader { status: Status::Ok, pos, md5, .. } => {
                (usize::try_from(pos).unwrap(), md5.to_text().unwrap_or_default())
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn download(&mut self, name: &str) -> Vec<u8> {
        let len = match self.ask(&ask_download(name)) {
            LegacyReply::DownloadHeader { status: Status::Ok, len, pos: 0, .. } => len,
            other => panic!("{other:?}"),
        };
        self.send(&CONTENT);
        let bytes = self.file_bytes(usize::try_from(len).unwrap());
        assert_eq!(self.ask(&TAIL), LegacyReply::DownloadTail { status: Status::Ok });
        bytes
    }

    /// How long after `start` the server closes; data sent before is ignored. The server's timer starts
    /// at the last received byte, so a test takes `start` before it sends that.
    pub(crate) fn closed_after(&mut self, start: Instant) -> Duration {
        assert!(self.is_closed_within(DEADLINE), "the server does not close");
        start.elapsed()
    }
}

impl Deref for Client {
    type Target = RawSocket;

    fn deref(&self) -> &RawSocket {
        &self.0
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut RawSocket {
        &mut self.0
    }
}
