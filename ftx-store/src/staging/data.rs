//! The data file: locked, and cut back to its known length after a failed write.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use cap_std::fs::{Dir, Metadata, OpenOptions};

use crate::{FileIdentity, StoreError};

/// Opening competes with publishing, which takes the file away; once is enough nearly always.
const OPEN_ATTEMPTS: u32 = 4;

/// An open data file. Its position is where the next byte goes, unless it is torn.
#[derive(Debug)]
pub(super) struct DataFile {
    file: File,
    /// More is in the file than counts: a part of a write that failed, or what is to be replaced.
    torn: bool,
}

impl DataFile {
    /// Opens and locks, creating the file if need be; its contents are kept until the caller has
    /// seen to what else lies there. `None` as for [`open`](Self::open).
    pub(super) fn create(dir: &Dir, path: &Path) -> Result<Option<Self>, StoreError> {
        Self::open_with(dir, path, OpenOptions::new().read(true).write(true).create(true))
    }

    /// Opens and locks; `None` when there is no such file.
    pub(super) fn open(dir: &Dir, path: &Path) -> Result<Option<Self>, StoreError> {
        Self::open_with(dir, path, OpenOptions::new().read(true).write(true))
    }

    fn open_with(
        dir: &Dir,
        path: &Path,
        options: &OpenOptions,
    ) -> Result<Option<Self>, StoreError> {
        for _ in 0..OPEN_ATTEMPTS {
            let file = match dir.open_with(path, options) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                opened => opened.map_err(|error| StoreError::io("open", path, error))?.into_std(),
            };
            match file.try_lock() {
                // Where nothing can be locked, the callers' own order has to do.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path, error)),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::InUse { path: path.to_path_buf() });
                }
                Ok(()) => {}
            }
            // The one who held the lock may have published the file in the meantime; then this is
            // the published file, and writing to it would destroy it.
            let data = Self { file, torn: false };
            if data.is_at(dir, path)? {
                return Ok(Some(data));
            }
        }
        Err(StoreError::InUse { path: path.to_path_buf() })
    }

    /// Appends `bytes` to the `len` bytes that count; all or nothing.
    pub(super) fn append(&mut self, len: u64, bytes: &[u8]) -> io::Result<()> {
        self.settle(len)?;
        if let Err(error) = self.file.write_all(bytes) {
            self.torn = true;
            // When this fails too, the next attempt begins with it.
            let _ = self.settle(len);
            return Err(error);
        }
        Ok(())
    }

    /// Makes sure that only the `len` bytes that count are in the file.
    pub(super) fn settle(&mut self, len: u64) -> io::Result<()> {
        if self.torn { self.cut(len) } else { Ok(()) }
    }

    /// Has the next [`append`](Self::append) or [`settle`](Self::settle) cut off what does not count.
    pub(super) fn cut_later(&mut self) {
        self.torn = true;
    }

    /// Keeps the first `len` bytes and goes on behind them.
    pub(super) fn cut(&mut self, len: u64) -> io::Result<()> {
        self.torn = true;
        self.file.set_len(len)?;
        self.file.seek(SeekFrom::Start(len))?;
        self.torn = false;
        Ok(())
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn identity(&self) -> io::Result<FileIdentity> {
        Ok(FileIdentity::of(&Metadata::from_file(&self.file)?))
    }

    pub(super) fn is_at(&self, dir: &Dir, path: &Path) -> Result<bool, StoreError> {
        let stat_error = |error| StoreError::io("stat", path, error);
        let ours = self.identity().map_err(stat_error)?;
        match dir.symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            named => Ok(ours.same_file(&FileIdentity::of(&named.map_err(stat_error)?))),
        }
    }

    #[cfg(test)]
    pub(super) fn tear(&mut self, garbage: &[u8]) {
        self.file.write_all(garbage).unwrap();
        self.torn = true;
    }

    #[cfg(test)]
    pub(super) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        // A sync in the background may keep the file open for a while, and the lock with it.
        let _ = self.file.unlock();
    }
}
