//! Instructions of a [`Receiver`](super::Receiver) to its driver, and its errors.

use alloc::vec::Vec;

use crate::native::Reason;
use crate::native::blocks::{Cv, Digest};
use crate::native::step::{BlockMismatch, StepError};

/// Why an upload has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The client sent a block twice, with different contents: its file is changing.
    #[error("block {index} was sent twice with different contents; offer the file again")]
    Changed {
        /// Index of the block.
        index: u64,
    },
    /// The blocks make another file than the client has announced.
    #[error("the blocks make a file with the digest {computed}, not {claimed}; offer it again")]
    DigestMismatch {
        /// Digest of the staged blocks.
        computed: Digest,
        /// Digest in the `Commit`.
        claimed: Digest,
    },
    /// Another connection is sending this block.
    #[error("block {index} is being sent on another connection; offer the file again")]
    InUse {
        /// Index of the block.
        index: u64,
    },
    /// A block was damaged on its way.
    #[error(transparent)]
    Mismatch(#[from] BlockMismatch),
    /// The client commits before every block has arrived.
    #[error("{count} blocks from block {first} on are missing; send them before the commit")]
    Missing {
        /// Index of the first missing block.
        first: u64,
        /// Length of the first run of missing blocks.
        count: u64,
    },
    /// A message does not fit the state of the upload.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl ReceiveError {
    /// The reason sent to the client.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Changed { .. } | Self::Mismatch(_) => Reason::BlockMismatch,
            Self::DigestMismatch { .. } => Reason::DigestMismatch,
            Self::InUse { .. } => Reason::Busy,
            Self::Missing { .. } => Reason::OutOfStep,
            Self::Step(error) => error.reason(),
        }
    }
}

/// The contents of a `Have`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HavePage {
    /// Index of the first block.
    pub first: u64,
    /// The chaining values of this block and those behind it; `None` for a block that is not held.
    pub blocks: Vec<Option<Cv>>,
}

/// The action for the bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAction {
    /// Hash them and write them to the staging.
    Write,
    /// Read and discard them: the block is stored, or the upload is committed.
    Discard,
}

/// The action once all bytes of a block have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Completed {
    /// Record the block in the journal, then answer `Stored`.
    Journal,
    /// Answer `Stored`: the block was stored before.
    AlreadyStored,
    /// Answer nothing: the upload is committed.
    Discarded,
}
