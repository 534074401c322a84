//! Instructions of the client's request machines to their driver.

use alloc::string::String;

use crate::native::Reason;
use crate::native::blocks::Digest;
use crate::native::step::{StepError, TransferProgress};
use crate::native::wire::Meta;

/// The driver's number of a file.
pub type FileId = usize;

/// A file that was sent completely, or is about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentFile {
    /// The size in bytes.
    pub size: u64,
    /// The digest of the bytes.
    pub digest: Digest,
    /// Modification time and access.
    pub meta: Meta,
}

/// A server's refusal of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedFile {
    /// The reason.
    pub reason: Reason,
    /// The error and its remedy, for people.
    pub message: String,
}

impl RefusedFile {
    /// Whether our saved chaining values of the file may be wrong, so that the blocks must be read again.
    #[must_use]
    pub const fn doubts_blocks(&self) -> bool {
        matches!(self.reason, Reason::BlockMismatch | Reason::DigestMismatch)
    }

    /// Whether the server may have refused a file because of itself: an earlier attempt published it, and
    /// the reply was lost.
    pub(super) const fn is_in_the_way(&self) -> bool {
        matches!(self.reason, Reason::AlreadyExists | Reason::PreconditionFailed)
    }
}

/// A refused file that an earlier attempt may have published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnconfirmedFile {
    /// The file that the earlier attempt sent.
    pub sent: SentFile,
    /// The refusal, which counts if the server has another file.
    pub refused: RefusedFile,
}

/// The driver's step after a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadStep {
    /// None.
    Nothing,
    /// Count the heartbeat as progress: a waiting offer keeps its place in the line.
    KeptPlace,
    /// Report that the file waits for another run that uploads it.
    Waits,
    /// Report that the file begins at this byte, and wake all streams: blocks can be claimed.
    Begun {
        /// Bytes of the interrupted upload that the server holds.
        resumed: u64,
        /// The size of the file.
        size: u64,
    },
    /// Report the progress.
    Stored {
        /// The progress of the file.
        progress: TransferProgress,
        /// The size of the file.
        size: u64,
        /// It was the last block, so wake the stream that commits.
        is_last: bool,
    },
    /// Read the probed file again later: [`NextUpload::Wanted`](super::NextUpload::Wanted) names it.
    Wanted,
    /// Ask the server with a `Check` whether it has the file of the earlier attempt, and begin
    /// [`UploadRequests::confirm`](super::UploadRequests::confirm).
    Confirm(UnconfirmedFile),
    /// Report the end of the file.
    Ended(UploadEnd),
}

/// The end of a file on the server's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadEnd {
    /// The server has published the file.
    Done {
        /// Bytes that went over the wire, including repeated ones.
        moved: u64,
        /// The server had the whole file before.
        already_there: bool,
    },
    /// The probed file is on the server.
    UpToDate {
        /// The size of the file.
        size: u64,
    },
    /// The server refused the file.
    Refused(RefusedFile),
    /// The server reports another file than was sent.
    OtherStored,
}

impl UploadEnd {
    /// The end of a file that the server reports as stored.
    pub(super) fn of(sent: Digest, stored: Digest, end: Self) -> UploadStep {
        UploadStep::Ended(if sent == stored { end } else { Self::OtherStored })
    }
}

/// Decides about a refusal. `before` is the file of an earlier attempt that got no reply.
pub(super) fn refused(before: Option<SentFile>, refused: RefusedFile) -> UploadStep {
    match before {
        Some(sent) if refused.is_in_the_way() => {
            UploadStep::Confirm(UnconfirmedFile { sent, refused })
        }
        Some(_) | None => UploadStep::Ended(UploadEnd::Refused(refused)),
    }
}

pub(super) const fn out_of_step(what: &'static str) -> StepError {
    StepError::OutOfStep { what }
}

/// The commit of a file over all attempts, as long as it is unanswered.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnansweredCommit(Option<(u32, SentFile)>);

impl UnansweredCommit {
    /// Records that a request is about to commit the file. The first one counts.
    pub fn announce(&mut self, request: u32, sent: SentFile) {
        self.0.get_or_insert((request, sent));
    }

    /// Records that the server has refused the file.
    pub const fn answered(&mut self) {
        self.0 = None;
    }

    /// The file that an earlier request than this one committed, without a reply.
    #[must_use]
    pub fn before(&self, request: u32) -> Option<SentFile> {
        self.0.filter(|(commit, _)| *commit != request).map(|(_, sent)| sent)
    }
}
