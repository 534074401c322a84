//! What the machines of uploads and downloads have in common.

use super::Reason;
use super::blocks::{Cv, block_count, block_len};

/// One connection of a session, as its driver numbers them.
pub type StreamId = u32;

/// A machine was told something that does not fit: by a peer that talks nonsense, or by a driver
/// that broke the rules. The machine is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The file has no such block.
    #[error("the file has {count} blocks, so there is no block {index}")]
    NoSuchBlock {
        /// Index of the block.
        index: u64,
        /// Blocks of the file.
        count: u64,
    },
    /// Something was said before or after its time.
    #[error("{what} is out of step with the protocol")]
    OutOfStep {
        /// What was said.
        what: &'static str,
    },
    /// More came than anything that was asked for can be answered with.
    #[error("more was sent than was asked for")]
    TooMuch,
    /// Nobody asked for this, or it was answered already.
    #[error("nothing about block {index} was to be said on stream {stream} now")]
    Unasked {
        /// Index of the block.
        index: u64,
        /// The connection.
        stream: StreamId,
    },
    /// The frame does not have the bytes that the block has.
    #[error("block {index} has {expected} bytes, but {got} are in its frame")]
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
    /// The reason that stands for this error.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NoSuchBlock { .. } | Self::WrongLength { .. } => Reason::Malformed,
            Self::OutOfStep { .. } | Self::Unasked { .. } => Reason::OutOfStep,
            Self::TooMuch => Reason::LimitExceeded,
        }
    }
}

/// A block did not arrive as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {index} was sent as {claimed} and arrived as {computed}; send it again")]
pub struct BlockMismatch {
    /// Index of the block.
    pub index: u64,
    /// Chaining value of the bytes that arrived.
    pub computed: Cv,
    /// Chaining value that the sender gave.
    pub claimed: Cv,
}

/// How far a transfer is, in bytes of its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferProgress {
    /// Bytes that are where they belong, whether or not they were moved for that.
    pub done: u64,
    /// Bytes that went over the wire, those that did so again included.
    pub moved: u64,
}

/// The length of a block that is spoken of.
pub(super) const fn existing(size: u64, index: u64) -> Result<u64, StepError> {
    match block_len(size, index) {
        0 => Err(StepError::NoSuchBlock { index, count: block_count(size) }),
        len => Ok(len),
    }
}

/// The indices of `len` blocks from `first` on, all of which must exist.
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
