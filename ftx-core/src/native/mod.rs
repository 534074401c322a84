//! The native dialect, FTX/1: `PROTOCOL.md` section 3 says what goes over the wire.
//!
//! A file is cut into blocks of 1 MiB, each with a hash of its own, from which the digest of the
//! whole is joined. So every block is verified when it arrives, in any order and over any number of
//! connections, and what both sides hold already is not sent.
//!
//! - [`blocks`]: blocks, their chaining values, manifests.
//! - [`wire`]: preface, frames and messages.
//! - [`upload`], [`download`]: the machines, plain values that several connections of a session
//!   share; they see chaining values and never bytes.
//! - [`listing`]: what a client takes of a listing, so that no name leads out of it.
//! - [`Reason`]: why something failed, finer than [`Status`](crate::Status).

pub mod blocks;
pub mod download;
pub mod listing;
pub mod upload;
pub mod wire;

mod hex;
mod reason;
mod step;

pub use hex::ParseHexError;
pub use reason::{Reason, Scope};
pub use step::{BlockMismatch, StepError, StreamId, TransferProgress};
