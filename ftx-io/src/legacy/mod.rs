//! Input and output of the legacy dialect: chunks are written, hashed and read in the background.

pub(crate) mod background_hasher;
pub(crate) mod hash;
pub(crate) mod read_ahead;
pub(crate) mod staging_writer;
pub(crate) mod write_task;
