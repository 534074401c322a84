//! What is checked before a file is opened or filled.

use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::{Dir, Metadata};

use crate::{StoreError, available_bytes};

/// Passes regular files only: a directory has no contents, and opening a pipe or a device waits or
/// does worse.
///
/// # Errors
/// [`StoreError::IsDirectory`], or [`StoreError::NotRegular`] for what is neither.
pub fn check_regular(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    if metadata.is_file() {
        return Ok(());
    }
    if metadata.is_dir() {
        return Err(StoreError::io("open", path, ErrorKind::IsADirectory.into()));
    }
    Err(StoreError::NotRegular { path: path.to_owned() })
}

/// Passes if `len` bytes can still be written in the file system of `dir`, before any is. `path`
/// is the file they are for.
///
/// # Errors
/// [`StoreError::NoSpace`], and those of asking the system.
pub fn check_space(dir: &Dir, path: &Path, len: u64) -> Result<(), StoreError> {
    let available =
        available_bytes(dir).map_err(|error| StoreError::io("look for space for", path, error))?;
    if len <= available {
        return Ok(());
    }
    let text = format!("{len} bytes are needed and {available} are free");
    Err(StoreError::io("store", path, io::Error::new(ErrorKind::StorageFull, text)))
}
