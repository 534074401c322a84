//! A scripted native server.

use std::io::{ErrorKind, Read as _, Write as _};

use ftx_core::native::Granule;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{
    CLIENT_PREFACE, FrameHeader, FrameKind, HEADER_BYTES, Reply, Request, Token, server_preface,
};
use ftx_tests::ScriptedStream;

use crate::server::Listener;

/// The session of all connections.
pub(crate) const SESSION: Token = Token([7; 16]);

/// The server is ready for blocks, each of which it stores on its own.
pub(crate) fn ready(resumed: u64) -> Reply {
    Reply::Ready { resumed, granule: Granule::ONE }
}

/// The server's end of a native connection.
pub(crate) struct NativePeer(pub(crate) ScriptedStream);

impl NativePeer {
    /// Accepts a client and shakes hands.
    pub(crate) fn accept(listener: &Listener) -> Self {
        Self::accept_replacing(listener).0
    }

    /// The same with a window of this many unanswered bytes.
    pub(crate) fn accept_window(listener: &Listener, window: u64) -> Self {
        Self::shake_hands(listener, window).0
    }

    /// As [`accept`](Self::accept), and returns the session that the client replaces.
    pub(crate) fn accept_replacing(listener: &Listener) -> (Self, Option<Token>) {
        Self::shake_hands(listener, 8 << 20)
    }

    fn shake_hands(listener: &Listener, window: u64) -> (Self, Option<Token>) {
        let mut peer = Self(listener.accept());
        let mut preface = [0; CLIENT_PREFACE.len()];
        peer.0.read_exact(&mut preface).unwrap();
        assert_eq!(preface, CLIENT_PREFACE);
        let Some((0, Request::Hello { replaces, .. })) = peer.request() else { panic!() };
        peer.0.write_all(&server_preface(1)).unwrap();
        let (features, agent) = (Vec::new(), "scripted/1".to_owned());
        let (session, requests) = (SESSION, 1024);
        let welcome = Reply::Welcome { version: 1, features, agent, session, window, requests };
        peer.reply(0, &welcome);
        (peer, replaces)
    }

    /// The client's next message; `None` when it has left.
    pub(crate) fn request(&mut self) -> Option<(u32, Request)> {
        let (header, payload) = self.frame()?;
        Some((header.request, Request::decode(&header, &payload).unwrap()))
    }

    pub(crate) fn frame(&mut self) -> Option<(FrameHeader, Vec<u8>)> {
        let mut header = [0; HEADER_BYTES];
        if let Err(error) = self.0.read_exact(&mut header) {
            let left =
                [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind());
            assert!(left, "the client neither sends nor leaves: {error}");
            return None;
        }
        let header = FrameHeader::decode(&header).unwrap();
        let mut payload = vec![0; usize::try_from(header.len).unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        Some((header, payload))
    }

    /// Accepts a client's offer, of which the server holds nothing.
    pub(crate) fn offered(&mut self, len: u64) -> u32 {
        let Some((id, Request::Offer { size, .. })) = self.request() else { panic!() };
        assert_eq!(size, len);
        self.reply(id, &ready(0));
        id
    }

    /// Receives these blocks, confirms them, and ends the upload.
    pub(crate) fn stored(&mut self, id: u32, blocks: std::ops::Range<u64>) {
        let digest = self.published(id, blocks);
        self.reply(id, &Reply::Done { digest, unchanged: false });
    }

    /// Receives and confirms these blocks, one by one, since the client's window may be small; and receives
    /// the commit.
    pub(crate) fn published(&mut self, id: u32, blocks: std::ops::Range<u64>) -> Digest {
        for index in blocks {
            self.block(id);
            self.reply(id, &Reply::Stored { index });
        }
        let Some((_, Request::Commit { digest })) = self.request() else { panic!() };
        digest
    }

    /// Receives a block of this request.
    pub(crate) fn block(&mut self, id: u32) {
        let (header, _) = self.frame().expect("the client has left");
        assert_eq!((header.request, header.kind), (id, FrameKind::Block));
    }

    pub(crate) fn reply(&mut self, id: u32, reply: &Reply) {
        self.0.write_all(&reply.encode(id).unwrap()).unwrap();
    }
}
