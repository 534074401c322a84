//! I/O shared by the drivers of both sides: moving a connection's bytes, and keeping disk and hash
//! work off the threads that do so.
//!
//! A [`Transport`] moves a connection's bytes. [`BufferedStream`] reads and writes within limits, and
//! [`Frames`] adds the frames of the native dialect. An [`Executor`] says where blocking work runs. For
//! the legacy dialect, [`StagingWriter`] and [`ReadAhead`] work on blocking threads,
//! some chunks apart from the connection, so that socket, hash and disk overlap; [`hash_prefix`]
//! hashes in slices between which its caller can stop it.
#![forbid(unsafe_code)]

mod deadline;
mod error_chain;
mod executor;
mod field;
mod fingerprint;
mod flow;
mod legacy;
mod native;
mod rate_limit;
mod send_source;
mod speed_gauge;
mod stream;
mod tls;
mod transport;

pub use deadline::deadline_after;
pub use error_chain::{ErrorChain, panic_text};
pub use executor::{Executor, WorkPanicked};
pub use field::write_field;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use flow::RateLimits;
pub use legacy::hash::hash_prefix;
pub use legacy::read_ahead::ReadAhead;
pub use legacy::staging_writer::StagingWriter;
pub use legacy::write_task::{StagingGuard, StagingHandle};
pub use native::compression::{Compression, CompressionLevel, LineHint};
pub use native::frames::{
    DetachedFrames, FrameReader, FrameWriter, Frames, Incoming, ReadError, count_frames,
};
pub use rate_limit::{Pacer, RateLimit};
pub use send_source::SendSource;
pub use speed_gauge::MinSpeed;
pub use stream::{BufferedStream, DetachedStream, IoLimits, StreamError};
pub use tls::{ALPN_NATIVE, PemError, crypto_provider, read_certificates, read_private_key};
pub use transport::{DetachedTransport, TlsHandshakeError, Transport, prefer_bbr};

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
