//! Directories created for a file, and removed again if the file is never published.
//!
//! Several files may be under way into one new directory, and a request for a directory may find
//! one that was created for another file a moment ago. So each created directory is noted together
//! with its number of users, until the first of them keeps it: from then on it stays. If none does,
//! the last one removes it, provided that it is empty.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;

use crate::paths::beneath::{open_dir_beneath, open_or_create};
use crate::{FileIdentity, StoreError};

/// The directory for a file. Dropping it removes the directories that were created for the file,
/// unless they are [kept](Self::keep).
#[derive(Debug)]
pub struct Parents {
    dir: Dir,
    base: Arc<Dir>,
    pending: Arc<PendingDirectories>,
    claims: Vec<DirectoryClaim>,
}

/// New directories that hold no published name yet, with the number of files under way into each.
#[derive(Debug, Default)]
pub(crate) struct PendingDirectories(Mutex<HashMap<DirectoryKey, usize>>);

/// Device and inode: several paths may lead to one directory.
type DirectoryKey = (u64, u64);

/// One file's claim on a pending directory.
#[derive(Debug)]
struct DirectoryClaim {
    key: DirectoryKey,
    path: PathBuf,
}

impl Parents {
    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Redirects to `dir`, for a name that turned out to be a link.
    pub(crate) fn leading_to(mut self, dir: Dir) -> Self {
        self.dir = dir;
        self
    }

    /// Keeps the directories, because something was published in them or the directory itself was
    /// requested.
    pub fn keep(mut self) {
        let mut pending = self.pending.lock();
        for DirectoryClaim { key, .. } in self.claims.drain(..) {
            pending.remove(&key);
        }
    }
}

impl Drop for Parents {
    fn drop(&mut self) {
        if !self.claims.is_empty() {
            let mut pending = self.pending.lock();
            release(&mut pending, &self.base, std::mem::take(&mut self.claims));
        }
    }
}

impl PendingDirectories {
    /// Opens the directory `path` beneath `base`, creating missing parts as
    /// [`create_dir_beneath`](crate::create_dir_beneath) does.
    pub(crate) fn make(
        self: &Arc<Self>,
        base: &Arc<Dir>,
        path: &Path,
    ) -> Result<Parents, StoreError> {
        let with = |dir, claims| {
            let (base, pending) = (Arc::clone(base), Arc::clone(self));
            Ok(Parents { dir, base, pending, claims })
        };
        match open_dir_beneath(base, path) {
            Err(StoreError::NotFound { .. }) => {}
            // Nearly always the directory has existed for long. The order matters: a directory that
            // is no longer pending and still exists will stay.
            opened => {
                let dir = opened?;
                if self.lock().is_empty() && identity(&dir, path)?.nlink != 0 {
                    return with(dir, Vec::new());
                }
            }
        }
        let mut pending = self.lock();
        let mut claims = Vec::new();
        match walk(&mut pending, base, path, &mut claims) {
            Ok(dir) => {
                drop(pending);
                with(dir, claims)
            }
            Err(error) => {
                release(&mut pending, base, claims);
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DirectoryKey, usize>> {
        // A claim left behind by a panic only keeps a directory.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn walk(
    pending: &mut HashMap<DirectoryKey, usize>,
    base: &Dir,
    path: &Path,
    claims: &mut Vec<DirectoryClaim>,
) -> Result<Dir, StoreError> {
    let mut dir = base.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
    let mut walked = PathBuf::new();
    for name in path {
        walked.push(name);
        let (next, is_new) = open_or_create(&dir, Path::new(name), &walked)?;
        dir = next;
        if cfg!(not(unix)) {
            // Directories have no identity there, so new ones stay.
            continue;
        }
        let FileIdentity { dev, ino, .. } = identity(&dir, &walked)?;
        let key = (dev, ino);
        match pending.get_mut(&key) {
            Some(wanted) if !is_new => *wanted += 1,
            None if !is_new => continue,
            // Includes a directory that reuses the inode number of a removed one.
            _ => drop(pending.insert(key, 1)),
        }
        claims.push(DirectoryClaim { key, path: walked.clone() });
    }
    Ok(dir)
}

/// Removes the directories without other claims, the deepest first.
fn release(pending: &mut HashMap<DirectoryKey, usize>, base: &Dir, claims: Vec<DirectoryClaim>) {
    for DirectoryClaim { key, path } in claims.into_iter().rev() {
        match pending.get_mut(&key) {
            Some(wanted) if *wanted > 1 => *wanted -= 1,
            Some(_) => {
                pending.remove(&key);
                remove(base, &path, key);
            }
            // Another file has kept it.
            None => {}
        }
    }
}

/// Removes a directory created here, unless it is in use or was moved.
fn remove(base: &Dir, path: &Path, key: DirectoryKey) {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return };
    let Ok(above) = open_dir_beneath(base, above) else { return };
    let is_it = above.symlink_metadata(name).is_ok_and(|metadata| {
        let FileIdentity { dev, ino, .. } = FileIdentity::of(&metadata);
        (dev, ino) == key
    });
    if is_it && let Err(error) = above.remove_dir(name) {
        tracing::debug!(%error, path = %path.display(), "a directory cannot be removed");
    }
}

fn identity(dir: &Dir, path: &Path) -> Result<FileIdentity, StoreError> {
    let metadata = dir.dir_metadata().map_err(|error| StoreError::io("look at", path, error))?;
    Ok(FileIdentity::of(&metadata))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use tempfile::TempDir;

    use super::{Parents, PendingDirectories};

    struct Setting {
        _temp: TempDir,
        base: Arc<Dir>,
        pending: Arc<PendingDirectories>,
    }

    impl Setting {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            let base = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
            Self { _temp: temp, base: Arc::new(base), pending: Arc::default() }
        }

        fn make(&self, path: &str) -> Parents {
            self.pending.make(&self.base, Path::new(path)).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let names = self.base.entries().unwrap();
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    #[test]
    fn unused_new_directories_go_and_existing_ones_stay() {
        let setting = Setting::new();
        setting.base.create_dir_all("old/empty").unwrap();
        drop(setting.make("old/empty"));
        drop(setting.make("old/empty/new/below"));
        drop(setting.make("new/below"));
        assert!(setting.base.exists("old/empty") && !setting.base.exists("old/empty/new"));
        assert_eq!(setting.names(), ["old"]);
        assert!(setting.pending.lock().is_empty());
    }

    #[test]
    fn kept_and_nonempty_directories_stay() {
        let setting = Setting::new();
        setting.make("kept/below").keep();
        let parents = setting.make("kept/other");
        parents.dir().write("file", "").unwrap();
        drop(parents);
        assert!(setting.base.exists("kept/below") && setting.base.exists("kept/other/file"));
        assert!(setting.pending.lock().is_empty());
    }

    #[test]
    fn one_that_another_wants_stays_until_both_have_given_it_up() {
        for is_kept in [false, true] {
            let setting = Setting::new();
            let (first, second) = (setting.make("a/b"), setting.make("a/c"));
            drop(first);
            assert!(setting.base.exists("a/c") && !setting.base.exists("a/b"));
            if is_kept {
                second.keep()
            } else {
                drop(second)
            }
            assert_eq!(setting.base.exists("a/c"), is_kept);
            assert_eq!(setting.base.exists("a"), is_kept);
        }
    }

    #[test]
    fn a_directory_that_another_job_used_stays() {
        let setting = Setting::new();
        let first = setting.make("a/b");
        setting.make("a").keep();
        drop(first);
        assert_eq!(setting.names(), ["a"]);
        assert!(!setting.base.exists("a/b"));
    }

    #[test]
    fn those_above_a_part_that_cannot_be_made_go() {
        let setting = Setting::new();
        let long = "x".repeat(300);
        let path = Path::new("a/b").join(long);
        assert!(setting.pending.make(&setting.base, &path).is_err());
        assert!(setting.names().is_empty());
    }

    #[test]
    fn nobody_is_given_one_that_goes() {
        let setting = Setting::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..500 {
                        let parents = setting.make("a/b");
                        let is_used = round % 5 == 0;
                        if is_used {
                            parents.dir().write(format!("{round}"), "").unwrap();
                            let _ = parents.dir().remove_file(format!("{round}"));
                        }
                    }
                });
            }
        });
        assert!(setting.names().is_empty());
    }
}
