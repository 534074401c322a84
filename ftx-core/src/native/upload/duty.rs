//! What a [`Receiver`](super::Receiver) says, and what its driver is to do.

use alloc::vec::Vec;

use crate::native::Reason;
use crate::native::blocks::{BlockRange, Cv, Digest, Manifest};
use crate::native::step::{BlockMismatch, StepError, StreamId};

/// Why an upload cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The client sent a block twice, with different bytes: its file changes.
    #[error("block {index} was sent twice with different contents; offer the file again")]
    Changed {
        /// Index of the block.
        index: u64,
    },
    /// The blocks do not make the file that the client means.
    #[error("the blocks make a file with the digest {computed}, not {claimed}; offer it again")]
    DigestMismatch {
        /// What they make.
        computed: Digest,
        /// What the client means.
        claimed: Digest,
    },
    /// A block did not arrive as it was sent.
    #[error(transparent)]
    Mismatch(#[from] BlockMismatch),
    /// The client ends the upload before every block is there.
    #[error("{count} blocks from block {first} on are missing; send them before the commit")]
    Missing {
        /// Index of the first one.
        first: u64,
        /// How many from there on, until the next that is there.
        count: u64,
    },
    /// The stream that was to write a block is gone, and this one did not keep it.
    #[error("block {index} was lost between two connections; offer the file again")]
    Interrupted {
        /// Index of the block.
        index: u64,
    },
    /// What was said does not fit.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl ReceiveError {
    /// The reason that stands for this error.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Changed { .. } => Reason::BlockMismatch,
            Self::DigestMismatch { .. } => Reason::DigestMismatch,
            Self::Interrupted { .. } | Self::Mismatch(_) => Reason::BlockMismatch,
            Self::Missing { .. } => Reason::OutOfStep,
            Self::Step(error) => error.reason(),
        }
    }
}

/// What a `Have` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HavePage {
    /// Index of the first block.
    pub first: u64,
    /// What is held, block by block from there on.
    pub blocks: Vec<Option<Cv>>,
}

/// What to do with a block whose frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What to do with its bytes.
    pub duty: Duty,
    /// The staging holds another version of it: let its journal forget that before the first byte
    /// is written.
    pub forget: bool,
}

/// What to do with the bytes that arrive on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Hash them and write them to the staging.
    Write,
    /// Hash them and keep them: another stream is writing the block.
    Hold,
    /// Hash them: the block is there, or another stream sees to it.
    Compare,
    /// Read them: they are for nobody.
    Drop,
}

/// What to do now that all bytes of a block are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Completed {
    /// Journal it, then answer `Stored`.
    Journal,
    /// Write the block that was kept, whatever becomes of the connection; then
    /// [`complete`](super::Receiver::complete) it again.
    WriteHeld {
        /// This stream was writing the block and is not to touch it any more. Write nothing
        /// before the write that it is in, if any, has ended.
        supersedes: Option<StreamId>,
    },
    /// Another stream is just writing what it kept. [`complete`](super::Receiver::complete) it again when
    /// that has been completed, too, or was lost; read nothing on this stream until then.
    Wait,
    /// Answer `Stored`: it was there.
    Known,
    /// Nothing: it was for nobody.
    Dropped,
}

/// What the file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The file that is to be published.
    pub manifest: Manifest,
    /// Blocks to be taken over from the published version before; all others are in the staging.
    pub copy: Vec<BlockRange>,
    /// The published version is just this file, and nothing has to be done for its contents.
    pub unchanged: bool,
}
