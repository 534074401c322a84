//! What a client asks.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::header::control_frame;
use super::{
    FrameError, FrameHeader, FrameKind, GetScope, MAX_RANGES, Meta, Overwrite, Token, Version,
    next_frame,
};
use crate::codec;
use crate::native::blocks::Digest;

/// The longest request, in bytes of its record: a server makes room for no more.
pub const MAX_REQUEST_BYTES: u32 = 1 << 16;

/// A client's message. Variants and fields are written in their order, so variants are only ever
/// appended.
///
/// Names are text as it came: a server parses them, and refuses one with `NameRefused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// 0: the first message of a connection, with the request id 0.
    Hello {
        /// Versions that the client speaks, the best first.
        versions: Vec<u32>,
        /// What the client can do beyond the version; unknown ones are ignored.
        features: Vec<String>,
        /// Program and version, for the server's log.
        agent: String,
        /// The session to join, or none for a new one.
        session: Option<Token>,
        /// Proof that the client may use the server, if it wants one.
        auth: Option<String>,
        /// A session of the client's own that it has lost: what it asked there and was not answered is
        /// not to be begun any more.
        replaces: Option<Token>,
    },
    /// 1: begins an upload.
    Offer {
        /// The name that the file is to have.
        name: String,
        /// Its bytes.
        size: u64,
        /// What else is to be kept of it.
        meta: Meta,
        /// What may become of a file that is there.
        overwrite: Overwrite,
        /// Which run of a client it is: random, and the same for each try of one upload.
        run: Token,
        /// Which file of which machine it is, as it is now: the same in each run that uploads it, and
        /// in no other. None for what is no file; that is no other run's source.
        source: Option<Token>,
    },
    /// 2: ends an upload whose blocks are all stored: give it its name.
    Commit {
        /// The digest of the client's file.
        digest: Digest,
    },
    /// 3: ends an upload without that.
    Abandon {
        /// Throw away what arrived, instead of keeping it for later.
        discard: bool,
    },
    /// 4: begins a download.
    Get {
        /// The file.
        name: String,
        /// The version that it must be, or whichever it is.
        version: Option<Version>,
        /// What is wanted of it.
        what: GetScope,
    },
    /// 5: what does this name stand for?
    Stat {
        /// A file or directory.
        name: String,
    },
    /// 6: what is in a directory?
    List {
        /// The directory, empty for the root.
        name: String,
        /// With all that is in the directories below it.
        recursive: bool,
        /// Only what comes after this name, escaped as a [`RawName`](crate::RawName) is.
        after: Option<String>,
        /// At most so many entries; the server may give fewer.
        limit: u32,
    },
    /// 7: what is the digest of this file?
    Digest {
        /// The file.
        name: String,
    },
    /// 8: take this file away.
    Remove {
        /// The file.
        name: String,
    },
    /// 9: are you there? The request id may be 0.
    Ping {
        /// Comes back in the answer.
        payload: u64,
    },
    /// 10: see to it that this directory is there. Those that files lie in are made with them, so this is
    /// for those without any.
    MakeDirectory {
        /// The directory.
        name: String,
    },
    /// 11: is a file of at most one block there already, just as it would be sent? If it is, it is given
    /// this `meta`, and nothing need be sent.
    Check {
        /// The file.
        name: String,
        /// Its bytes.
        size: u64,
        /// What else is to be kept of it.
        meta: Meta,
        /// Its digest.
        digest: Digest,
    },
}

impl Request {
    /// The frame that carries it.
    ///
    /// # Errors
    /// It is too long, names too many ranges, or cannot have this request id.
    pub fn encode(&self, request: u32) -> Result<Vec<u8>, FrameError> {
        self.check(request)?;
        let frame = control_frame(request, self)?;
        if let Some(header) = next_frame(&frame)? {
            Self::check_header(&header)?;
        }
        Ok(frame)
    }

    /// The request in a frame with this header.
    ///
    /// # Errors
    /// It is none, or cannot have this request id. The connection cannot go on.
    pub fn decode(header: &FrameHeader, payload: &[u8]) -> Result<Self, FrameError> {
        Self::check_header(header)?;
        let kind = FrameKind::Control;
        let request: Self =
            codec::decode(payload).map_err(|source| FrameError::Record { kind, source })?;
        request.check(header.request)?;
        Ok(request)
    }

    /// Looks at the header of a control frame from a client, before room is made for its payload.
    ///
    /// # Errors
    /// It is another kind of frame, or longer than [`MAX_REQUEST_BYTES`].
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
            (Self::Get { what: GetScope::Blocks(ranges), .. }, _) if ranges.len() > MAX_RANGES => {
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
