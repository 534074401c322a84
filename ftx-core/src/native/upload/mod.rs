//! Both sides of one upload: which blocks are sent, and when the file is whole.
//!
//! ```text
//!   Sender (client)                              Receiver (server)
//!     have    ◀──────────── Have ──────────────── have: what the server holds
//!     ready   ◀──────────── Ready ───────────────
//!     claim ─▶ read, hash
//!     hashed: Skip, or Send
//!     sent    ───────────── block frame ────────▶ accept, write, complete, journal
//!     stored  ◀──────────── Stored ──────────────
//!     all_stored ────────── Commit ─────────────▶ commit: copy, publish
//! ```
//!
//! Both are used by all connections of a session at once, which they know by their
//! [`StreamId`](super::StreamId), and see no bytes: drivers read, hash, send and write.

mod action;
mod receiver;
mod sender;

pub use action::{BlockAction, Completed, HavePage, ReceiveError};
pub use receiver::Receiver;
pub use sender::{ClaimedBlock, SendDecision, Sender};
