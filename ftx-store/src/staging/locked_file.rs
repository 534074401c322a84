//! A data file that nobody else may write to, for as long as this process holds it.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::{Dir, Metadata, OpenOptions};

use crate::staging::break_hard_link::break_hard_link;
use crate::staging::part_names::is_ours;
use crate::staging::private_file::{self, PartialFile, remove};
use crate::sys::Writers;
use crate::{FileIdentity, StagingFiles, StoreError, sys};

/// Opening competes with publishing, which takes the file away; once is enough nearly always.
const OPEN_ATTEMPTS: u32 = 4;

/// An open and locked data file. The lock goes with the process, so it is never stale.
#[derive(Debug)]
pub(crate) struct LockedFile {
    file: File,
    /// There is a lock that is let go of before the file is closed.
    locked: bool,
}

impl LockedFile {
    /// Makes and locks an empty file that nobody else can open. A file of that name is removed, and so is
    /// the `journal`: it must not outlive the data that it describes.
    pub(crate) fn create(dir: &Dir, path: &Path, journal: &Path) -> Result<Self, StoreError> {
        // Under the lock of the data: until then it may be another's.
        let held = Self::create_plain(dir, path, Some(journal))?;
        remove(dir, journal)?;
        Ok(held)
    }

    /// As [`create`](Self::create), but removes a journal only with the data that it describes.
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
                        Some((held, _)) => return Ok(held),
                        None => continue,
                    }
                }
            }
        }
        Err(StoreError::InUse { path: path.to_path_buf() })
    }

    /// Makes and locks an empty file under the name of a partial file. `None` if that name is taken by what
    /// is not ours; what an interrupted transfer left is replaced.
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
                Ok(Self::lock(file, dir, path)?.map(|(held, _)| held))
            }
        }
    }

    /// Creates an empty file in a directory that nobody else uses, where it needs no lock and no look
    /// at who may have had it; what lies there is removed.
    /// It has `mode`, as far as the process's mask leaves it.
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
        Ok(Self { file, locked: false })
    }

    /// Opens and locks; `None` when there is no such file, or one that others can have written, which
    /// stays as it is.
    ///
    /// One that has another name, be it that of a published file or one in a backup made of links, is
    /// replaced by a [copy](crate::staging::break_hard_link) first: writing to it would change what has that name. To give
    /// it up instead would cost all that has arrived. `keep_going` is called now and then with the bytes
    /// copied so far, and may stop that.
    pub(crate) fn open(
        dir: &Dir,
        path: &Path,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Self>, StoreError> {
        for _ in 0..OPEN_ATTEMPTS {
            match Self::open_at(dir, path)? {
                None => return Ok(None),
                Some((held, metadata)) if sys::has_other_names(&metadata) => {
                    break_hard_link(dir, path, &held.file, keep_going)?;
                }
                Some((held, _)) => return Ok(Some(held)),
            }
        }
        Err(StoreError::InUse { path: path.to_path_buf() })
    }

    /// The file of that name, locked, and what it looked like; `None` without one of ours.
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

    /// Locks a file that was opened under this name; `None` if it has lost it meanwhile.
    fn lock(file: File, dir: &Dir, path: &Path) -> Result<Option<(Self, Metadata)>, StoreError> {
        match file.try_lock() {
            // Where nothing can be locked, the callers' own order has to do.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path, error)),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { path: path.to_path_buf() });
            }
            Ok(()) => {}
        }
        // The process that held the lock may have published the file meanwhile; then this is the
        // published file, and writing to it would destroy it.
        let metadata = Metadata::from_file(&file);
        let metadata = metadata.map_err(|error| StoreError::io("stat", path, error))?;
        let held = Self { file, locked: true };
        let is_at = is_at(&FileIdentity::of(&metadata), dir, path)?;
        Ok(is_at.then_some((held, metadata)))
    }

    /// Whether nobody but this user can have written it.
    pub(crate) fn is_written_by_us_alone(&self) -> io::Result<bool> {
        Ok(Writers::of_file(&self.file)? == Writers::Us)
    }

    /// Says that the file is open nowhere else, so that closing it lets go of the lock. That saves a
    /// system call.
    pub(crate) fn unlocked_by_closing(mut self) -> Self {
        self.locked = false;
        self
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Fails unless the name `path` in `dir` is that of this file: somebody has put another one in its
    /// place, and what is done to the name is not done to what was written.
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
        // A sync in the background may keep the file open for a while, and the lock with it.
        if self.locked {
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
        let held = LockedFile::create_plain(&dir, path, None).unwrap();
        assert!(matches!(open(), Err(StoreError::InUse { .. })));
        drop(held);
        assert!(open().unwrap().is_some());
    }

    /// Publishing had come as far as that.
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
        let held = LockedFile::open(&dir, path, &mut |_| true).unwrap().unwrap();
        held.file().set_len(3).unwrap();
        drop(held);
        assert_eq!(dir.read_to_string("file").unwrap(), "published");
        assert_eq!(dir.read_to_string(path).unwrap(), "pub");
        dir.remove_file(path).unwrap();
        dir.hard_link("file", &dir, path).unwrap();
        assert_eq!(LockedFile::create_plain(&dir, path, None).unwrap().identity().unwrap().size, 0);
        assert_eq!(dir.read_to_string("file").unwrap(), "published");
    }
}
