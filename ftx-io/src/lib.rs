//! I/O shared by the drivers of both sides: moving a connection's bytes, and keeping disk and hash
//! work off the threads that do so.
//!
//! A [`Transport`] moves a connection's bytes. [`BufferedStream`] reads and writes within limits, and [`Frames`] adds the frames of the native
//! dialect. For the legacy dialect, [`StagingWriter`] and [`ReadAhead`] work on blocking threads,
//! some chunks apart from the connection, so that socket, hash and disk overlap; [`hash_prefix`]
//! hashes in slices between which its caller can stop it.
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
mod transport;

pub use deadline::deadline_after;
pub use error_chain::{ErrorChain, panic_text};
pub use field::write_field;
pub use legacy::hash::hash_prefix;
pub use legacy::read_ahead::ReadAhead;
pub use legacy::staging_writer::StagingWriter;
pub use legacy::write_behind::SharedStaging;
pub use native::frames::{DetachedFrames, FrameReader, FrameWriter, Frames, Incoming, ReadError};
pub use stream::{BufferedStream, DetachedStream, IoLimits, StreamError};
pub use transport::{DetachedTransport, Transport};

/// The bytes of a file that move at a time: few enough to stay in the processor's cache between
/// socket, hash and disk.
pub const CHUNK_BYTES: usize = 128 * 1024;

/// Returns the bytes of a file to receive before handing them to the disk, while `transfers` do so
/// concurrently. Waking another thread costs as much as copying many bytes, so a single transfer
/// takes large steps; many share the memory meant for that.
#[must_use]
pub fn receive_chunk_bytes(transfers: usize) -> usize {
    const RECEIVE_TOTAL_BYTES: usize = 16 * 1024 * 1024;
    (RECEIVE_TOTAL_BYTES / transfers.max(1)).clamp(CHUNK_BYTES / 2, 4 * CHUNK_BYTES)
}

thread_local! {
    static DEDICATED: Cell<bool> = const { Cell::new(false) };
    /// The runtime that lent this thread.
    static LENDER: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Runs `work`, which drives a runtime with a single connection, so that [`blocking`] may block the
/// calling thread: for a small file, handing work to another thread takes longer than the work.
pub fn dedicate_thread<T>(work: impl FnOnce() -> T) -> T {
    dedicate(None, work)
}

/// As [`dedicate_thread`], for a thread lent by another runtime, whose [blocking
/// threads](spawn_blocking) it keeps using.
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

/// As [`tokio::task::spawn_blocking`], on the threads of the runtime that lent this one: a runtime
/// with a single connection has no blocking threads, and would panic if the system could not create
/// any.
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

/// Runs disk work on `path` where it stalls no other connection.
///
/// # Errors
/// The errors of `work`.
pub async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    blocking_for(path, work).await
}

/// As [`blocking`], for work whose errors are of another type.
///
/// # Errors
/// The errors of `work`.
pub async fn blocking_for<T, E>(
    path: &Path,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    if is_dedicated() {
        return work();
    }
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::io("use", path, panicked(error)).into()))
}

/// A panicked blocking thread; the panic hook has printed the panic.
fn panicked(_: JoinError) -> std::io::Error {
    std::io::Error::other("a disk thread failed")
}
