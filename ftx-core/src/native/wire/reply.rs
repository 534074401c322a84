//! What a server says.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::header::control_frame;
use super::{
    Entry, FrameError, FrameHeader, FrameKind, Listed, MAX_CV_PAGE_BLOCKS, Meta, Token, Version,
};
use crate::codec;
use crate::native::Reason;
use crate::native::blocks::{Cv, Digest};

/// A server's message. Variants and fields are written in their order, so variants are only ever
/// appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// 0: the answer to a `Hello`, with the request id 0.
    Welcome {
        /// The version that is spoken from here on.
        version: u32,
        /// What the server can do beyond the version; unknown ones are ignored.
        features: Vec<String>,
        /// Program and version, for the client's log.
        agent: String,
        /// The session that the connection belongs to; others join it by this.
        session: Token,
        /// Bytes of files that may be on their way to the server unanswered, on a connection.
        window: u64,
        /// Requests that may be unanswered, on a connection.
        requests: u32,
    },
    /// 1: blocks that the server holds of a file that was offered.
    Have {
        /// Index of the first block that it speaks of.
        first: u64,
        /// One for each block from there on, at most [`MAX_CV_PAGE_BLOCKS`].
        blocks: Vec<Option<Cv>>,
    },
    /// 2: the blocks can come.
    Ready {
        /// Bytes of an interrupted upload that it goes on from.
        resumed: u64,
    },
    /// 3: a block is stored; its bytes are no longer unanswered.
    Stored {
        /// Index of the block.
        index: u64,
    },
    /// 4: the file has its name.
    Done {
        /// Its digest.
        digest: Digest,
        /// The server had just this file already.
        unchanged: bool,
    },
    /// 5: the file that was asked for.
    Found {
        /// Its bytes.
        size: u64,
        /// What else is known of it.
        meta: Meta,
        /// Which version it is.
        version: Version,
    },
    /// 6: chaining values of the file that was asked for.
    Cvs {
        /// Index of the first block.
        first: u64,
        /// One for each block from there on, at most [`MAX_CV_PAGE_BLOCKS`].
        cvs: Vec<Cv>,
    },
    /// 7: that was all.
    End {
        /// The digest of the whole file, where all of it was sent or asked for.
        digest: Option<Digest>,
    },
    /// 8: what a name stands for.
    Entry(Entry),
    /// 9: what is in a directory.
    Entries {
        /// Files, directories and what cannot be transferred, in their order.
        entries: Vec<Listed>,
        /// There are more after these.
        more: bool,
    },
    /// 10: a sign of life while the server reads its files.
    Working {
        /// Bytes that it has read.
        done: u64,
        /// Bytes that it is going to read.
        total: u64,
    },
    /// 11: the request has failed.
    Failed {
        /// A [`Reason`] as its code.
        reason: i32,
        /// For people: what failed, and what helps.
        message: String,
    },
    /// 12: the answer to a `Ping`, with its request id.
    Pong {
        /// What the `Ping` held.
        payload: u64,
    },
    /// 13: the file is gone.
    Removed,
    /// 14: the server closes the connection, with the request id 0.
    Goodbye {
        /// A [`Reason`] as its code.
        reason: i32,
        /// For people: why, and what helps.
        message: String,
    },
    /// 15: the file that a `Check` asked about is not there, or is another one: send it.
    Wanted,
    /// 16: another run uploads the source of an `Offer`, which waits for that; said once, and only to
    /// clients that name the feature [`WAITING`](super::WAITING).
    Waiting,
}

impl Reply {
    /// A `Failed`.
    #[must_use]
    pub fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::Failed { reason: reason.code(), message: message.into() }
    }

    /// A `Goodbye`.
    #[must_use]
    pub fn goodbye(reason: Reason, message: impl Into<String>) -> Self {
        Self::Goodbye { reason: reason.code(), message: message.into() }
    }

    /// The frame that carries it.
    ///
    /// # Errors
    /// It is too long, or cannot have this request id.
    pub fn encode(&self, request: u32) -> Result<Vec<u8>, FrameError> {
        self.check(request)?;
        control_frame(request, self)
    }

    /// The reply in a frame with this header.
    ///
    /// # Errors
    /// It is none, or cannot have this request id. The connection cannot go on.
    pub fn decode(header: &FrameHeader, payload: &[u8]) -> Result<Self, FrameError> {
        header.expect(FrameKind::Control)?;
        let kind = FrameKind::Control;
        let reply: Self =
            codec::decode(payload).map_err(|source| FrameError::Record { kind, source })?;
        reply.check(header.request)?;
        Ok(reply)
    }

    fn check(&self, request: u32) -> Result<(), FrameError> {
        match (self, request) {
            (Self::Pong { .. }, _) | (Self::Welcome { .. } | Self::Goodbye { .. }, 0) => Ok(()),
            (Self::Welcome { .. } | Self::Goodbye { .. }, 1..) => {
                Err(FrameError::RequestId { what: "a welcome or goodbye", request })
            }
            (Self::Have { blocks, .. }, 1..) => check_page(blocks.len()),
            (Self::Cvs { cvs, .. }, 1..) => check_page(cvs.len()),
            (
                Self::Have { .. }
                | Self::Ready { .. }
                | Self::Stored { .. }
                | Self::Done { .. }
                | Self::Found { .. }
                | Self::Cvs { .. }
                | Self::End { .. }
                | Self::Entry(_)
                | Self::Entries { .. }
                | Self::Working { .. }
                | Self::Failed { .. }
                | Self::Removed
                | Self::Wanted
                | Self::Waiting,
                request,
            ) => match request {
                0 => Err(FrameError::RequestId { what: "a reply", request }),
                _ => Ok(()),
            },
        }
    }
}

fn check_page(len: usize) -> Result<(), FrameError> {
    if len > MAX_CV_PAGE_BLOCKS { Err(FrameError::PageTooLong { len: len as u64 }) } else { Ok(()) }
}
