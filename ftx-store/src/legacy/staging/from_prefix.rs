//! Resuming from the first bytes of a staging of blocks.

use cap_std::fs::Dir;

use super::PrefixStaging;
use super::data::DataFile;
use crate::legacy::hash::hash_up_to;
use crate::staging::private_file::remove;
use crate::{PrefixHasher, StagedPrefix, StagingFiles, StoreError};

impl PrefixStaging {
    /// Turns `prefix` into a staging of bytes, in its place: hashes it, cuts off the bytes behind it and
    /// replaces the journal. Calls `keep_going` now and then with the bytes hashed so far.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`] when `keep_going` returns `false`, and then everything stays; those of
    /// reading and cutting the data and of writing the journal anew.
    pub fn from_prefix(
        prefix: StagedPrefix,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Self, StoreError> {
        let StagedPrefix { dir, files, name, data, len } = prefix;
        let hasher = hash(&dir, &files, len, keep_going)?;
        // Before the data is cut: the old journal would describe blocks that are gone.
        remove(&dir, &files.journal)?;
        let mut data = DataFile::of(data);
        data.cut(len).map_err(|error| StoreError::io("truncate", &files.data, error))?;
        let mut staging = Self::assemble(dir, files, name, data, hasher);
        staging.checkpoint()?;
        Ok(staging)
    }
}

fn hash(
    dir: &Dir,
    files: &StagingFiles,
    len: u64,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> Result<PrefixHasher, StoreError> {
    let failed = |error| StoreError::io("read", &files.data, error);
    let mut file = dir.open(&files.data).map_err(failed)?.into_std();
    let mut hasher = PrefixHasher::new();
    if hash_up_to(&mut hasher, &mut file, len, keep_going).map_err(failed)? {
        return Ok(hasher);
    }
    Err(StoreError::Cancelled { path: files.data.clone() })
}
