//! Both sides of one upload: they decide which blocks are sent, and when the file is complete.
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

mod action;
mod receiver;
mod sender;

pub use action::{BlockAction, Completed, HavePage, ReceiveError};
pub use receiver::Receiver;
pub use sender::{ClaimedBlock, SendDecision, Sender};
