//! A directory beneath which names stand for files.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, File, Metadata};

use crate::paths::beneath::{check_dir_beneath, open_dir_beneath, open_regular_beneath};
use crate::paths::links;
use crate::paths::parents::{Parents, PendingDirectories};
use crate::{Durability, DurableNames, StoreError, sys};

/// A directory beneath which names stand for files: the root of a server, or the directory of a
/// download.
///
/// No name leads out of it. A symbolic link on the way is followed if it stays inside and does not
/// lead to the [private](Self::with_private) directory.
#[derive(Clone, Debug)]
pub struct Root {
    dir: Arc<Dir>,
    /// The path it was opened by, if it must stay reachable by that path.
    path: Option<Arc<Path>>,
    /// A directory in it that is hidden from all names.
    private: Option<&'static str>,
    /// Directories created for files that are not published yet.
    pending: Arc<PendingDirectories>,
    durability: Durability,
    names: Arc<DurableNames>,
}

impl Root {
    /// Creates the root over `dir`. With [`Durability::Full`], directories created in it are made
    /// durable, and `names` remembers which are.
    #[must_use]
    pub fn new(dir: Dir, durability: Durability, names: Arc<DurableNames>) -> Self {
        let (dir, pending) = (Arc::new(dir), Arc::default());
        Self { dir, path: None, private: None, pending, durability, names }
    }

    /// Refuses all names with [`StoreError::RootGone`] once the directory was removed, or `path`,
    /// by which it was opened, leads to another directory: files stored in it would be lost. A root
    /// that was moved away is still served until another directory takes its path.
    #[must_use]
    pub fn opened_at(mut self, path: &Path) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Hides the directory `private` in the root from all names and links.
    #[must_use]
    pub fn with_private(mut self, private: &'static str) -> Self {
        self.private = Some(private);
        self
    }

    /// The directory itself.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The durability of files in it.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Opens the regular file `path` for reading, and returns it with its metadata at that time.
    /// Blocks, but never for the writer of a pipe.
    ///
    /// # Errors
    /// The file cannot be opened, lies outside, or is not a regular file.
    pub fn open_regular(&self, path: &Path) -> Result<(File, Metadata), StoreError> {
        self.follow(path, |path| open_regular_beneath(&self.dir, path))
    }

    /// Opens the directory `path`; an empty path is the root.
    ///
    /// # Errors
    /// It cannot be opened, lies outside, or is no directory.
    pub fn open_dir(&self, path: &Path) -> io::Result<Dir> {
        let opened = self.follow(path, |path| open_dir_beneath(&self.dir, path));
        opened.map_err(StoreError::into_io)
    }

    /// Returns the metadata of `path`, following a link.
    ///
    /// # Errors
    /// Failures to query the system.
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let metadata = self.symlink_metadata(path)?;
        if metadata.is_symlink() {
            self.symlink_metadata(&self.resolve(path)?)
        } else {
            Ok(metadata)
        }
    }

    /// As [`metadata`](Self::metadata), but does not follow a link as the last part.
    ///
    /// # Errors
    /// Failures to query the system.
    pub fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        let (parent, name) = self.parent_of(path)?;
        parent.symlink_metadata(name)
    }

    /// Checks that the root directory is still the original one.
    ///
    /// # Errors
    /// [`StoreError::RootGone`], with the path `name`.
    pub fn check_not_removed(&self, name: &Path) -> Result<(), StoreError> {
        match &self.path {
            Some(path) if sys::is_removed_or_replaced(&self.dir, path) => {
                Err(StoreError::RootGone { path: name.to_path_buf() })
            }
            _ => Ok(()),
        }
    }

    /// Opens the directory that holds `path`, creating it and its parents as needed.
    ///
    /// # Errors
    /// [`StoreError::BadName`] for a path that is empty or not plain, [`StoreError::NotDirectory`]
    /// when a file is in the way, and failures to create and sync directories.
    pub fn create_parents(&self, path: &Path) -> Result<Dir, StoreError> {
        let parents = self.make_parents(path)?;
        let dir = parents.dir().try_clone();
        let dir = dir.map_err(|error| StoreError::io("open", path, error))?;
        parents.keep();
        Ok(dir)
    }

    /// As [`create_parents`](Self::create_parents), for a file that may not be published in the
    /// end: then new directories are removed again, unless they are kept.
    ///
    /// # Errors
    /// As [`create_parents`](Self::create_parents); new directories are removed then.
    pub fn make_parents(&self, path: &Path) -> Result<Parents, StoreError> {
        let parent = self.parent_to_make(path)?;
        let parents = self.follow(parent, |parent| self.pending.make(&self.dir, parent))?;
        if self.durability == Durability::Full {
            let durable = self.names.ensure(parents.dir());
            durable.map_err(|error| StoreError::io("sync", parent, error))?;
        }
        Ok(parents)
    }

    /// Checks, without creating anything, whether the directory of `path` exists or could be
    /// created, and `path` in it.
    ///
    /// # Errors
    /// As [`create_parents`](Self::create_parents), as far as they can be foreseen.
    pub fn check_parents(&self, path: &Path) -> Result<(), StoreError> {
        let parent = self.parent_to_make(path)?;
        self.follow(parent, |parent| check_dir_beneath(&self.dir, parent))
    }

    /// Returns the directory of `path`, if a file of this name is allowed in it.
    fn parent_to_make<'a>(&self, path: &'a Path) -> Result<&'a Path, StoreError> {
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let Some(parent) = path.parent().filter(|_| plain) else {
            return Err(StoreError::BadName { path: path.to_path_buf() });
        };
        if self.is_private(path) {
            return Err(StoreError::io("open", path, is_private()));
        }
        Ok(parent)
    }

    /// Finds the place where a file named `path` is stored: its directory, created as needed, and
    /// its name there. If the name is a link, this is the target of the link, which need not exist,
    /// but its directory must.
    ///
    /// # Errors
    /// As [`make_parents`](Self::make_parents); a link leads out of the root, or to the private
    /// directory.
    pub fn target_of(&self, path: &Path) -> Result<(Parents, PathBuf), StoreError> {
        let parents = self.make_parents(path)?;
        let Some(name) = path.file_name().map(PathBuf::from) else {
            return Err(StoreError::BadName { path: path.to_path_buf() });
        };
        if !parents.dir().symlink_metadata(&name).is_ok_and(|found| found.is_symlink()) {
            return Ok((parents, name));
        }
        let (dir, name) = self.behind_link(path)?;
        if self.durability == Durability::Full {
            self.names.ensure(&dir).map_err(|error| StoreError::io("sync", path, error))?;
        }
        Ok((parents.leading_to(dir), name))
    }

    /// Checks, without creating anything, whether [`target_of`](Self::target_of) would probably
    /// succeed.
    ///
    /// # Errors
    /// As [`target_of`](Self::target_of), as far as they can be foreseen.
    pub fn check_target(&self, path: &Path) -> Result<(), StoreError> {
        self.check_parents(path)?;
        if self.is_link(path) { self.behind_link(path).map(|_| ()) } else { Ok(()) }
    }

    /// Checks that the file `path` can be replaced, because it is not a mount point.
    ///
    /// # Errors
    /// [`StoreError::MountPoint`].
    pub fn check_not_mounted(&self, path: &Path) -> Result<(), StoreError> {
        let found = self.parent_of(path);
        if found.is_ok_and(|(parent, name)| sys::is_mount_point(&parent, name)) {
            return Err(StoreError::io("replace", path, ErrorKind::ResourceBusy.into()));
        }
        Ok(())
    }

    /// Returns the target of the link `path`; `None` if it is not a link, or leads out of the root
    /// or to the private directory.
    #[must_use]
    pub fn link_target(&self, path: &Path) -> Option<PathBuf> {
        if self.is_link(path) { self.resolve(path).ok() } else { None }
    }

    /// Returns the directory and name of the target of the link `path`.
    fn behind_link(&self, path: &Path) -> Result<(Dir, PathBuf), StoreError> {
        let real = self.resolve(path).map_err(|error| StoreError::io("follow", path, error))?;
        let Some(name) = real.file_name().map(PathBuf::from) else {
            return Err(StoreError::io("replace", path, ErrorKind::IsADirectory.into()));
        };
        let parent = open_dir_beneath(&self.dir, real.parent().unwrap_or(Path::new("")))?;
        Ok((parent, name))
    }

    /// Removes the file or the link `path`.
    ///
    /// # Errors
    /// Failures to remove it.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent_of(path)?;
        parent.remove_file(name)
    }

    /// Makes the absence of `path` durable, together with the names of the directories above.
    ///
    /// # Errors
    /// Failures to open and sync the directories.
    pub fn make_absence_durable(&self, path: &Path) -> io::Result<()> {
        match self.make_durable(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (parent, _) = split(path)?;
                self.make_absence_durable(parent)
            }
            made => made,
        }
    }

    /// Makes the name `path` durable, together with the names of the directories above. For a link
    /// this includes the name of its target.
    ///
    /// # Errors
    /// Failures to open and sync the directories.
    pub fn make_durable(&self, path: &Path) -> io::Result<()> {
        self.make_name_durable(path)?;
        if self.is_link(path) { self.make_name_durable(&self.resolve(path)?) } else { Ok(()) }
    }

    fn make_name_durable(&self, path: &Path) -> io::Result<()> {
        let (parent, _) = split(path)?;
        let dir = self.open_dir(parent)?;
        sys::sync_dir(&dir)?;
        self.names.ensure(&dir)
    }

    /// Whether the last part of `path` is a symbolic link.
    pub(crate) fn is_link(&self, path: &Path) -> bool {
        self.symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
    }

    /// Whether `path` is, or would be, the private directory, also by way of links.
    #[must_use]
    pub fn is_private(&self, path: &Path) -> bool {
        let (Some(private), Ok((parent, name))) = (self.private, split(path)) else { return false };
        let is_its_name = name.to_str().is_some_and(|name| name.eq_ignore_ascii_case(private));
        // Hardly any name is the same, so this check is rare.
        is_its_name
            && links::resolve(&self.dir, parent).is_ok_and(|real| real.as_os_str().is_empty())
    }

    /// Returns the directory of `path`, and the name there.
    fn parent_of<'a>(&self, path: &'a Path) -> io::Result<(Dir, &'a Path)> {
        if self.is_private(path) {
            return Err(is_private());
        }
        let (parent, name) = split(path)?;
        Ok((self.open_dir(parent)?, name))
    }

    /// Runs `work` with `path`, or, if that meets a link, with the resolved path.
    fn follow<T>(
        &self,
        path: &Path,
        work: impl Fn(&Path) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.check_not_removed(path)?;
        match work(path) {
            Err(StoreError::Link { .. }) => {
                let real = self.resolve(path);
                work(&real.map_err(|error| StoreError::io("open", path, error))?)
            }
            done => done,
        }
    }

    /// Resolves all links of `path`.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let real = links::resolve(&self.dir, path)?;
        let first = real.iter().next().and_then(|first| first.to_str());
        match (first, self.private) {
            (Some(first), Some(private)) if first.eq_ignore_ascii_case(private) => {
                Err(is_private())
            }
            _ => Ok(real),
        }
    }
}

fn is_private() -> io::Error {
    let text = "a symbolic link in the path leads to the server's private files";
    io::Error::new(ErrorKind::PermissionDenied, text)
}

fn split(path: &Path) -> io::Result<(&Path, &Path)> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    Ok((path.parent().unwrap_or(Path::new("")), name.as_ref()))
}

#[cfg(test)]
mod tests;
