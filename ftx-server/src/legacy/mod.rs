//! The legacy dialect: the protocol of the original Qt programs.

mod driver;

pub(crate) use driver::serve;

/// Threads of one worker that may be dedicated to connections of this dialect.
pub(crate) const DEDICATED_THREADS: usize = 1;
