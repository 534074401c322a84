//! The two files of a staging.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::staging::private_file::remove;
use crate::{Journal, JournalRecord, StoreError};

/// The names of a staging's two files, each a single component.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StagingFiles {
    /// The data, which becomes the published file.
    pub data: PathBuf,
    /// The journal. A [`PrefixStaging`](crate::PrefixStaging) creates it at the first checkpoint, so that a
    /// small file costs only one file; a [`BlockStaging`](crate::BlockStaging) creates it at once.
    pub journal: PathBuf,
}

impl StagingFiles {
    /// The name of the temporary copy made for a staging whose data has a second name. A copy left
    /// by a crash is useless.
    #[must_use]
    pub fn copy(&self) -> PathBuf {
        copy_of(&self.data)
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        check_single(&self.data)?;
        check_single(&self.journal)
    }

    /// Removes both, the journal first: it must never lie beside other data than its own.
    pub(crate) fn remove(&self, dir: &Dir) -> Result<(), StoreError> {
        remove(dir, &self.journal)?;
        remove(dir, &self.data)
    }

    /// Removes a journal without data, if possible: it is useless, and the next data replaces it.
    pub(crate) fn remove_orphan(&self, dir: &Dir) {
        if let Err(error) = remove(dir, &self.journal) {
            tracing::debug!(%error, "a journal without data cannot be removed");
        }
    }

    /// Records a failed sync in the journal, so that recovery reads the data instead of trusting
    /// this epoch.
    pub(crate) fn distrust(
        &self,
        dir: &Dir,
        journal: Option<&mut Journal>,
    ) -> Result<(), StoreError> {
        match journal.map(|journal| journal.append(&JournalRecord::Distrust)) {
            // Starting over is worse than resuming, but better than a damaged file.
            Some(Err(_)) => remove(dir, &self.journal),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

/// The name of the temporary copy of the data in `path`.
pub(crate) fn copy_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".own");
    name.into()
}

/// Accepts only a single component.
pub(crate) fn check_single(path: &Path) -> Result<(), StoreError> {
    if path.file_name() == Some(path.as_os_str()) {
        Ok(())
    } else {
        Err(StoreError::BadName { path: path.to_path_buf() })
    }
}
