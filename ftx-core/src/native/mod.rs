//! The native dialect, FTX/1. `PROTOCOL.md` section 3 specifies its bytes.
//!
//! A file is cut into blocks of 1 MiB. The hashes of the blocks join to the digest of the file. So
//! every block is verified when it arrives, in any order and over any number of connections, and
//! blocks that both sides hold are not sent.
//!
//! - [`blocks`]: blocks, their chaining values, manifests.
//! - [`wire`]: preface, frames and messages.
//! - [`upload`], [`download`]: the state machines, plain values that several connections of a session
//!   share; they see chaining values and never bytes.
//! - [`listing`]: checks the pages of a listing, so that no name leads out of its directory.
//! - [`Reason`]: the reason of a failure, finer than [`Status`](crate::Status).

pub mod blocks;
pub mod download;
pub mod listing;
pub mod upload;
pub mod wire;

mod hex;
mod reason;
mod silence;
mod step;

pub use hex::ParseHexError;
pub use reason::{Reason, Scope};
pub use silence::{Silence, SilenceAction};
pub use step::{BlockMismatch, StepError, StreamId, TransferProgress};
