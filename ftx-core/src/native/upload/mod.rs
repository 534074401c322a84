//! Both sides of uploads: they decide which blocks are sent, and when a file is complete.
//!
//! [`UploadRequests`] holds all requests of a client. For each file that is sent in blocks it has a
//! [`Sender`], to which the server's [`Receiver`] corresponds:
//!
//! ```text
//!   Sender (client)                              Receiver (server)
//!     have    ◀──────────── Have ──────────────── have: blocks of the server
//!     ready   ◀──────────── Ready ───────────────
//!     claim ─▶ read, hash
//!     hashed: Skip, or Send
//!     sent    ───────────── block frame ────────▶ accept, write, complete, journal
//!     stored  ◀──────────── Stored ──────────────
//!     all_stored ────────── Commit ─────────────▶ commit: copy, publish
//! ```
//!
//! All connections of a session share one machine, which knows them by their
//! [`StreamId`](super::StreamId). The machines see no bytes: drivers read, hash, send and write.
//!
//! # Example
//! An upload of three blocks, of which the server holds one:
//!
//! ```
//! use ftx_core::native::Granule;
//! use ftx_core::native::blocks::{BLOCK_BYTES, Digest, PartialManifest, block_cv};
//! use ftx_core::native::upload::{BlockAction, Completed, Receiver, SendDecision, Sender};
//!
//! let file = vec![7; 2 * BLOCK_BYTES as usize + 5];
//! let size = file.len() as u64;
//! let blocks: Vec<&[u8]> = file.chunks(BLOCK_BYTES as usize).collect();
//!
//! // Block 0 is left from an interrupted upload.
//! let mut staged = PartialManifest::new(size);
//! assert!(staged.set(0, block_cv(size, 0, blocks[0])?));
//! let mut receiver = Receiver::new(staged, None);
//!
//! // The client has offered the file; `Have` and `Ready` arrive.
//! let mut sender = Sender::new(size, 8 * BLOCK_BYTES);
//! for page in receiver.have() {
//!     sender.have(page.first, &page.blocks)?;
//! }
//! sender.ready(Granule::ONE)?;
//!
//! let stream = 0;
//! let mut sent = Vec::new();
//! while let Some(claim) = sender.claim(stream) {
//!     let cv = block_cv(size, claim.index, blocks[claim.index as usize])?;
//!     if claim.theirs.is_some() && sender.hashed(claim.index, cv)? == SendDecision::Skip {
//!         continue;
//!     }
//!     sender.sent(claim.index, cv)?;
//!     sent.push(claim.index);
//!
//!     // The server's driver writes and hashes the bytes, records the block, and answers `Stored`.
//!     assert_eq!(receiver.accept(stream, claim.index, claim.len)?, BlockAction::Write);
//!     assert_eq!(receiver.complete(stream, cv, cv)?, Completed::Journal);
//!     sender.stored(stream, claim.index)?;
//! }
//! assert_eq!(sent, [1, 2]);
//!
//! let digest = sender.all_stored().ok_or("blocks are missing")?;
//! assert_eq!(digest, Digest::of(&file));
//! assert!(receiver.commit(digest)?.is_empty(), "no block is copied from a published version");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod action;
mod offer;
mod probe;
mod receiver;
mod request;
mod sender;
mod small;
mod step;
mod stream;

pub use action::{BlockAction, Completed, HavePage, ReceiveError};
pub use offer::HashedBlock;
pub use receiver::Receiver;
pub use request::{AnsweredUpload, NextUpload, UploadRequests};
pub use sender::{ClaimedBlock, SendDecision, Sender};
pub use step::{
    FileId, RefusedFile, SentFile, UnansweredCommit, UnconfirmedFile, UploadEnd, UploadStep,
};
pub use stream::{OwedReplies, StreamLimits};
