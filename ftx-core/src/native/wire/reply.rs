//! Messages of a server.

use alloc::string::String;
use alloc::vec::Vec;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::header::control_frame;
use super::{
    Entry, FrameError, FrameHeader, FrameKind, Listed, MAX_CV_PAGE_BLOCKS, Meta, Token, Version,
};
use crate::codec;
use crate::native::blocks::{Cv, Digest};
use crate::native::{Granule, Reason};

/// A server's message. The order of variants and fields is the format, so new variants are appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// 0: the answer to a `Hello`, with the request id 0.
    Welcome {
        /// The protocol version of the connection.
        version: u32,
        /// Abilities beyond the version; unknown ones are ignored.
        features: Vec<String>,
        /// Program and version, for the client's log.
        agent: String,
        /// The session of the connection, by which further connections join it.
        session: Token,
        /// The most unanswered bytes of files on a connection to the server.
        window: u64,
        /// The most unanswered requests on a connection.
        requests: u32,
    },
    /// 1: blocks that the server holds of an offered file.
    Have {
        /// Index of the first block.
        first: u64,
        /// One value for each block from `first` on, at most [`MAX_CV_PAGE_BLOCKS`].
        blocks: Vec<Option<Cv>>,
    },
    /// 2: the server is ready for blocks.
    Ready {
        /// Bytes of the interrupted upload that is resumed.
        resumed: u64,
        /// The durable unit of the store. One of a single block is left out, so the message may end
        /// before it.
        #[serde(skip_serializing_if = "Granule::is_one", deserialize_with = "granule_if_any")]
        granule: Granule,
    },
    /// 3: a block is stored.
    Stored {
        /// Index of the block.
        index: u64,
    },
    /// 4: the file is published.
    Done {
        /// The digest of the file.
        digest: Digest,
        /// The server had exactly this file before.
        unchanged: bool,
    },
    /// 5: the requested file.
    Found {
        /// The size in bytes.
        size: u64,
        /// Modification time and access.
        meta: Meta,
        /// The version of the file.
        version: Version,
    },
    /// 6: chaining values of the requested file.
    Cvs {
        /// Index of the first block.
        first: u64,
        /// One value for each block from `first` on, at most [`MAX_CV_PAGE_BLOCKS`].
        cvs: Vec<Cv>,
    },
    /// 7: the end of an answer.
    End {
        /// The digest of the file, if all of it was sent or requested.
        digest: Option<Digest>,
    },
    /// 8: the answer to a `Stat`.
    Entry(Entry),
    /// 9: a page of a listing.
    Entries {
        /// Files, directories and untransferable entries in ascending order.
        entries: Vec<Listed>,
        /// More entries follow these.
        more: bool,
    },
    /// 10: a heartbeat while the server works on a request.
    Working {
        /// Bytes read.
        done: u64,
        /// Bytes to read.
        total: u64,
    },
    /// 11: the request has failed.
    Failed {
        /// A [`Reason`] as its code.
        reason: i32,
        /// The error and its remedy, for people.
        message: String,
    },
    /// 12: the answer to a `Ping`, with its request id.
    Pong {
        /// The payload of the `Ping`.
        payload: u64,
    },
    /// 13: the file is removed.
    Removed,
    /// 14: the server closes the connection, with the request id 0.
    Goodbye {
        /// A [`Reason`] as its code.
        reason: i32,
        /// The cause and its remedy, for people.
        message: String,
    },
    /// 15: the file of a `Check` is missing or differs, so the client must send it.
    Wanted,
    /// 16: an `Offer` waits, because another run is uploading the same source; sent once, and only to
    /// clients with the feature [`WAITING`](super::WAITING).
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

    /// Encodes the message as a frame.
    ///
    /// # Errors
    /// The message is too long, or must not have this request id.
    pub fn encode(&self, request: u32) -> Result<Vec<u8>, FrameError> {
        self.check(request)?;
        control_frame(request, self)
    }

    /// Decodes the reply in a frame with this header.
    ///
    /// # Errors
    /// The payload is not a reply, or must not have this request id. The connection must be closed.
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

/// The last field of a message that may end before it. Each value has one form: that of a single block
/// is nothing.
fn granule_if_any<'de, D: Deserializer<'de>>(decoder: D) -> Result<Granule, D::Error> {
    match u32::deserialize(decoder) {
        Err(_) => Ok(Granule::ONE),
        Ok(1) => Err(D::Error::custom("a granule of one block, which is left out")),
        Ok(blocks) => Granule::new(blocks).map_err(D::Error::custom),
    }
}

fn check_page(len: usize) -> Result<(), FrameError> {
    if len > MAX_CV_PAGE_BLOCKS { Err(FrameError::PageTooLong { len: len as u64 }) } else { Ok(()) }
}
