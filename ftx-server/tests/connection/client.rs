//! A client that says what it is told to.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ftx_core::Status;
use ftx_core::legacy::wire::{Limits, QString, Reply, Request, decode_reply};

use crate::DEADLINE;

/// A connection, and what came over it beyond the last reply.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

pub(crate) fn encoded(requests: &[Request]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for request in requests {
        request.encode(&mut bytes);
    }
    bytes
}

pub(crate) fn ask_upload(name: &str) -> Request {
    Request::UploadHeader { name: QString::from(name), extended: false }
}

pub(crate) fn ask_download(name: &str) -> Request {
    let (name, md5) = (QString::from(name), QString::NULL);
    Request::DownloadHeader { name, pos: 0, md5, extended: false }
}

pub(crate) fn begin(pos: usize, len: usize) -> Request {
    Request::UploadPos { pos: i64::try_from(pos).unwrap(), len: i64::try_from(len).unwrap() }
}

pub(crate) const CONTENT: Request = Request::DownloadContent { status: Status::Ok };
pub(crate) const TAIL: Request = Request::DownloadTail { status: Status::Ok };
pub(crate) const BEGUN: Reply = Reply::UploadPos { status: Status::Ok };
pub(crate) const STORED: Reply = Reply::UploadTail { status: Status::Ok, md5: QString::NULL };

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { stream, received: Vec::new() }
    }

    pub(crate) fn send(&mut self, request: &Request) {
        self.send_bytes(&encoded(std::slice::from_ref(request)));
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends what the server takes, which may be gone.
    pub(crate) fn try_send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        self.send(request);
        self.reply()
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> Reply {
        loop {
            let decoded = decode_reply(&self.received, &Limits::default()).unwrap();
            if let Some((reply, len)) = decoded {
                self.received.drain(..len);
                return reply;
            }
            assert_eq!(self.receive(DEADLINE), Some(true), "closed or silent instead of a reply");
        }
    }

    /// The next `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        while self.received.len() < len {
            assert_eq!(self.receive(DEADLINE), Some(true), "closed or silent within a file");
        }
        self.received.drain(..len).collect()
    }

    /// Asks with 100 and begins anew.
    pub(crate) fn begin_upload(&mut self, name: &str, len: usize) {
        let reply = self.ask(&ask_upload(name));
        assert!(matches!(reply, Reply::UploadHeader { status: Status::Ok, .. }), "{reply:?}");
        assert_eq!(self.ask(&begin(0, len)), BEGUN);
    }

    pub(crate) fn upload(&mut self, name: &str, bytes: &[u8]) {
        self.begin_upload(name, bytes.len());
        self.send_bytes(bytes);
        assert_eq!(self.reply(), STORED);
    }

    /// What is offered of `name`: how many bytes, and their MD5.
    pub(crate) fn offered(&mut self, name: &str) -> (usize, String) {
        match self.ask(&ask_upload(name)) {
            Reply::UploadHeader { status: Status::Ok, pos, md5, .. } => {
                (usize::try_from(pos).unwrap(), md5.to_text().unwrap_or_default())
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn download(&mut self, name: &str) -> Vec<u8> {
        let len = match self.ask(&ask_download(name)) {
            Reply::DownloadHeader { status: Status::Ok, len, pos: 0, .. } => len,
            other => panic!("{other:?}"),
        };
        self.send(&CONTENT);
        let bytes = self.bytes(usize::try_from(len).unwrap());
        assert_eq!(self.ask(&TAIL), Reply::DownloadTail { status: Status::Ok });
        bytes
    }

    /// How long it takes until the server closes; what it sends before counts for nothing.
    pub(crate) fn closed_after(&mut self) -> Duration {
        let start = Instant::now();
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
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Receives something: `Some(true)`; the end: `Some(false)`; nothing in time: `None`.
    fn receive(&mut self, limit: Duration) -> Option<bool> {
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let mut piece = [0; 64 * 1024];
        match self.stream.read(&mut piece) {
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
