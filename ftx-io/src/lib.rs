//! What the drivers of both sides share: moving a connection's bytes, and keeping disk and hash
//! work off the threads that do so.
//!
//! Nothing here knows a dialect. [`BufferedStream`] reads and writes within limits; [`StagingWriter`] and
//! [`ReadAhead`] work on blocking threads, one piece ahead of the connection, so that socket, hash
//! and disk overlap; [`hash_prefix`] hashes in slices between which its caller can stop it.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::path::Path;

use ftx_store::StoreError;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

mod deadline;
mod error_chain;
mod field;
mod legacy;
mod native;
mod stream;

pub use deadline::deadline_after;
pub use error_chain::{ErrorChain, panic_text};
pub use field::write_field;
pub use legacy::hash::hash_prefix;
pub use legacy::read_ahead::ReadAhead;
pub use legacy::staging_writer::StagingWriter;
pub use legacy::write_behind::SharedStaging;
pub use native::frames::{DetachedFrames, FrameReader, FrameWriter, Frames, Incoming, ReadError};
pub use stream::{BufferedStream, DetachedStream, IoLimits, StreamError};

/// How many bytes of a file move at a time: few enough to stay in the processor's cache between
/// socket, hash and disk.
pub const CHUNK_BYTES: usize = 128 * 1024;

/// Bytes to receive of a file before they are handed to the disk, when `transfers` do so at the
/// same time. Waking another thread costs as much as copying many of them, so one transfer alone
/// takes large steps; many share what memory is meant for that.
#[must_use]
pub fn receive_chunk_bytes(transfers: usize) -> usize {
    const RECEIVE_TOTAL_BYTES: usize = 16 * 1024 * 1024;
    (RECEIVE_TOTAL_BYTES / transfers.max(1)).clamp(CHUNK_BYTES / 2, 4 * CHUNK_BYTES)
}

thread_local! {
    static DEDICATED: Cell<bool> = const { Cell::new(false) };
    /// The runtime that has lent this thread.
    static LENDER: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Runs `work`, which drives a runtime that serves a single connection, so that [`blocking`] need not
/// spare the calling thread: for a small file, handing work to another one takes longer than the
/// work.
pub fn dedicate_thread<T>(work: impl FnOnce() -> T) -> T {
    dedicate(None, work)
}

/// As [`dedicate_thread`], for a thread that another runtime lends: it goes on to have that one's
/// [blocking threads](spawn_blocking).
pub fn dedicate_thread_of<T>(lender: Handle, work: impl FnOnce() -> T) -> T {
    dedicate(Some(lender), work)
}

fn dedicate<T>(lender: Option<Handle>, work: impl FnOnce() -> T) -> T {
    struct Restore(bool, Option<Handle>);
    impl Drop for Restore {
        fn drop(&mut self) {
            DEDICATED.set(self.0);
            LENDER.set(self.1.take());
        }
    }
    let lender = LENDER.replace(lender);
    let _restore = Restore(DEDICATED.replace(true), lender);
    work()
}

/// As [`tokio::task::spawn_blocking`], on the threads of the runtime that has lent this one: a runtime that serves a single connection has none, and would panic where the system gives it none.
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    match LENDER.with_borrow(Clone::clone) {
        Some(lender) => lender.spawn_blocking(work),
        None => tokio::task::spawn_blocking(work),
    }
}

/// Whether this thread serves a single connection, so that it may wait for a disk.
#[must_use]
pub fn is_dedicated() -> bool {
    DEDICATED.get()
}

/// Runs disk work where it stalls no other connection; `path` is what it is about.
///
/// # Errors
/// What `work` says.
pub async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    if is_dedicated() {
        return work();
    }
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::io("use", path, panicked(error))))
}

/// A blocking thread that panicked; the panic has been printed by its hook.
fn panicked(_: JoinError) -> std::io::Error {
    std::io::Error::other("a disk thread failed")
}
