//! Going on with what an ordinary file begins with.

use std::io::{self, Read as _, Seek as _};

use cap_std::fs::{Dir, File};

use super::Staging;
use crate::{PrefixHasher, StagingFiles, StoreError};

impl Staging {
    /// Starts a staging with the first `hasher.len()` bytes of `source`, and with `hasher`, which
    /// must have taken in just these. Nothing is read again to check that: whoever hashed and
    /// hands over compares the [`FileIdentity`](crate::FileIdentity) of `source` before and after.
    ///
    /// Until something is appended there is no journal, and a crash or
    /// [`suspend`](Self::suspend) leaves nothing behind. The position of `source` is moved.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when `source` is shorter than that; those of
    /// [`create`](Self::create), and of copying. No file is left then.
    pub fn adopt(
        dir: &Dir,
        files: StagingFiles,
        name: &str,
        source: &File,
        hasher: PrefixHasher,
    ) -> Result<Self, StoreError> {
        let mut staging = Self::create(dir, files, name)?;
        let copied = copy_start(source, staging.data.file(), hasher.len());
        let error = match copied {
            Ok(copied) if copied == hasher.len() => {
                staging.flusher.note(copied);
                staging.len = copied;
                staging.hasher = hasher;
                staging.only_copied = true;
                return Ok(staging);
            }
            Ok(_) => StoreError::Changed { path: name.into() },
            Err(error) => StoreError::io("write", &staging.files.data, error),
        };
        staging.discard()?;
        Err(error)
    }
}

/// Copies with the system's own means where it has them; returns how much was there.
fn copy_start(source: &File, target: &std::fs::File, len: u64) -> io::Result<u64> {
    let mut source = source.try_clone()?.into_std();
    source.rewind()?;
    io::copy(&mut source.take(len), &mut { target })
}
