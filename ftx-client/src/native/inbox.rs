//! What came in while something was sent, and how much that may be.
//!
//! A server handles requests in their order and does not read while it answers, so a client goes on
//! reading while it sends: otherwise both would wait for each other. What it reads then has to be
//! kept. The bound is what the server may owe for what was asked; an honest one never gets there.

use std::collections::VecDeque;

use ftx_core::native::StepError;
use ftx_core::native::wire::HEADER_LEN;
use ftx_io::Incoming;

use crate::TransferError;

/// Bytes that are kept whatever was asked: signs of life, answers to pings, answers to what was
/// given up here meanwhile, texts that are longer than most.
const MAX_INBOX_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes that a frame takes besides its payload. The queue doubles when it grows.
const FRAME_BYTES: u64 = (HEADER_LEN + 2 * size_of::<Incoming>()) as u64;

/// Bytes of the answer that ends a request: a `Failed` with a long text.
const ANSWER_BYTES: u64 = 16 * 1024 + FRAME_BYTES;

/// Bytes of a `Have` for one block, which may be a message of its own.
const HAVE_BYTES: u64 = 4 + 8 + 8 + 1 + 32 + FRAME_BYTES;

/// Bytes of a `Stored`.
const STORED_BYTES: u64 = 4 + 8 + FRAME_BYTES;

/// What a server may still answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owed {
    /// Requests without the answer that ends them.
    pub(super) requests: u64,
    /// Blocks of offered files that no `Have` has spoken of.
    pub(super) unspoken: u64,
    /// Blocks that were sent and are not `Stored`.
    pub(super) sent: u64,
}

impl Owed {
    /// Bytes that are kept at most.
    fn bytes(self) -> u64 {
        let answers = self.requests.saturating_mul(ANSWER_BYTES);
        let haves = self.unspoken.saturating_mul(HAVE_BYTES);
        let stored = self.sent.saturating_mul(STORED_BYTES);
        [answers, haves, stored].into_iter().fold(MAX_INBOX_BYTES, u64::saturating_add)
    }
}

/// Frames in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    frames: VecDeque<Incoming>,
    bytes: u64,
    owed: Owed,
}

impl Inbox {
    /// So much is owed from now on.
    pub(super) fn expect(&mut self, owed: Owed) {
        self.owed = owed;
    }

    /// Keeps a frame.
    ///
    /// # Errors
    /// The server sends more than was asked for.
    pub(super) fn push(&mut self, incoming: Incoming) -> Result<(), TransferError> {
        self.bytes = self.bytes.saturating_add(bytes_of(&incoming));
        self.frames.push_back(incoming);
        if self.bytes > self.owed.bytes() { Err(StepError::TooMuch.into()) } else { Ok(()) }
    }

    pub(super) fn pop(&mut self) -> Option<Incoming> {
        let incoming = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes_of(&incoming));
        Some(incoming)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether what came last is followed by bytes that only its handler may read.
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
    use ftx_core::native::wire::{FrameHeader, HEADER_LEN, Reply};
    use ftx_io::Incoming;

    use super::{Inbox, MAX_INBOX_BYTES, Owed};

    fn incoming(reply: &Reply) -> Incoming {
        let frame = reply.encode(1).unwrap();
        let (header, payload) = frame.split_first_chunk::<HEADER_LEN>().unwrap();
        let header = FrameHeader::decode(header).unwrap();
        Incoming::Control { header, payload: payload.to_vec().into() }
    }

    /// How many of these are taken of a server that sends them without end.
    fn taken(inbox: &mut Inbox, reply: &Reply) -> u64 {
        let Incoming::Control { header, payload } = incoming(reply) else { return 0 };
        let mut count = 0;
        loop {
            let incoming = Incoming::Control { header, payload: payload.clone() };
            if let Err(error) = inbox.push(incoming) {
                assert_eq!(error.reason(), Reason::LimitExceeded);
                return count;
            }
            count += 1;
        }
    }

    #[test]
    fn a_flood_is_bounded_in_bytes_and_in_frames() {
        let long = Reply::failed(Reason::IoError, "x".repeat(512 * 1024));
        assert_eq!(taken(&mut Inbox::default(), &long), 7);
        let short = taken(&mut Inbox::default(), &Reply::Pong { payload: 7 });
        assert!((1000..MAX_INBOX_BYTES / 100).contains(&short), "{short}");
    }

    #[test]
    fn what_an_honest_server_owes_is_taken() {
        const COUNT: u64 = 100_000;
        let failed = Reply::failed(Reason::IoError, "x".repeat(16_000));
        let have = Reply::Have { first: 0, blocks: vec![Some(Cv([1; 32]))] };
        let page = Reply::Have { first: 0, blocks: vec![Some(Cv([1; 32])); 16_000] };
        let none = Owed::default();
        for (owed, reply, count) in [
            (Owed { requests: 8192, ..none }, failed, 8192),
            (Owed { unspoken: COUNT, ..none }, have, COUNT),
            (Owed { unspoken: 100 * 16_000, ..none }, page, 100),
            (Owed { sent: COUNT, ..none }, Reply::Stored { index: 1 }, COUNT),
            (Owed { requests: COUNT, ..none }, done(), COUNT),
        ] {
            let mut inbox = Inbox::default();
            inbox.expect(owed);
            let taken = taken(&mut inbox, &reply);
            assert!(taken >= count, "{owed:?}: {taken} of {count}");
        }
    }

    fn done() -> Reply {
        Reply::Done { digest: Digest([1; 32]), unchanged: false }
    }

    #[test]
    fn what_was_handled_makes_room() {
        let mut inbox = Inbox::default();
        for _ in 0..100_000 {
            inbox.push(incoming(&done())).unwrap();
            inbox.pop().unwrap();
        }
        assert!(inbox.is_empty() && inbox.pop().is_none());
        assert_eq!(inbox.bytes, 0);
    }

    #[test]
    fn endless_claims_overflow_nothing() {
        let mut inbox = Inbox::default();
        inbox.expect(Owed { requests: u64::MAX, unspoken: u64::MAX, sent: u64::MAX });
        inbox.push(incoming(&done())).unwrap();
    }
}
