//! What the drivers of both sides share: moving a connection's bytes, and keeping disk and hash
//! work off the threads that do so.
//!
//! Nothing here knows a dialect. [`Wire`] reads and writes within limits; [`StagingWriter`] and
//! [`FileReader`] work on blocking threads, one piece ahead of the connection, so that socket, hash
//! and disk overlap; [`hash_prefix`] hashes in slices between which its caller can stop it.
#![forbid(unsafe_code)]

use std::path::Path;

use ftx_store::StoreError;

mod chain;
mod hash;
mod lane;
mod pipeline;
mod reader;
mod trail;
mod wire;
mod writer;

pub use chain::Chain;
pub use hash::hash_prefix;
pub use pipeline::StagingSlot;
pub use reader::FileReader;
pub use wire::{Guard, Wire, WireError};
pub use writer::StagingWriter;

/// How many bytes of a file move at a time: small enough to stay in the processor's cache between
/// socket, hash and disk.
pub const CHUNK: usize = 128 * 1024;

/// Runs disk work where it stalls no connection; `path` is what it is about.
///
/// # Errors
/// What `work` says.
pub async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::io("use", path, panicked(error))))
}

/// A blocking thread that panicked; the panic has been printed by its hook.
fn panicked(_: tokio::task::JoinError) -> std::io::Error {
    std::io::Error::other("a disk thread failed")
}
