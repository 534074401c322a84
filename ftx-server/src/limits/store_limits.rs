//! Limits on the files that clients store.

use ftx_core::RemoteName;

/// Limits on the files that clients store, and on their uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreLimits {
    /// The size of the largest file.
    pub max_file_bytes: u64,
    /// The parts of the longest path: `a/b/c` has three.
    pub name_parts: usize,
    /// The bytes of the longest path.
    pub name_bytes: usize,
    /// Uploads that are open at one time. Small files, which are stored in one step, do not count.
    pub open_uploads: usize,
    /// The same for each user. The clients without credentials count as one user, and the legacy ones as
    /// another.
    pub open_uploads_per_user: usize,
    /// Unfinished uploads of each user, open or interrupted, in each dialect.
    pub stagings_per_user: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: 16 << 40,
            name_parts: 128,
            name_bytes: RemoteName::MAX_BYTES,
            open_uploads: 4096,
            open_uploads_per_user: 1024,
            stagings_per_user: 10_000,
        }
    }
}
