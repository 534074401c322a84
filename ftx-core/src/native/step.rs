//! Types shared by the state machines of uploads and downloads.

use super::Reason;
use super::blocks::{Cv, block_count, block_len};

/// The driver's number of one connection of a session.
pub type StreamId = u32;

/// Input that does not fit the state of a machine: a protocol error of the peer, or a mistake of the
/// driver. The machine is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The window cannot hold two durable units, so the upload would stand still.
    #[error("two granules of {blocks} blocks do not fit the window of {window} bytes")]
    GranuleTooLong {
        /// Length of the granule in blocks.
        blocks: u64,
        /// The window in bytes.
        window: u64,
    },
    /// The file has no such block.
    #[error("the file has {count} blocks, so there is no block {index}")]
    NoSuchBlock {
        /// Index of the block.
        index: u64,
        /// Blocks of the file.
        count: u64,
    },
    /// A message came before or after its time.
    #[error("{what} is out of step with the protocol")]
    OutOfStep {
        /// The message, as a noun phrase.
        what: &'static str,
    },
    /// The peer sent more than the open requests ask for.
    #[error("the peer sent more than was requested")]
    TooMuch,
    /// A message about a block that was not requested on this stream, or is answered already.
    #[error("a message about block {index} came on stream {stream} without a request")]
    Unasked {
        /// Index of the block.
        index: u64,
        /// The connection.
        stream: StreamId,
    },
    /// The frame is longer or shorter than the block.
    #[error("block {index} has {expected} bytes, but its frame carries {got}")]
    WrongLength {
        /// Index of the block.
        index: u64,
        /// Bytes of the block.
        expected: u64,
        /// Bytes in the frame.
        got: u64,
    },
}

impl StepError {
    /// The reason of this error.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NoSuchBlock { .. } | Self::WrongLength { .. } => Reason::Malformed,
            Self::OutOfStep { .. } | Self::Unasked { .. } => Reason::OutOfStep,
            Self::GranuleTooLong { .. } | Self::TooMuch => Reason::LimitExceeded,
        }
    }
}

/// A block was damaged on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {index} was sent as {claimed} and arrived as {computed}; send it again")]
pub struct BlockMismatch {
    /// Index of the block.
    pub index: u64,
    /// Chaining value of the received bytes.
    pub computed: Cv,
    /// Chaining value in the frame.
    pub claimed: Cv,
}

/// The progress of a transfer, in bytes of its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferProgress {
    /// Bytes that are in place, whether or not they were moved for that.
    pub done: u64,
    /// Bytes that went over the wire, including repeated ones.
    pub moved: u64,
}

/// The length of a block, if the file has it.
pub(super) const fn existing(size: u64, index: u64) -> Result<u64, StepError> {
    match block_len(size, index) {
        0 => Err(StepError::NoSuchBlock { index, count: block_count(size) }),
        len => Ok(len),
    }
}

/// The indices of `len` blocks from `first` on, if the file has all of them.
pub(super) fn existing_page(
    size: u64,
    first: u64,
    len: usize,
) -> Result<core::ops::Range<u64>, StepError> {
    let count = block_count(size);
    match u64::try_from(len).ok().and_then(|len| first.checked_add(len)) {
        Some(end) if end <= count => Ok(first..end),
        _ => Err(StepError::NoSuchBlock { index: first.max(count), count }),
    }
}
