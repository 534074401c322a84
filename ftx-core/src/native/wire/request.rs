//! Messages of a client.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::header::control_frame;
use super::{
    FrameError, FrameHeader, FrameKind, GetScope, MAX_GET_RANGES, Meta, Overwrite, Token, Version,
    next_frame,
};
use crate::codec;
use crate::native::blocks::Digest;

/// The longest record of a request: a server allocates no more.
pub const MAX_REQUEST_BYTES: u32 = 1 << 16;

/// A client's message. The order of variants and fields is the format, so new variants are appended.
///
/// Names are unvalidated text: the server parses them, and refuses an invalid one with `NameRefused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// 0: the first message of a connection, with the request id 0.
    Hello {
        /// Versions that the client speaks, the best first.
        versions: Vec<u32>,
        /// Abilities beyond the version; unknown ones are ignored.
        features: Vec<String>,
        /// Program and version, for the server's log.
        agent: String,
        /// The session to join; `None` for a new one.
        session: Option<Token>,
        /// Credentials, if the server requires some.
        auth: Option<String>,
        /// A lost session of the client: the server must begin no request of it any more.
        replaces: Option<Token>,
    },
    /// 1: begins an upload.
    Offer {
        /// The name of the published file.
        name: String,
        /// The size in bytes.
        size: u64,
        /// Modification time and access.
        meta: Meta,
        /// The condition for replacing an existing file.
        overwrite: Overwrite,
        /// The run of the client: random, and the same for each attempt of one upload.
        run: Token,
        /// The identity of the client's file in its present version: the same in each run that uploads
        /// it, and in no other. `None` for data that is not a file, which no other run shares.
        source: Option<Token>,
    },
    /// 2: publishes an upload whose blocks are all stored.
    Commit {
        /// The digest of the client's file.
        digest: Digest,
    },
    /// 3: ends an upload without publishing it.
    Abandon {
        /// Discard the stored blocks instead of keeping them for a later offer.
        discard: bool,
    },
    /// 4: begins a download.
    Get {
        /// The file.
        name: String,
        /// The required version; `None` for the present one.
        version: Option<Version>,
        /// The requested part.
        what: GetScope,
    },
    /// 5: looks up a name.
    Stat {
        /// A file or directory.
        name: String,
    },
    /// 6: lists a directory.
    List {
        /// The directory, empty for the root.
        name: String,
        /// Include all subdirectories.
        recursive: bool,
        /// Only entries behind this name, escaped like a [`RawName`](crate::RawName).
        after: Option<String>,
        /// The most entries of the page; the server may send fewer.
        limit: u32,
    },
    /// 7: requests the digest of a file.
    Digest {
        /// The file.
        name: String,
    },
    /// 8: removes a file.
    Remove {
        /// The file.
        name: String,
    },
    /// 9: checks that the server answers. The request id may be 0.
    Ping {
        /// Returned in the answer.
        payload: u64,
    },
    /// 10: creates a directory unless it exists. Uploads create the directories of their files, so this
    /// is for empty ones.
    MakeDirectory {
        /// The directory.
        name: String,
    },
    /// 11: checks whether the server has exactly this file. If so, the server sets its `meta`, and the
    /// client need not send it.
    Check {
        /// The file.
        name: String,
        /// The size in bytes.
        size: u64,
        /// Modification time and access.
        meta: Meta,
        /// The digest of the file.
        digest: Digest,
    },
}

impl Request {
    /// Encodes the message as a frame.
    ///
    /// # Errors
    /// The message is too long, has too many ranges, or must not have this request id.
    pub fn encode(&self, request: u32) -> Result<Vec<u8>, FrameError> {
        self.check(request)?;
        let frame = control_frame(request, self)?;
        if let Some(header) = next_frame(&frame)? {
            Self::check_header(&header)?;
        }
        Ok(frame)
    }

    /// Decodes the request in a frame with this header.
    ///
    /// # Errors
    /// The payload is not a request, or must not have this request id. The connection must be closed.
    pub fn decode(header: &FrameHeader, payload: &[u8]) -> Result<Self, FrameError> {
        Self::check_header(header)?;
        let kind = FrameKind::Control;
        let request: Self =
            codec::decode(payload).map_err(|source| FrameError::Record { kind, source })?;
        request.check(header.request)?;
        Ok(request)
    }

    /// Checks kind and length of a client's frame.
    ///
    /// # Errors
    /// The frame has another kind, or is longer than [`MAX_REQUEST_BYTES`].
    fn check_header(header: &FrameHeader) -> Result<(), FrameError> {
        header.expect(FrameKind::Control)?;
        if header.len > MAX_REQUEST_BYTES {
            return Err(FrameError::RequestTooLong { len: header.len.into() });
        }
        Ok(())
    }

    fn check(&self, request: u32) -> Result<(), FrameError> {
        match (self, request) {
            (Self::Hello { .. }, 1..) => Err(FrameError::RequestId { what: "a hello", request }),
            (Self::Hello { .. }, 0) | (Self::Ping { .. }, _) => Ok(()),
            (Self::Get { what: GetScope::Blocks(ranges), .. }, _)
                if ranges.len() > MAX_GET_RANGES =>
            {
                Err(FrameError::RequestTooLong { len: 16 * ranges.len() as u64 })
            }
            (
                Self::Offer { .. }
                | Self::Commit { .. }
                | Self::Abandon { .. }
                | Self::Get { .. }
                | Self::Stat { .. }
                | Self::List { .. }
                | Self::Digest { .. }
                | Self::Remove { .. }
                | Self::MakeDirectory { .. }
                | Self::Check { .. },
                request,
            ) => match request {
                0 => Err(FrameError::RequestId { what: "a request", request }),
                _ => Ok(()),
            },
        }
    }
}
