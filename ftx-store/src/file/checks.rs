//! What is checked before a file is opened or filled.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::{Dir, Metadata};

use crate::{FileIdentity, Positioned, StoreError, available_bytes};

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
    Err(StoreError::NotRegular { path: path.to_owned(), kind: kind_of(metadata) })
}

/// Passes what a file of that name may replace: a regular file. `metadata` is that of the name, not of
/// what a link leads to.
///
/// # Errors
/// [`StoreError::Link`], [`StoreError::IsDirectory`], or [`StoreError::NotRegular`] for what is none of
/// these.
pub fn check_replaceable(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    if metadata.is_symlink() {
        return Err(StoreError::Link { path: path.to_owned() });
    }
    if metadata.is_dir() {
        return Err(StoreError::io("replace", path, ErrorKind::IsADirectory.into()));
    }
    check_regular(path, metadata)
}

/// What it is that is neither a file nor a directory, for people.
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

/// Passes a file that ends where its size says, as `identity` has it: what is sent has a size before it
/// is read.
///
/// # Errors
/// [`StoreError::UnknownSize`] for one that does not, as in `/proc`; [`StoreError::Changed`] if it was
/// changed just now; and those of reading.
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

/// Reads as much as there is, and tells how much that was.
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
