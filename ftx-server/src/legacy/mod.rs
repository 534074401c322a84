//! The legacy dialect: the protocol of the original Qt programs.

mod error;
mod handler;
mod transfer;

pub(crate) use handler::serve;

/// Threads of one worker that may be dedicated to connections of this dialect.
pub(crate) const DEDICATED_THREADS: usize = 1;
