//! A scripted server of the legacy dialect.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use ftx_client::ServerAddr;
use ftx_core::legacy::wire::{DecodeLimits, LegacyReply, LegacyRequest, decode_request};
use ftx_tests::{Carrier, ScriptedStream};

/// The place where a scripted server accepts connections.
pub(crate) struct Listener {
    pub(crate) tcp: TcpListener,
    carrier: Carrier,
}

impl Listener {
    /// The server's end of the next connection.
    pub(crate) fn accept(&self) -> ScriptedStream {
        let (socket, _) = self.tcp.accept().unwrap();
        socket.set_read_timeout(Some(crate::SOON)).unwrap();
        ScriptedStream::server(socket, self.carrier)
    }
}

pub(crate) fn listen(carrier: Carrier) -> (Listener, ServerAddr) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    (Listener { tcp, carrier }, ServerAddr::new("127.0.0.1", port).unwrap())
}

/// The server's end of a connection.
pub(crate) struct Peer {
    stream: ScriptedStream,
    received: Vec<u8>,
}

impl Peer {
    pub(crate) fn accept(listener: &Listener) -> Self {
        Self { stream: listener.accept(), received: Vec::new() }
    }

    /// The client's next message.
    pub(crate) fn request(&mut self) -> LegacyRequest {
        self.next_request().expect("the client closed")
    }

    /// The same; `None` when the client has closed.
    pub(crate) fn next_request(&mut self) -> Option<LegacyRequest> {
        loop {
            if let Some((request, len)) =
                decode_request(&self.received, &DecodeLimits::default()).unwrap()
            {
                self.received.drain(..len);
                return Some(request);
            }
            if !self.receives() {
                return None;
            }
        }
    }

    /// The next `len` bytes of a file.
    pub(crate) fn body(&mut self, len: usize) -> Vec<u8> {
        while self.received.len() < len {
            self.receive();
        }
        self.received.drain(..len).collect()
    }

    pub(crate) fn reply(&mut self, reply: &LegacyReply) {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        self.send(&bytes);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Closes its sending side only and stops reading, so the client's bytes meet no reset.
    pub(crate) fn shut_write(&self) {
        self.stream.shut_write().unwrap();
    }

    fn receive(&mut self) {
        assert!(self.receives(), "the client closed");
    }

    /// Reads the next bytes; false at the end.
    fn receives(&mut self) -> bool {
        let mut piece = [0; 64 * 1024];
        let count = self.stream.read(&mut piece).unwrap();
        self.received.extend_from_slice(&piece[..count]);
        count > 0
    }
}
