//! What has become of a job's files.

use super::codes::FTX_PENDING;
use crate::job::File;
use crate::pointer::Versioned;

/// A file of a job. Set `struct_size` to `sizeof(ftx_file)` before it is filled in.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FtxFile {
    /// Bytes of this struct, as the caller knows it.
    pub struct_size: u32,
    /// 0 if it is done, `FTX_PENDING` if it is not, otherwise why it has failed.
    pub status: i32,
    /// The code of the original system for it.
    pub original_status: i32,
    /// 1 if both sides had it and nothing was moved, otherwise 0.
    pub already_there: u32,
    /// How many of its bytes were moved by the try that has ended it.
    pub moved: u64,
    /// How many of its bytes are across, as far as that was told.
    pub done: u64,
    /// How many bytes it has, as far as that was told.
    pub total: u64,
}

// SAFETY: the size comes first, and all fields are numbers.
unsafe impl Versioned for FtxFile {
    const NAME: &'static str = "ftx_file";
}

impl From<&File> for FtxFile {
    fn from(file: &File) -> Self {
        let failure = file.outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
        let outcome = file.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        let status = match (failure, outcome) {
            (Some(failure), _) => failure.status,
            (None, Some(_)) => 0,
            (None, None) => FTX_PENDING,
        };
        Self {
            struct_size: 0,
            status,
            original_status: failure
                .map_or_else(|| crate::status::original(status), |failure| failure.original),
            already_there: outcome.is_some_and(|outcome| outcome.already_there).into(),
            moved: outcome.map_or(0, |outcome| outcome.moved),
            done: file.done,
            total: file.total,
        }
    }
}
