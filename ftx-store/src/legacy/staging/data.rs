//! The data file of bytes in their order: cut back to its known length after a failed write.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use cap_std::fs::Dir;

use crate::staging::locked_file::LockedFile;
use crate::{StagingFiles, StoreError};

/// A held data file. Its position is where the next byte goes, unless it is torn.
#[derive(Debug)]
pub(super) struct DataFile {
    held: LockedFile,
    /// More is in the file than counts: a part of a write that failed, or what is to be replaced.
    torn: bool,
}

impl DataFile {
    /// As [`LockedFile::create`].
    pub(super) fn create(dir: &Dir, files: &StagingFiles) -> Result<Self, StoreError> {
        let held = LockedFile::create(dir, &files.data, &files.journal)?;
        Ok(Self { held, torn: false })
    }

    /// A data file that is held already.
    pub(super) fn of(held: LockedFile) -> Self {
        Self { held, torn: true }
    }

    /// As [`LockedFile::open`].
    pub(super) fn open(
        dir: &Dir,
        path: &Path,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Self>, StoreError> {
        Ok(LockedFile::open(dir, path, keep_going)?.map(|held| Self { held, torn: false }))
    }

    /// Appends `bytes` to the `len` bytes that count; all or nothing.
    pub(super) fn append(&mut self, len: u64, bytes: &[u8]) -> io::Result<()> {
        self.trim(len)?;
        if let Err(error) = self.file().write_all(bytes) {
            self.torn = true;
            // When this fails too, the next attempt begins with it.
            let _ = self.trim(len);
            return Err(error);
        }
        Ok(())
    }

    /// Makes sure that only the `len` bytes that count are in the file.
    pub(super) fn trim(&mut self, len: u64) -> io::Result<()> {
        if self.torn { self.cut(len) } else { Ok(()) }
    }

    /// Has the next [`append`](Self::append) or [`trim`](Self::trim) cut off what does not count.
    pub(super) fn cut_later(&mut self) {
        self.torn = true;
    }

    /// Keeps the first `len` bytes and goes on behind them. What is not cut keeps its time, too.
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
        self.held.file()
    }

    pub(super) fn held(&self) -> &LockedFile {
        &self.held
    }

    #[cfg(test)]
    pub(super) fn tear(&mut self, garbage: &[u8]) {
        self.file().write_all(garbage).unwrap();
        self.torn = true;
    }

    #[cfg(test)]
    pub(super) fn swap_file(&mut self, file: File) -> File {
        self.held.swap_file(file)
    }
}
