//! The legacy dialect: what the Qt `FileServer`/`FileClient` system speaks.
//!
//! A connection carries one job at a time. [`server::ServerMachine`] answers a client for as long as
//! it stays; [`upload::UploadMachine`] and [`download::DownloadMachine`] each bring one file across from the
//! client's side. All three are driven the same way:
//!
//! 1. take actions with `poll` until there are none, and carry each out;
//! 2. look at `want`: decode the peer's next message, move bytes of a file, or tell a fact that an
//!    earlier action asked for;
//! 3. hand that in, and start over.
//!
//! Contents of files are counted here, never copied.
//!
//! # Original peers and ftx peers
//! The original programs truncate what they resume into, read numbers as 32 bits and confirm what
//! they did not check. Peers of our own mark themselves with one extra entry, `ftx_peer`, which
//! the originals ignore; `Peer` says which kind a machine faces, and every exception made for an
//! original is made in these modules.

pub mod download;
mod md5;
pub mod server;
pub mod upload;
pub mod wire;

pub use md5::{Md5Digest, ParseMd5Error};

/// The largest position or size that an original program reads rightly: it keeps the low 32 bits
/// as a signed number.
const ORIGINAL_MAX_BYTES: u64 = i32::MAX as u64;

/// What kind of program the other side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// One of ours, by its `ftx_peer` entry.
    Ftx,
    /// The original Qt program, or something that speaks like it.
    Original,
}

impl Peer {
    const fn from_extended(extended: bool) -> Self {
        if extended { Self::Ftx } else { Self::Original }
    }

    /// Whether the other side is one of ours.
    #[must_use]
    const fn is_ftx(self) -> bool {
        matches!(self, Self::Ftx)
    }
}

/// The first bytes of a file, as one side holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// How many bytes.
    pub len: u64,
    /// Their MD5.
    pub md5: Md5Digest,
}

/// What a state machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The peer's next message.
    Message,
    /// `left` bytes of a file from the peer, to be stored.
    Body {
        /// Bytes that are still to come.
        left: u64,
    },
    /// `left` bytes of a file from the peer, to be read and thrown away: the peer goes on sending
    /// what it announced, and the next message stands behind it.
    Discard {
        /// Bytes that are still to come.
        left: u64,
    },
    /// The fact that an action asked for. Nothing is to be read from the peer meanwhile.
    Fact,
    /// Nothing: the machine has ended.
    Nothing,
}

/// The machine was told something that does not fit its state. The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A client probes for the native dialect in the middle of a legacy conversation. Answering
    /// as the original does would make it believe that this server is one.
    #[error("the peer changed its dialect in the middle of a connection")]
    DialectChange,
    /// More bytes of a file were counted than were announced.
    #[error("more bytes of the file than were announced")]
    TooManyBytes,
    /// A driver told a fact that no action asked for.
    #[error("fact out of step with the protocol")]
    OutOfStep,
}
