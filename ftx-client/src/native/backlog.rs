//! Frames that arrive during a send, and their bound.
//!
//! A server handles requests in order and does not read while it replies, so a client must read while
//! it sends: otherwise each would wait for the other. The frames it reads then are kept here. The bound
//! follows from the replies that the server owes; an honest server never reaches it.

use std::collections::VecDeque;

use ftx_core::native::StepError;
use ftx_core::native::upload::OwedReplies;
use ftx_core::native::wire::HEADER_BYTES;
use ftx_io::Incoming;

use crate::TransferError;

/// Bytes that are kept in any case: heartbeats, replies to pings and to requests that failed on this
/// side, unusually long texts.
const MIN_BACKLOG_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of a frame besides its payload. The queue doubles when it grows.
const FRAME_BYTES: u64 = (HEADER_BYTES + 2 * size_of::<Incoming>()) as u64;

/// Bytes of the reply that ends a request: a `Failed` with a long text.
const REPLY_BYTES: u64 = 16 * 1024 + FRAME_BYTES;

/// Bytes of a `Have` for one block, which may be a separate message.
const HAVE_BYTES: u64 = 4 + 8 + 8 + 1 + 32 + FRAME_BYTES;

/// Bytes of a `Stored`.
const STORED_BYTES: u64 = 4 + 8 + FRAME_BYTES;

/// The replies that a server owes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ExpectedReplies {
    /// Requests without the reply that ends them.
    pub(super) requests: u64,
    /// Blocks of offered files that no `Have` has covered.
    pub(super) unspoken: u64,
    /// Blocks that were sent without a `Stored`.
    pub(super) sent: u64,
}

impl From<OwedReplies> for ExpectedReplies {
    fn from(owed: OwedReplies) -> Self {
        let OwedReplies { requests, unspoken, sent } = owed;
        Self { requests, unspoken, sent }
    }
}

impl ExpectedReplies {
    /// The most bytes that are kept.
    fn bytes(self) -> u64 {
        let replies = self.requests.saturating_mul(REPLY_BYTES);
        let haves = self.unspoken.saturating_mul(HAVE_BYTES);
        let stored = self.sent.saturating_mul(STORED_BYTES);
        [replies, haves, stored].into_iter().fold(MIN_BACKLOG_BYTES, u64::saturating_add)
    }
}

/// Frames in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    frames: VecDeque<Incoming>,
    bytes: u64,
    expected: ExpectedReplies,
}

impl Backlog {
    /// Sets the replies that are owed.
    pub(super) fn expect(&mut self, expected: ExpectedReplies) {
        self.expected = expected;
    }

    /// Keeps a frame.
    ///
    /// # Errors
    /// The server sends more than it owes.
    pub(super) fn push(&mut self, incoming: Incoming) -> Result<(), TransferError> {
        self.bytes = self.bytes.saturating_add(bytes_of(&incoming));
        self.frames.push_back(incoming);
        if self.bytes > self.expected.bytes() { Err(StepError::TooMuch.into()) } else { Ok(()) }
    }

    pub(super) fn pop(&mut self) -> Option<Incoming> {
        let incoming = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes_of(&incoming));
        Some(incoming)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether the last frame is followed by file bytes, which only its handler may read.
    pub(super) fn holds_data(&self) -> bool {
        matches!(self.frames.back(), Some(Incoming::Block { .. } | Incoming::File { .. }))
    }
}

fn bytes_of(incoming: &Incoming) -> u64 {
    let payload = match incoming {
        Incoming::Control { payload, .. } => payload.len(),
        // The head of a file from a server has no text.
        Incoming::Block { .. } | Incoming::File { .. } => 0,
    };
    FRAME_BYTES.saturating_add(payload as u64)
}

#[cfg(test)]
mod tests {
    use ftx_core::native::Reason;
    use ftx_core::native::blocks::{Cv, Digest};
    use ftx_core::native::wire::{FrameHeader, HEADER_BYTES, Reply};
    use ftx_io::Incoming;

    use super::{Backlog, ExpectedReplies, MIN_BACKLOG_BYTES};

    fn incoming(reply: &Reply) -> Incoming {
        let frame = reply.encode(1).unwrap();
        let (header, payload) = frame.split_first_chunk::<HEADER_BYTES>().unwrap();
        let header = FrameHeader::decode(header).unwrap();
        Incoming::Control { header, payload: payload.to_vec().into() }
    }

    /// The number of such replies that are kept when they arrive without end.
    fn taken(backlog: &mut Backlog, reply: &Reply) -> u64 {
        let Incoming::Control { header, payload } = incoming(reply) else { return 0 };
        let mut count = 0;
        loop {
            let incoming = Incoming::Control { header, payload: payload.clone() };
            if let Err(error) = backlog.push(incoming) {
                assert_eq!(error.reason(), Reason::LimitExceeded);
                return count;
            }
            count += 1;
        }
    }

    #[test]
    fn a_flood_is_bounded_in_bytes_and_in_frames() {
        let long = Reply::failed(Reason::IoError, "x".repeat(512 * 1024));
        assert_eq!(taken(&mut Backlog::default(), &long), 7);
        let short = taken(&mut Backlog::default(), &Reply::Pong { payload: 7 });
        assert!((1000..MIN_BACKLOG_BYTES / 100).contains(&short), "{short}");
    }

    #[test]
    fn the_replies_of_an_honest_server_are_kept() {
        const COUNT: u64 = 100_000;
        let failed = Reply::failed(Reason::IoError, "x".repeat(16_000));
        let have = Reply::Have { first: 0, blocks: vec![Some(Cv([1; 32]))] };
        let page = Reply::Have { first: 0, blocks: vec![Some(Cv([1; 32])); 16_000] };
        let none = ExpectedReplies::default();
        for (expected_replies, reply, count) in [
            (ExpectedReplies { requests: 8192, ..none }, failed, 8192),
            (ExpectedReplies { unspoken: COUNT, ..none }, have, COUNT),
            (ExpectedReplies { unspoken: 100 * 16_000, ..none }, page, 100),
            (ExpectedReplies { sent: COUNT, ..none }, Reply::Stored { index: 1 }, COUNT),
            (ExpectedReplies { requests: COUNT, ..none }, done(), COUNT),
        ] {
            let mut backlog = Backlog::default();
            backlog.expect(expected_replies);
            let taken = taken(&mut backlog, &reply);
            assert!(taken >= count, "{expected_replies:?}: {taken} of {count}");
        }
    }

    fn done() -> Reply {
        Reply::Done { digest: Digest([1; 32]), unchanged: false }
    }

    #[test]
    fn handled_frames_make_room() {
        let mut backlog = Backlog::default();
        for _ in 0..100_000 {
            backlog.push(incoming(&done())).unwrap();
            backlog.pop().unwrap();
        }
        assert!(backlog.is_empty() && backlog.pop().is_none());
        assert_eq!(backlog.bytes, 0);
    }

    #[test]
    fn endless_claims_overflow_nothing() {
        let mut backlog = Backlog::default();
        backlog.expect(ExpectedReplies { requests: u64::MAX, unspoken: u64::MAX, sent: u64::MAX });
        backlog.push(incoming(&done())).unwrap();
    }
}
