//! The data file of a staging of bytes, cut back to its valid length after a failed write.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use cap_std::fs::Dir;

use crate::staging::locked_file::LockedFile;
use crate::{StagingFiles, StoreError};

/// A locked data file. Its position is where the next byte goes, unless it is torn.
#[derive(Debug)]
pub(super) struct DataFile {
    locked: LockedFile,
    /// The file has bytes beyond the valid ones: part of a failed write, or bytes to be replaced.
    torn: bool,
}

impl DataFile {
    /// As [`LockedFile::create`].
    pub(super) fn create(dir: &Dir, files: &StagingFiles) -> Result<Self, StoreError> {
        let locked = LockedFile::create(dir, &files.data, &files.journal)?;
        Ok(Self { locked, torn: false })
    }

    /// Takes over a locked data file.
    pub(super) fn of(locked: LockedFile) -> Self {
        Self { locked, torn: true }
    }

    /// As [`LockedFile::open`].
    pub(super) fn open(
        dir: &Dir,
        path: &Path,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Self>, StoreError> {
        Ok(LockedFile::open(dir, path, keep_going)?.map(|locked| Self { locked, torn: false }))
    }

    /// Appends `bytes` behind the `len` valid ones; all or nothing.
    pub(super) fn append(&mut self, len: u64, bytes: &[u8]) -> io::Result<()> {
        self.trim(len)?;
        if let Err(error) = self.file().write_all(bytes) {
            self.torn = true;
            // If this fails too, the next attempt starts with it.
            let _ = self.trim(len);
            return Err(error);
        }
        Ok(())
    }

    /// Cuts the file to its `len` valid bytes.
    pub(super) fn trim(&mut self, len: u64) -> io::Result<()> {
        if self.torn { self.cut(len) } else { Ok(()) }
    }

    /// Makes the next [`append`](Self::append) or [`trim`](Self::trim) cut off the invalid bytes.
    pub(super) fn cut_later(&mut self) {
        self.torn = true;
    }

    /// Keeps the first `len` bytes, with the position behind them. A file that is not cut keeps its
    /// time.
    pub(super) fn cut(&mut self, len: u64) -> io::Result<()> {
        self.torn = true;
        if self.file().metadata()?.len() != len {
            self.file().set_len(len)?;
        }
        self.file().seek(SeekFrom::Start(len))?;
        self.torn = false;
        Ok(())
    }

    pub(super) fn file(&self) -> &File {
        self.locked.file()
    }

    pub(super) fn locked(&self) -> &LockedFile {
        &self.locked
    }

    #[cfg(test)]
    pub(super) fn tear(&mut self, garbage: &[u8]) {
        self.file().write_all(garbage).unwrap();
        self.torn = true;
    }

    #[cfg(test)]
    pub(super) fn swap_file(&mut self, file: File) -> File {
        self.locked.swap_file(file)
    }
}
