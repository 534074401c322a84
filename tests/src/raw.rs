//! A client of the legacy dialect that sends arbitrary bytes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ftx_core::legacy::wire::{DecodeLimits, LegacyReply, LegacyRequest, QString, decode_reply};

use crate::stream::{Carrier, ScriptedStream};
use crate::wait::DEADLINE;

/// A connection on which any bytes can be sent and replies are understood.
#[derive(Debug)]
pub struct RawSocket {
    stream: ScriptedStream,
    received: Vec<u8>,
}

impl RawSocket {
    /// Connects.
    ///
    /// # Panics
    /// If there is no listener.
    #[must_use]
    pub fn connect(addr: SocketAddr) -> Self {
        Self::over(ScriptedStream::connect(addr, Carrier::Plain))
    }

    /// The same over a stream that is connected.
    #[must_use]
    pub fn over(stream: ScriptedStream) -> Self {
        Self { stream, received: Vec::new() }
    }

    /// Sends a request in one write.
    pub fn send(&mut self, request: &LegacyRequest) {
        self.send_bytes(&encoded(request));
    }

    /// Sends bytes in one write.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes if the connection is still there to take them, and says whether it was.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Asks with 100 as an original client does.
    pub fn upload_header(&mut self, name: &str) -> Option<LegacyReply> {
        self.send(&LegacyRequest::UploadHeader { name: QString::from(name), extended: false });
        self.reply()
    }

    /// Asks with 101.
    pub fn upload_pos(&mut self, pos: i64, len: i64) -> Option<LegacyReply> {
        self.send(&LegacyRequest::UploadPos { pos, len });
        self.reply()
    }

    /// Asks with 200 as an original client does that holds nothing.
    pub fn download_header(&mut self, name: &str) -> Option<LegacyReply> {
        self.send(&LegacyRequest::DownloadHeader {
            name: QString::from(name),
            pos: 0,
            md5: QString::NULL,
            extended: false,
        });
        self.reply()
    }

    /// The next reply; `None` if the server closes instead.
    ///
    /// # Panics
    /// If neither happens, or it is no reply.
    pub fn reply(&mut self) -> Option<LegacyReply> {
        loop {
            let decoded = decode_reply(&self.received, &DecodeLimits::default()).unwrap();
            if let Some((reply, taken)) = decoded {
                self.received.drain(..taken);
                return Some(reply);
            }
            if !self.receive(DEADLINE).expect("the server neither answers nor closes") {
                return None;
            }
        }
    }

    /// Reads this many bytes of a file.
    ///
    /// # Panics
    /// If the connection ends before.
    pub fn file_bytes(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            assert!(self.receive(DEADLINE).unwrap(), "closed within the bytes of a file");
        }
        self.received.drain(..count).collect()
    }

    /// Whether the server closes the connection within `deadline`; bytes received before are ignored.
    pub fn is_closed_within(&mut self, deadline: Duration) -> bool {
        let start = Instant::now();
        while let Some(left) = deadline.checked_sub(start.elapsed()).filter(|left| !left.is_zero())
        {
            if self.receive(left) == Some(false) {
                return true;
            }
        }
        false
    }

    /// Whether the connection is open, and nothing comes, for a moment.
    #[must_use]
    pub fn is_silent_for(&mut self, moment: Duration) -> bool {
        self.received.is_empty() && self.receive(moment).is_none()
    }

    /// Ends its own side.
    pub fn shut_write(&self) {
        let _ = self.stream.shut_write();
    }

    /// Receives something: `Some(true)`; the end: `Some(false)`; nothing in time: `None`.
    fn receive(&mut self, deadline: Duration) -> Option<bool> {
        self.stream.socket().set_read_timeout(Some(deadline)).unwrap();
        let mut piece = [0; 64 * 1024];
        let read = loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => Some(false),
            Ok(count) => {
                self.received.extend_from_slice(&piece[..count]);
                Some(true)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => None,
                _ => Some(false),
            },
        }
    }
}

/// A request's bytes.
#[must_use]
pub fn encoded(request: &LegacyRequest) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(&mut bytes);
    bytes
}
