//! Starting a staging with the first bytes of an ordinary file.

use std::io::{self, Read as _, Seek as _};

use cap_std::fs::{Dir, File};

use super::PrefixStaging;
use crate::legacy::hash::hash_up_to;
use crate::{PrefixHasher, StagingFiles, StoreError};

impl PrefixStaging {
    /// Starts a staging with the first `hasher.len()` bytes of `source`, and with `hasher`, which
    /// must have hashed exactly these. The copy is hashed as a check, since `source` may have
    /// changed invisibly.
    ///
    /// Until something is appended there is no journal, and a crash or [`suspend`](Self::suspend)
    /// leaves nothing behind. Moves the position of `source`.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when `source` is shorter or has other bytes; those of
    /// [`create`](Self::create), and failures to copy. No file is left then.
    pub fn adopt(
        dir: &Dir,
        files: StagingFiles,
        name: &str,
        source: &File,
        hasher: PrefixHasher,
    ) -> Result<Self, StoreError> {
        let digest = hasher.digest();
        let staging = Self::adopt_private(dir, files, name, source, hasher)?;
        let mut copy = PrefixHasher::new();
        let read = staging.open_data().and_then(|mut data| {
            hash_up_to(&mut copy, &mut data, staging.len, &mut |_| true)
                .map_err(|error| StoreError::io("read", &staging.files.data, error))
        });
        let error = match read {
            Ok(_) if copy.digest() == digest => return Ok(staging),
            Ok(_) => StoreError::Changed { path: name.into() },
            Err(error) => error,
        };
        staging.discard()?;
        Err(error)
    }

    /// As [`adopt`](Self::adopt), but without hashing the copy: `source` is a staging, which only
    /// this user could have written.
    ///
    /// # Errors
    /// As [`adopt`](Self::adopt).
    pub fn adopt_private(
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

/// Copies in the kernel where possible; returns the number of bytes copied.
fn copy_start(source: &File, target: &std::fs::File, len: u64) -> io::Result<u64> {
    let mut source = source.try_clone()?.into_std();
    source.rewind()?;
    io::copy(&mut source.take(len), &mut { target })
}
