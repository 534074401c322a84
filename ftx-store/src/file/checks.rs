//! Checks before a file is opened or filled.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::{Dir, Metadata};

use crate::{FileIdentity, Positioned, StoreError, available_bytes};

/// Accepts only regular files: a directory has no contents, and opening a pipe or a device may wait
/// for ever.
///
/// # Errors
/// [`StoreError::IsDirectory`], or [`StoreError::NotRegular`] for a pipe, socket or device.
pub fn check_regular(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    if metadata.is_file() {
        return Ok(());
    }
    if metadata.is_dir() {
        return Err(StoreError::io("open", path, ErrorKind::IsADirectory.into()));
    }
    Err(StoreError::NotRegular { path: path.to_owned(), kind: kind_of(metadata) })
}

/// Accepts only a regular file, which a new file of that name may replace. `metadata` describes the
/// name itself, not the target of a link.
///
/// # Errors
/// [`StoreError::Link`], [`StoreError::IsDirectory`], or [`StoreError::NotRegular`].
pub fn check_replaceable(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    if metadata.is_symlink() {
        return Err(StoreError::Link { path: path.to_owned() });
    }
    if metadata.is_dir() {
        return Err(StoreError::io("replace", path, ErrorKind::IsADirectory.into()));
    }
    check_regular(path, metadata)
}

/// The type of something that is neither a file nor a directory, for messages.
fn kind_of(metadata: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use cap_std::fs::FileTypeExt as _;

        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_char_device() {
            return "a character device";
        }
        if kind.is_block_device() {
            return "a block device";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    #[cfg(not(unix))]
    let _ = metadata;
    "something else"
}

/// Checks in advance that the file system of `dir` has room for `len` bytes of the file `path`.
///
/// # Errors
/// [`StoreError::NoSpace`], and failures to query the system.
pub fn check_space(dir: &Dir, path: &Path, len: u64) -> Result<(), StoreError> {
    let available =
        available_bytes(dir).map_err(|error| StoreError::io("look for space for", path, error))?;
    if len <= available {
        return Ok(());
    }
    let text = format!("{len} bytes are needed and {available} are free");
    Err(StoreError::io("store", path, io::Error::new(ErrorKind::StorageFull, text)))
}

/// Checks that a file ends exactly where its size, as recorded in `identity`, says: the size is
/// sent before the bytes are read.
///
/// # Errors
/// [`StoreError::UnknownSize`] for a file with another length, as in `/proc`;
/// [`StoreError::Changed`] if it has just changed; and read errors.
pub fn check_size(path: &Path, file: &File, identity: &FileIdentity) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("read", path, error);
    let size = identity.size;
    let (at, expected) = if size == 0 { (0, 0) } else { (size - 1, 1) };
    let mut around_end = [0; 2];
    if read_at(file, &mut around_end, at).map_err(failed)? == expected {
        return Ok(());
    }
    if FileIdentity::of_std(file).map_err(failed)? != *identity {
        return Err(StoreError::Changed { path: path.to_owned() });
    }
    Err(StoreError::UnknownSize { path: path.to_owned(), size })
}

/// Reads as many bytes as possible and returns their number.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    for len in (1..=buffer.len()).rev() {
        let Some(part) = buffer.get_mut(..len) else { continue };
        match Positioned::default().read_exact_at(file, part, offset) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            read => return read.map(|()| len),
        }
    }
    Ok(0)
}
