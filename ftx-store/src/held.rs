//! A data file that nobody else may write to, for as long as this process holds it.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::{Dir, Metadata, OpenOptions};

use crate::files::remove;
use crate::{FileIdentity, StoreError, sys};

/// Opening competes with publishing, which takes the file away; once is enough nearly always.
const OPEN_ATTEMPTS: u32 = 4;

/// An open and locked data file. The lock goes with the process, so it is never stale.
#[derive(Debug)]
pub(crate) struct HeldFile {
    file: File,
}

impl HeldFile {
    /// Opens and locks, creating the file if need be; its contents are kept until the caller has
    /// seen to what else lies there. `None` as for [`open`](Self::open).
    pub(crate) fn create(dir: &Dir, path: &Path) -> Result<Option<Self>, StoreError> {
        Self::open_with(dir, path, OpenOptions::new().read(true).write(true).create(true))
    }

    /// Opens and locks; `None` when there is no such file.
    pub(crate) fn open(dir: &Dir, path: &Path) -> Result<Option<Self>, StoreError> {
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
            let held = Self { file };
            if !held.is_at(dir, path)? {
                continue;
            }
            let shared = sys::has_other_names(&held.file);
            if !shared.map_err(|error| StoreError::io("stat", path, error))? {
                return Ok(Some(held));
            }
            // Published by a link, and the process died before our name was removed.
            remove(dir, path)?;
        }
        Err(StoreError::InUse { path: path.to_path_buf() })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn identity(&self) -> io::Result<FileIdentity> {
        Ok(FileIdentity::of(&Metadata::from_file(&self.file)?))
    }

    pub(crate) fn is_at(&self, dir: &Dir, path: &Path) -> Result<bool, StoreError> {
        let stat_error = |error| StoreError::io("stat", path, error);
        let ours = self.identity().map_err(stat_error)?;
        match dir.symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            named => Ok(ours.same_file(&FileIdentity::of(&named.map_err(stat_error)?))),
        }
    }

    /// After a failed sync the page cache may hold bytes that the disk does not, marked as written:
    /// verifying these would prove nothing.
    pub(crate) fn forget_unsynced(&self) -> io::Result<()> {
        // What is not yet written cannot be forgotten either.
        self.file.sync_data()?;
        sys::forget_cached(&self.file);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        // A sync in the background may keep the file open for a while, and the lock with it.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::HeldFile;
    use crate::StoreError;

    #[test]
    fn a_file_that_took_its_name_while_being_opened_is_not_touched() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let path = Path::new("data");
        let held = HeldFile::create(&dir, path).unwrap().unwrap();
        assert!(held.is_at(&dir, path).unwrap());
        dir.rename(path, &dir, "file").unwrap();
        assert!(!held.is_at(&dir, path).unwrap());
        dir.write(path, "another").unwrap();
        assert!(!held.is_at(&dir, path).unwrap());
    }

    #[test]
    fn a_held_file_is_refused_to_others_until_it_is_dropped() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let path = Path::new("data");
        assert!(HeldFile::open(&dir, path).unwrap().is_none());
        let held = HeldFile::create(&dir, path).unwrap().unwrap();
        assert!(matches!(HeldFile::open(&dir, path), Err(StoreError::InUse { .. })));
        drop(held);
        assert!(HeldFile::open(&dir, path).unwrap().is_some());
    }

    #[test]
    fn a_file_that_was_published_by_a_link_is_let_go() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let path = Path::new("data");
        for open in [HeldFile::open, HeldFile::create] {
            dir.write(path, "published").unwrap();
            dir.hard_link(path, &dir, "file").unwrap();
            let mut file = open(&dir, path).unwrap();
            if let Some(file) = &mut file {
                assert_eq!(file.identity().unwrap().size, 0);
            }
            assert_eq!(dir.exists(path), file.is_some());
            assert_eq!(dir.read_to_string("file").unwrap(), "published");
            dir.remove_file("file").unwrap();
        }
    }
}
