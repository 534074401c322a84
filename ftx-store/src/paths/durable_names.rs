//! Directories whose names survive a loss of power.
//!
//! A file is only as durable as the directories that lead to it. Directories created by this
//! process are synced here; an existing directory may have been created a moment ago by a process
//! that was killed before its sync. So each directory is made durable once, with all those above it
//! up to the root of the file system, and remembered. If another program renames it within its
//! parent later, syncing that name is up to that program.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use cap_std::fs::Dir;

use crate::sys::{self, DirectoryId};

/// The greatest number of remembered directories, at about 100 bytes each. Beyond it all are
/// forgotten, and each is synced once more.
const MAX_REMEMBERED_NAMES: usize = 16 * 1024;

/// A directory together with its parent, which holds its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DirectoryName {
    parent: DirectoryId,
    directory: DirectoryId,
}

/// Remembers which directories have durable names.
#[derive(Debug, Default)]
pub struct DurableNames {
    known: Mutex<BTreeSet<DirectoryName>>,
    /// Directories that may not be opened later.
    held: Vec<(DirectoryId, File)>,
}

impl DurableNames {
    /// Keeps the directories above `dir` in its file system open, for a process that enters a
    /// sandbox in which it may not open them. The names of new directories are synced more than
    /// once.
    ///
    /// # Errors
    /// Failures to open the directories, except for missing rights to read one: then it and those
    /// above it are not kept open.
    pub fn hold_above(&mut self, dir: &Dir) -> io::Result<()> {
        let mut directory = sys::open_dir(dir, ".")?;
        while let Some(above) = parent_with_names(&directory, &sys::directory_id(&directory)?)? {
            let parent = match sys::open_dir(&directory, "..") {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => break,
                opened => opened?,
            };
            self.held.push((above, parent.try_clone()?));
            directory = parent;
        }
        Ok(())
    }

    /// Makes the names of `dir` and of all directories above it in its file system durable. Names
    /// known to be durable are not synced again.
    ///
    /// # Errors
    /// Failures to open and sync the directories.
    pub fn ensure(&self, dir: &Dir) -> io::Result<()> {
        self.ensure_at(dir, SystemTime::now())
    }

    fn ensure_at(&self, dir: &Dir, now: SystemTime) -> io::Result<()> {
        let mut directory = sys::open_dir(dir, ".")?;
        // Remembered only once all directories above are durable.
        let mut made = Vec::new();
        while let Some(step) = self.step(&directory, now)? {
            made.extend(step.name);
            match step.parent {
                Some(parent) => directory = parent,
                None => break,
            }
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len().saturating_add(made.len()) > MAX_REMEMBERED_NAMES {
            known.clear();
        }
        known.extend(made);
        Ok(())
    }

    /// Makes the name of one directory durable; `None` if it and all above are known to be durable.
    fn step(&self, directory: &File, now: SystemTime) -> io::Result<Option<EnsuredName>> {
        let id = sys::directory_id(directory)?;
        let Some(above) = parent_with_names(directory, &id)? else { return Ok(None) };
        let name = DirectoryName { parent: above, directory: id };
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&name) {
            return Ok(None);
        }
        let parent = match self.open_parent(directory, &above) {
            // The parent is writable but not readable. Its file system is synced instead.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                if !sys::sync_file_system(directory)? {
                    tracing::warn!(
                        %error,
                        "the directories above cannot be synced; if they are new, a loss of power may remove them"
                    );
                }
                let name = (!id.is_racy(now)).then_some(name);
                return Ok(Some(EnsuredName { name, parent: None }));
            }
            opened => opened?,
        };
        sys::sync_directory(&parent)?;
        // A directory created in its place could get the same inode number and, within the same
        // tick, the same time of birth.
        let name = (!id.is_racy(now)).then_some(name);
        Ok(Some(EnsuredName { name, parent: Some(parent) }))
    }

    /// Opens the directory above `directory`, which is `above`.
    fn open_parent(&self, directory: &File, above: &DirectoryId) -> io::Result<File> {
        sys::open_dir(directory, "..").or_else(|error| {
            let held = self.held.iter().find(|(id, _)| id.same_as(above));
            held.map_or(Err(error), |(_, parent)| parent.try_clone())
        })
    }
}

/// Returns the directory that holds the name of `directory`; `None` for the root of a file system,
/// which has no name inside it.
fn parent_with_names(directory: &File, id: &DirectoryId) -> io::Result<Option<DirectoryId>> {
    let above = sys::parent_id(directory)?;
    Ok((!above.same_as(id) && above.is_on_device_of(id)).then_some(above))
}

/// A directory whose name has become durable.
struct EnsuredName {
    /// The name to remember.
    name: Option<DirectoryName>,
    /// The directory above, which is next.
    parent: Option<File>,
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Duration;

    use cap_std::ambient_authority;

    use super::{Dir, DurableNames, SystemTime};

    fn known(names: &DurableNames) -> usize {
        names.known.lock().unwrap().len()
    }

    #[test]
    fn directories_are_remembered_with_their_names_when_they_are_old_enough() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        root.create_dir_all("a/b").unwrap();
        let names = DurableNames::default();
        let [pending, old] = [0, 3600].map(|secs| SystemTime::now() + Duration::from_secs(secs));
        let ensure = |path, now| {
            names.ensure_at(&root.open_dir(path).unwrap(), now).unwrap();
            known(&names)
        };
        // A directory created just now is synced again the next time.
        let above = ensure("a/b", pending);
        assert_eq!(ensure("a/b", pending), above);
        let all = ensure("a/b", old);
        assert!(all >= above + 2);
        assert_eq!(ensure("a", old), all);
        // In another parent it has another name.
        root.rename("a/b", &root, "c").unwrap();
        assert_eq!(ensure("c", old), all + 1);
    }
}
