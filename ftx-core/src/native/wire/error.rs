//! What can be wrong with a peer's bytes, or with what is to become some.

use super::file::MAX_FILE_HEAD_BYTES;
use super::header::MAX_PAYLOAD_BYTES;
use super::{FrameKind, MAX_CV_PAGE_BLOCKS, MAX_REQUEST_BYTES};
use crate::codec::CodecError;
use crate::native::Reason;

/// Why bytes are no part of an FTX/1 connection, or a value cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The first bytes are not the preface.
    #[error("the connection begins with {got:02x?}, which is no FTX preface; check the port")]
    BadPreface {
        /// What came.
        got: [u8; 12],
    },
    /// A block with no bytes, or more than a block has.
    #[error("a block frame has {len} bytes of a file; 1 to 1048576 are allowed")]
    BlockLength {
        /// Bytes of the file in the frame.
        len: u64,
    },
    /// The head of a file frame is too long, or reaches beyond the frame.
    #[error(
        "the head of a file frame has {len} bytes; at most {MAX_FILE_HEAD_BYTES} and no more than the \
         frame are allowed"
    )]
    FileHead {
        /// Its length in bytes.
        len: u64,
    },
    /// A file frame holds more of a file than a block.
    #[error("a file frame has {len} bytes of a file; at most 1048576 are allowed, so offer it")]
    FileLength {
        /// Bytes of the file in the frame.
        len: u64,
    },
    /// A page speaks of more blocks than one may.
    #[error("a page speaks of {len} blocks; at most {MAX_CV_PAGE_BLOCKS} are allowed, so split it")]
    PageTooLong {
        /// How many blocks.
        len: u64,
    },
    /// The payload is longer or shorter than such a frame can be.
    #[error(
        "a {kind} frame cannot have {len} bytes of payload; none has more than {MAX_PAYLOAD_BYTES}"
    )]
    PayloadLength {
        /// The frame's kind.
        kind: FrameKind,
        /// Length of the payload in bytes.
        len: u64,
    },
    /// A record in a frame is not one.
    #[error("the message in a {kind} frame cannot be read or written")]
    Record {
        /// The frame's kind.
        kind: FrameKind,
        /// What the codec says.
        source: CodecError,
    },
    /// A request id that such a frame or message cannot have.
    #[error("{what} has the request id {request}; only what concerns the connection itself has 0")]
    RequestId {
        /// The frame or message.
        what: &'static str,
        /// The id.
        request: u32,
    },
    /// A client's message is longer than a server makes room for.
    #[error("a request has {len} bytes; at most {MAX_REQUEST_BYTES} are allowed, so split it")]
    RequestTooLong {
        /// Its length in bytes.
        len: u64,
    },
    /// Bytes that are kept for later versions are not zero.
    #[error("reserved bytes are not zero; the peer may be of another version")]
    Reserved,
    /// There is no such kind of frame.
    #[error("a frame has the unknown kind {kind}; the peer may be of another version")]
    UnknownKind {
        /// The kind.
        kind: u8,
    },
    /// A frame of one kind was taken for one of another.
    #[error("a {got} frame came where a {expected} frame was expected")]
    WrongKind {
        /// The kind that was expected.
        expected: FrameKind,
        /// The kind that came.
        got: FrameKind,
    },
}

impl FrameError {
    /// The reason to give in the `Goodbye`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::BadPreface { .. } => Reason::OtherDialect,
            Self::PageTooLong { .. } | Self::RequestTooLong { .. } => Reason::LimitExceeded,
            Self::WrongKind { .. } => Reason::OutOfStep,
            Self::BlockLength { .. }
            | Self::FileHead { .. }
            | Self::FileLength { .. }
            | Self::PayloadLength { .. }
            | Self::Record { .. }
            | Self::RequestId { .. }
            | Self::Reserved
            | Self::UnknownKind { .. } => Reason::Malformed,
        }
    }
}
