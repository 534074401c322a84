//! The legacy dialect, spoken by the Qt `FileServer`/`FileClient` system.
//!
//! A connection carries one transfer at a time. [`server::ServerMachine`] serves a client until it
//! disconnects; an [`upload::UploadMachine`] or a [`download::DownloadMachine`] is the client's side of
//! one transfer. All three are driven the same way:
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
//! uploads without checking them. An ftx program marks itself with one extra entry, `ftx_peer`, which
//! the originals ignore. `Peer` is the kind of a machine's peer, and these modules contain every
//! exception for an original.
//!
//! # Example
//! An interrupted upload is resumed. Both machines are joined by two buffers, in place of a socket:
//!
//! ```
//! use ftx_core::RemoteName;
//! use ftx_core::legacy::server::{Fact, ServerAction, ServerMachine};
//! use ftx_core::legacy::upload::{UploadAction, UploadMachine};
//! use ftx_core::legacy::wire::{DecodeLimits, decode_reply, decode_request};
//! use ftx_core::legacy::{Md5Digest, Prefix, Want};
//! # use md5::Digest as _;
//! # fn md5(bytes: &[u8]) -> Md5Digest {
//! #     Md5Digest(md5::Md5::digest(bytes).into())
//! # }
//!
//! let limits = DecodeLimits::default();
//! let name: RemoteName = "greeting.txt".parse()?;
//! let file = b"hello, world";
//! // The bytes that the interrupted upload has left on the server.
//! let mut staging = b"hello, ".to_vec();
//!
//! let mut client = UploadMachine::new(&name, file.len() as u64);
//! let mut server = ServerMachine::new();
//! let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
//!
//! let outcome = 'upload: loop {
//!     // The client's driver carries out all actions, then passes the next reply to its machine.
//!     while let Some(action) = client.poll() {
//!         match action {
//!             UploadAction::Send(request) => request.encode(&mut to_server),
//!             UploadAction::HashPrefix { len } => client.hashed(md5(&file[..len as usize]))?,
//!             UploadAction::SendBody { offset, .. } => {
//!                 to_server.extend(&file[offset as usize..]);
//!                 client.sent(Some(md5(file)))?;
//!             }
//!             UploadAction::Finish(outcome) => break 'upload outcome,
//!         }
//!     }
//!     if let Some((reply, len)) = decode_reply(&to_client, &limits)? {
//!         to_client.drain(..len);
//!         client.message(reply)?;
//!     }
//!
//!     // The server's driver answers each action with a fact, and stores the body as it arrives.
//!     while let Some(action) = server.poll() {
//!         match action {
//!             ServerAction::Send(reply) => reply.encode(&mut to_client),
//!             ServerAction::OfferUpload { .. } => {
//!                 let held = Prefix { len: staging.len() as u64, md5: md5(&staging) };
//!                 server.fact(Fact::UploadOffer { held: Some(held), published: false })?;
//!             }
//!             ServerAction::BeginUpload { resume, .. } => {
//!                 if !resume {
//!                     staging.clear();
//!                 }
//!                 server.fact(Fact::UploadBegun)?;
//!             }
//!             ServerAction::CommitUpload => {
//!                 // A real driver renames the staging to `name` here.
//!                 server.fact(Fact::UploadPublished { md5: Some(md5(&staging)) })?;
//!             }
//!             other => unreachable!("{other:?}"),
//!         }
//!     }
//!     match server.want() {
//!         Want::Message => {
//!             if let Some((request, len)) = decode_request(&to_server, &limits)? {
//!                 to_server.drain(..len);
//!                 server.message(request)?;
//!             }
//!         }
//!         Want::Body { left } => {
//!             let len = to_server.len().min(left as usize);
//!             staging.extend(to_server.drain(..len));
//!             server.fact(Fact::BodyReceived { len: len as u64 })?;
//!         }
//!         other => unreachable!("{other:?}"),
//!     }
//! };
//!
//! assert_eq!(staging, file);
//! assert_eq!(outcome.sent, 5, "only the missing bytes were sent");
//! assert!(outcome.reusable, "the connection can carry the next transfer");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

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
