//! The legacy dialect, spoken by the Qt `FileServer`/`FileClient` system.
//!
//! A connection carries one job at a time. [`server::ServerMachine`] answers a client for as long as
//! it stays; [`upload::UploadMachine`] and [`download::DownloadMachine`] each bring one file across from the
//! client's side. All three are driven the same way:
//!
//! 1. take actions with `poll` until there are none, and carry out each of them;
//! 2. look at `want`: decode the peer's next message, move bytes of a file, or determine the fact
//!    that an earlier action requires;
//! 3. pass the result to the machine, and start over.
//!
//! The machines count the bytes of files and never copy them.
//!
//! # Original peers and ftx peers
//! The original programs truncate a file before resuming it, read numbers as 32 bits and confirm
//! uploads without checking them. Peers of our own mark themselves with one extra entry, `ftx_peer`, which
//! the originals ignore; `Peer` says which kind a machine faces, and every exception made for an
//! original is made in these modules.

pub mod download;
mod md5;
pub mod server;
pub mod upload;
pub mod wire;

pub use md5::{Md5Digest, ParseMd5Error};

/// The largest position or size that an original program reads correctly: it keeps the low 32 bits
/// as a signed number.
const ORIGINAL_MAX_BYTES: u64 = i32::MAX as u64;

/// The kind of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// An ftx program, recognised by its `ftx_peer` entry.
    Ftx,
    /// The original Qt program, or a program that speaks like it.
    Original,
}

impl Peer {
    const fn from_extended(extended: bool) -> Self {
        if extended { Self::Ftx } else { Self::Original }
    }

    /// Whether the peer is an ftx program.
    #[must_use]
    const fn is_ftx(self) -> bool {
        matches!(self, Self::Ftx)
    }
}

/// The first bytes of a file that one side holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Length in bytes.
    pub len: u64,
    /// Their MD5.
    pub md5: Md5Digest,
}

/// The input that a state machine needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The peer's next message.
    Message,
    /// `left` bytes of a file from the peer. The driver stores them.
    Body {
        /// Bytes still to read.
        left: u64,
    },
    /// `left` bytes of a file from the peer. The driver discards them: the peer sends all bytes that it
    /// has announced, and the next message stands behind them.
    Discard {
        /// Bytes still to read.
        left: u64,
    },
    /// The fact that an action requires. The driver must not read from the peer meanwhile.
    Fact,
    /// No input: the machine has ended.
    Nothing,
}

/// Input that does not fit the state of a machine. The connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A client probes for the native dialect on a connection in the legacy dialect. An answer like the
    /// original's would make it believe that this server is one.
    #[error("the peer changed its dialect in the middle of a connection")]
    DialectChange,
    /// The driver counted more bytes of a file than were announced.
    #[error("more bytes of the file than were announced")]
    TooManyBytes,
    /// The driver reported a fact that no action requires.
    #[error("fact out of step with the protocol")]
    OutOfStep,
}
