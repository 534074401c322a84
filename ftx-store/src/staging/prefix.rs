//! The first bytes of a staging, handed from one kind of staging to the other.

use cap_std::fs::Dir;

use crate::StagingFiles;
use crate::staging::locked_file::LockedFile;

/// A staging reduced to its first `len` bytes, all of which are good, with its data file still locked.
///
/// Its journal is still that of the staging it came from. Dropping it leaves that staging on the disk.
#[derive(Debug)]
pub struct StagedPrefix {
    pub(crate) dir: Dir,
    pub(crate) files: StagingFiles,
    /// The name that the staging was created with.
    pub(crate) name: String,
    pub(crate) data: LockedFile,
    /// Never 0.
    pub(crate) len: u64,
}
