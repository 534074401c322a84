//! The locked data file of a staging: only this process may write to it.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::{Dir, Metadata, OpenOptions};

use crate::staging::break_hard_link::break_hard_link;
use crate::staging::part_names::is_ours;
use crate::staging::private_file::{self, PartialFile, remove};
use crate::sys::Writers;
use crate::{FileIdentity, StagingFiles, StoreError, sys};

/// Attempts to open a file while another process publishes it away. One nearly always suffices.
const OPEN_ATTEMPTS: u32 = 4;

/// An open and locked data file. The lock ends with the process, so it is never stale.
#[derive(Debug)]
pub(crate) struct LockedFile {
    file: File,
    /// Whether dropping it must release the lock explicitly.
    unlock_on_drop: bool,
}

impl LockedFile {
    /// Creates and locks an empty file that no other user can open. Removes an existing file of
    /// that name and the `journal`, which must not outlive the data it describes.
    pub(crate) fn create(dir: &Dir, path: &Path, journal: &Path) -> Result<Self, StoreError> {
        // Only under the lock of the data: before, it could be another staging's.
        let locked = Self::create_plain(dir, path, Some(journal))?;
        match remove(dir, journal) {
            Ok(()) => Ok(locked),
            Err(error) => {
                let _ = remove(dir, path);
                Err(error)
            }
        }
    }

    /// As [`create`](Self::create), but removes a journal only together with the data it describes.
    pub(crate) fn create_plain(
        dir: &Dir,
        path: &Path,
        journal: Option<&Path>,
    ) -> Result<Self, StoreError> {
        for _ in 0..OPEN_ATTEMPTS {
            match private_file::create(dir, path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    // Another process may be at work on it.
                    let _held = Self::open_at(dir, path)?;
                    journal.map_or(Ok(()), |journal| remove(dir, journal))?;
                    remove(dir, path)?;
                }
                created => {
                    let file = created.map_err(|error| StoreError::io("create", path, error))?;
                    match Self::lock(file, dir, path)? {
                        Some((locked, _)) => return Ok(locked),
                        None => continue,
                    }
                }
            }
        }
        Err(StoreError::InUse { path: path.to_path_buf() })
    }

    /// Creates and locks an empty file under the name of a partial file, replacing one left by an
    /// interrupted transfer. `None` if the name belongs to a user's file.
    pub(crate) fn create_part(dir: &Dir, files: &StagingFiles) -> Result<Option<Self>, StoreError> {
        let path = &files.data;
        match private_file::create(dir, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if is_ours(dir, files)? {
                    return Self::create_plain(dir, path, Some(&files.journal)).map(Some);
                }
                Ok(None)
            }
            created => {
                let file = created.map_err(|error| StoreError::io("create", path, error))?;
                Ok(Self::lock(file, dir, path)?.map(|(locked, _)| locked))
            }
        }
    }

    /// Creates an empty file in a directory that no other process uses, without a lock or a check
    /// of ownership, replacing an existing one. It has `mode`, reduced by the process's umask.
    pub(crate) fn create_unlocked(dir: &Dir, path: &Path, mode: u32) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        sys::with_mode(&mut options, mode);
        let opened = match dir.open_with(path, &options) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                remove(dir, path)?;
                dir.open_with(path, &options)
            }
            opened => opened,
        };
        let file = opened.map_err(|error| StoreError::io("create", path, error))?.into_std();
        Ok(Self { file, unlock_on_drop: false })
    }

    /// Opens and locks the file; `None` when there is none, or one that other users could have
    /// written, which stays as it is.
    ///
    /// A file with a second name, be it published or in a backup made of links, is first replaced
    /// by a [copy](crate::staging::break_hard_link), since writing to it would change the file of
    /// that name; discarding it instead would lose the data. Calls `keep_going` now and then with
    /// the bytes copied so far; it may stop the copying.
    pub(crate) fn open(
        dir: &Dir,
        path: &Path,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Self>, StoreError> {
        for _ in 0..OPEN_ATTEMPTS {
            match Self::open_at(dir, path)? {
                None => return Ok(None),
                Some((locked, metadata)) if sys::has_other_names(&metadata) => {
                    break_hard_link(dir, path, &locked.file, keep_going)?;
                }
                Some((locked, _)) => return Ok(Some(locked)),
            }
        }
        Err(StoreError::InUse { path: path.to_path_buf() })
    }

    /// Returns the locked file of that name and its metadata; `None` without a file of this user's.
    fn open_at(dir: &Dir, path: &Path) -> Result<Option<(Self, Metadata)>, StoreError> {
        for _ in 0..OPEN_ATTEMPTS {
            let found = private_file::open(dir, path, true);
            match found.map_err(|error| StoreError::io("open", path, error))? {
                PartialFile::Missing | PartialFile::Foreign => return Ok(None),
                PartialFile::Ours(file) => {
                    let locked = Self::lock(file, dir, path)?;
                    if locked.is_some() {
                        return Ok(locked);
                    }
                }
            }
        }
        Err(StoreError::InUse { path: path.to_path_buf() })
    }

    /// Locks a file opened by this name; `None` if it has lost the name meanwhile.
    fn lock(file: File, dir: &Dir, path: &Path) -> Result<Option<(Self, Metadata)>, StoreError> {
        match file.try_lock() {
            // On file systems without locks, the callers' own order must suffice.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path, error)),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { path: path.to_path_buf() });
            }
            Ok(()) => {}
        }
        // The process that held the lock may have published the file meanwhile. Then this is the
        // published file, and writing to it would destroy it.
        let metadata = Metadata::from_file(&file);
        let metadata = metadata.map_err(|error| StoreError::io("stat", path, error))?;
        let locked = Self { file, unlock_on_drop: true };
        let is_at = is_at(&FileIdentity::of(&metadata), dir, path)?;
        Ok(is_at.then_some((locked, metadata)))
    }

    /// Whether only this user could have written it.
    pub(crate) fn is_written_by_us_alone(&self) -> io::Result<bool> {
        Ok(Writers::of_file(&self.file)? == Writers::Us)
    }

    /// Promises that the file is open nowhere else, so that closing it releases the lock. That
    /// saves a system call.
    pub(crate) fn unlocked_by_closing(mut self) -> Self {
        self.unlock_on_drop = false;
        self
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Checks that `path` in `dir` still names this file: if another file has taken its place,
    /// renaming would publish that one.
    pub(crate) fn check_is_at(&self, dir: &Dir, path: &Path) -> Result<(), StoreError> {
        let identity = self.identity().map_err(|error| StoreError::io("stat", path, error))?;
        if is_at(&identity, dir, path)? {
            return Ok(());
        }
        Err(StoreError::Vanished { path: path.to_path_buf() })
    }

    pub(crate) fn identity(&self) -> io::Result<FileIdentity> {
        Ok(FileIdentity::of(&Metadata::from_file(&self.file)?))
    }

    /// Drops the page cache after a failed sync: it may hold bytes, marked as written, that the
    /// disk lacks, and verifying those would prove nothing.
    pub(crate) fn forget_unsynced(&self) -> io::Result<()> {
        // Dirty pages cannot be dropped.
        self.file.sync_data()?;
        sys::forget_cached(&self.file);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

/// Whether `path` in `dir` is the file of this identity.
fn is_at(identity: &FileIdentity, dir: &Dir, path: &Path) -> Result<bool, StoreError> {
    match dir.symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        named => {
            let named = named.map_err(|error| StoreError::io("stat", path, error))?;
            Ok(identity.same_file(&FileIdentity::of(&named)))
        }
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // A background sync may keep the file open for a while, and the lock with it.
        if self.unlock_on_drop {
            let _ = self.file.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use tempfile::TempDir;

    use super::{LockedFile, is_at};
    use crate::StoreError;

    fn scratch() -> (TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        (temp, dir)
    }

    #[test]
    fn a_file_that_took_its_name_while_being_opened_is_not_touched() {
        let (_temp, dir) = scratch();
        let path = Path::new("data");
        let ours = LockedFile::create_plain(&dir, path, None).unwrap().identity().unwrap();
        assert!(is_at(&ours, &dir, path).unwrap());
        dir.rename(path, &dir, "file").unwrap();
        assert!(!is_at(&ours, &dir, path).unwrap());
        dir.write(path, "another").unwrap();
        assert!(!is_at(&ours, &dir, path).unwrap());
    }

    #[test]
    fn a_held_file_is_refused_to_others_until_it_is_dropped() {
        let (_temp, dir) = scratch();
        let path = Path::new("data");
        let open = || LockedFile::open(&dir, path, &mut |_| true);
        assert!(open().unwrap().is_none());
        let locked = LockedFile::create_plain(&dir, path, None).unwrap();
        assert!(matches!(open(), Err(StoreError::InUse { .. })));
        drop(locked);
        assert!(open().unwrap().is_some());
    }

    /// A mode set by an interrupted publication.
    #[cfg(unix)]
    #[test]
    fn a_leftover_does_not_leave_its_mode() {
        use cap_std::fs::PermissionsExt as _;

        let (_temp, dir) = scratch();
        let mode = || dir.metadata("data").unwrap().permissions().mode() & 0o777;
        for bytes in ["", "bytes"] {
            dir.write("data", bytes).unwrap();
            dir.set_permissions("data", cap_std::fs::Permissions::from_mode(0o755)).unwrap();
            LockedFile::create_plain(&dir, Path::new("data"), None).unwrap();
            assert_eq!(mode() & 0o111, 0);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_another_name_is_not_written_to() {
        let (_temp, dir) = scratch();
        let path = Path::new("data");
        dir.write("file", "published").unwrap();
        dir.hard_link("file", &dir, path).unwrap();
        let locked = LockedFile::open(&dir, path, &mut |_| true).unwrap().unwrap();
        locked.file().set_len(3).unwrap();
        drop(locked);
        assert_eq!(dir.read_to_string("file").unwrap(), "published");
        assert_eq!(dir.read_to_string(path).unwrap(), "pub");
        dir.remove_file(path).unwrap();
        dir.hard_link("file", &dir, path).unwrap();
        assert_eq!(LockedFile::create_plain(&dir, path, None).unwrap().identity().unwrap().size, 0);
        assert_eq!(dir.read_to_string("file").unwrap(), "published");
    }
}
