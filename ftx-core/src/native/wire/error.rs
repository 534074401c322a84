//! Errors of encoding and decoding.

use super::file::MAX_FILE_HEAD_BYTES;
use super::header::MAX_PAYLOAD_BYTES;
use super::{FrameKind, MAX_CV_PAGE_BLOCKS, MAX_DECODED_BYTES, MAX_REQUEST_BYTES};
use crate::codec::CodecError;
use crate::native::Reason;

/// Why bytes are invalid in an FTX/1 connection, or a value cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The first bytes are not the preface.
    #[error("the connection begins with {got:02x?}, which is not an FTX preface; check the port")]
    BadPreface {
        /// The bytes received.
        got: [u8; 12],
    },
    /// A block frame without bytes, or with more than a block.
    #[error("a block frame has {len} bytes of a file; 1 to 1048576 are allowed")]
    BlockLength {
        /// Bytes of the file in the frame.
        len: u64,
    },
    /// A frame that began in compressed frames does not end in them.
    #[error("a {got} frame came where a compressed one must continue the frame before")]
    CutFrame {
        /// The kind of the frame that came.
        got: FrameKind,
    },
    /// A compressed frame announces too many bytes, or none.
    #[error("a compressed frame announces {len} bytes; 1 to {MAX_DECODED_BYTES} are allowed")]
    DecodedLength {
        /// The announced bytes.
        len: u64,
    },
    /// The head of a file frame is too long, or exceeds the frame.
    #[error(
        "the head of a file frame has {len} bytes; at most {MAX_FILE_HEAD_BYTES} and no more than the \
         frame are allowed"
    )]
    FileHead {
        /// The length in bytes.
        len: u64,
    },
    /// A file frame holds more of a file than a block.
    #[error("a file frame has {len} bytes of a file; at most 1048576 are allowed, so offer it")]
    FileLength {
        /// Bytes of the file in the frame.
        len: u64,
    },
    /// A compressed frame holds another one.
    #[error("a compressed frame holds a compressed frame")]
    NestedCompression,
    /// A page covers too many blocks.
    #[error("a page covers {len} blocks; at most {MAX_CV_PAGE_BLOCKS} are allowed, so split it")]
    PageTooLong {
        /// Number of blocks.
        len: u64,
    },
    /// No frame of this kind has a payload of this length.
    #[error(
        "a {kind} frame cannot have {len} bytes of payload; none has more than {MAX_PAYLOAD_BYTES}"
    )]
    PayloadLength {
        /// The frame's kind.
        kind: FrameKind,
        /// Length of the payload in bytes.
        len: u64,
    },
    /// The record in a frame is invalid.
    #[error("the message in a {kind} frame cannot be decoded or encoded")]
    Record {
        /// The frame's kind.
        kind: FrameKind,
        /// The error of the codec.
        source: CodecError,
    },
    /// A request id that the frame or message must not have.
    #[error("{what} has the request id {request}; only messages about the connection have 0")]
    RequestId {
        /// The frame or message, as a noun phrase.
        what: &'static str,
        /// The id.
        request: u32,
    },
    /// A client's message is longer than a server accepts.
    #[error("a request has {len} bytes; at most {MAX_REQUEST_BYTES} are allowed, so split it")]
    RequestTooLong {
        /// The length in bytes.
        len: u64,
    },
    /// Reserved bytes are not zero.
    #[error("reserved bytes are not zero; the peer may be of another version")]
    Reserved,
    /// The bytes of a compressed frame are not one zstd frame of exactly the announced bytes.
    #[error("a compressed frame does not decode to the {len} bytes that it announces")]
    Undecodable {
        /// The announced bytes.
        len: u64,
    },
    /// The kind of a frame is unknown.
    #[error("a frame has the unknown kind {kind}; the peer may be of another version")]
    UnknownKind {
        /// The kind.
        kind: u8,
    },
    /// A frame has another kind than expected.
    #[error("a {got} frame came where a {expected} frame was expected")]
    WrongKind {
        /// The expected kind.
        expected: FrameKind,
        /// The kind of the frame.
        got: FrameKind,
    },
}

impl FrameError {
    /// The reason for the `Goodbye`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::BadPreface { .. } => Reason::OtherDialect,
            Self::PageTooLong { .. } | Self::RequestTooLong { .. } => Reason::LimitExceeded,
            Self::WrongKind { .. } => Reason::OutOfStep,
            Self::BlockLength { .. }
            | Self::CutFrame { .. }
            | Self::DecodedLength { .. }
            | Self::NestedCompression
            | Self::Undecodable { .. }
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
