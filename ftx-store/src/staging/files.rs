//! The two files of a staging.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::staging::private_file::remove;
use crate::{Journal, JournalRecord, StoreError};

/// Where a staging lies: the names of its two files, each a single component.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StagingFiles {
    /// The data, which becomes the published file.
    pub data: PathBuf,
    /// The journal. That of a [`Staging`](crate::Staging) comes into being with the first
    /// checkpoint, so that a small file costs one file only; that of a
    /// [`BlockStaging`](crate::BlockStaging) with the staging.
    pub journal: PathBuf,
}

impl StagingFiles {
    /// Where a copy of the data lies while it is being made for a staging whose file has another name.
    /// What is left there by a crash is of no use.
    #[must_use]
    pub fn copy(&self) -> PathBuf {
        copy_of(&self.data)
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        check_single(&self.data)?;
        check_single(&self.journal)
    }

    /// Removes both, the journal first: it must never be there for other data than its own.
    pub(crate) fn remove(&self, dir: &Dir) -> Result<(), StoreError> {
        remove(dir, &self.journal)?;
        remove(dir, &self.data)
    }

    /// Removes a journal without data, if that can be: it is of no use, and is replaced with the next
    /// data.
    pub(crate) fn remove_orphan(&self, dir: &Dir) {
        if let Err(error) = remove(dir, &self.journal) {
            tracing::debug!(%error, "a journal without data stays behind");
        }
    }

    /// Notes in the journal that a sync failed, so that recovery reads the data instead of
    /// believing this kernel run.
    pub(crate) fn distrust(
        &self,
        dir: &Dir,
        journal: Option<&mut Journal>,
    ) -> Result<(), StoreError> {
        match journal.map(|journal| journal.append(&JournalRecord::Distrust)) {
            // Starting over is worse than going on, but better than a damaged file.
            Some(Err(_)) => remove(dir, &self.journal),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

/// Where a copy of the data in `path` lies while it is being made.
pub(crate) fn copy_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".own");
    name.into()
}

/// Passes a name that is a single component.
pub(crate) fn check_single(path: &Path) -> Result<(), StoreError> {
    if path.file_name() == Some(path.as_os_str()) {
        Ok(())
    } else {
        Err(StoreError::BadName { path: path.to_path_buf() })
    }
}
