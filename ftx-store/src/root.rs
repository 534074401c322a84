//! A directory beneath which names stand for files.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, File, Metadata};

use crate::beneath::{create_dir_beneath, open_dir_beneath, open_regular_beneath};
use crate::{Durability, DurableNames, StoreError, links, sys};

/// A directory beneath which names stand for files: the root of a server, or the directory of a
/// download.
///
/// No name leads out of it. A symbolic link on the way is followed if it stays inside and does not
/// lead to the [private](Self::with_private) directory.
#[derive(Clone, Debug)]
pub struct Root {
    dir: Arc<Dir>,
    /// A directory in it that no name leads to.
    private: Option<&'static str>,
    durability: Durability,
    names: Arc<DurableNames>,
}

impl Root {
    /// The root `dir`. With [`Durability::Full`], directories that are made in it are durable, and
    /// `names` remembers which are.
    #[must_use]
    pub fn new(dir: Dir, durability: Durability, names: Arc<DurableNames>) -> Self {
        Self { dir: Arc::new(dir), private: None, durability, names }
    }

    /// Has no name, and no link, lead to the directory `private` in the root.
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

    /// What files in it have to survive.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Opens the regular file `path` for reading, and tells what it was then. Blocks, but never until
    /// a pipe has a writer.
    ///
    /// # Errors
    /// It cannot be opened, lies outside, or is no regular file.
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

    /// What `path` stands for.
    ///
    /// # Errors
    /// Those of asking the system.
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let metadata = self.symlink_metadata(path)?;
        if metadata.is_symlink() {
            self.symlink_metadata(&self.resolve(path)?)
        } else {
            Ok(metadata)
        }
    }

    /// As [`metadata`](Self::metadata), but a link as the last part is not followed.
    ///
    /// # Errors
    /// Those of asking the system.
    pub fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        let (parent, name) = self.parent_of(path)?;
        parent.symlink_metadata(name)
    }

    /// Opens the directory that holds `path`, creating it and those above as needed.
    ///
    /// # Errors
    /// [`StoreError::BadName`] when `path` is empty or has parts other than plain names,
    /// [`StoreError::NotDirectory`] when a file is in the way, and those of creating and syncing
    /// directories.
    pub fn create_parents(&self, path: &Path) -> Result<Dir, StoreError> {
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let Some(parent) = path.parent().filter(|_| plain) else {
            return Err(StoreError::BadName { path: path.to_path_buf() });
        };
        if self.is_private(path) {
            return Err(StoreError::io("open", path, is_private()));
        }
        let dir = self.follow(parent, |parent| create_dir_beneath(&self.dir, parent))?;
        if self.durability == Durability::Full {
            self.names.ensure(&dir).map_err(|error| StoreError::io("sync", parent, error))?;
        }
        Ok(dir)
    }

    /// Where a file is to go that is stored as `path`: the directory, which is created with those above
    /// it as needed, and the name there. Where a link has the name, that is where the link leads to; a
    /// file need not be there, but its directory must.
    ///
    /// # Errors
    /// As [`create_parents`](Self::create_parents), and a link leads out of the root, or to the private
    /// directory.
    pub fn place_of(&self, path: &Path) -> Result<(Dir, PathBuf), StoreError> {
        let parent = self.create_parents(path)?;
        let Some(name) = path.file_name().map(PathBuf::from) else {
            return Err(StoreError::BadName { path: path.to_path_buf() });
        };
        if !parent.symlink_metadata(&name).is_ok_and(|found| found.is_symlink()) {
            return Ok((parent, name));
        }
        let real = self.resolve(path).map_err(|error| StoreError::io("follow", path, error))?;
        let Some(name) = real.file_name().map(PathBuf::from) else {
            return Err(StoreError::io("replace", path, ErrorKind::IsADirectory.into()));
        };
        let parent = open_dir_beneath(&self.dir, real.parent().unwrap_or(Path::new("")))?;
        Ok((parent, name))
    }

    /// Removes the file, or the link, `path`.
    ///
    /// # Errors
    /// Those of removing it.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent_of(path)?;
        parent.remove_file(name)
    }

    /// Makes the absence of `path` durable, with the names of the directories above.
    ///
    /// # Errors
    /// Those of opening and syncing the directories.
    pub fn make_absence_durable(&self, path: &Path) -> io::Result<()> {
        match self.make_durable(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (parent, _) = split(path)?;
                self.make_absence_durable(parent)
            }
            made => made,
        }
    }

    /// Makes the name `path` durable, with the names of the directories above.
    ///
    /// # Errors
    /// Those of opening and syncing the directories.
    pub fn make_durable(&self, path: &Path) -> io::Result<()> {
        let (parent, _) = split(path)?;
        let dir = self.open_dir(parent)?;
        sys::sync_dir(&dir)?;
        self.names.ensure(&dir)
    }

    /// Whether `path` is the private directory, or would be if it were there: also by way of links.
    #[must_use]
    pub fn is_private(&self, path: &Path) -> bool {
        let (Some(private), Ok((parent, name))) = (self.private, split(path)) else { return false };
        let is_its_name = name.to_str().is_some_and(|name| name.eq_ignore_ascii_case(private));
        // Nearly no name is the same, so this is seldom looked at.
        is_its_name
            && links::resolve(&self.dir, parent).is_ok_and(|real| real.as_os_str().is_empty())
    }

    /// The directory that `path` lies in, and its name there.
    fn parent_of<'a>(&self, path: &'a Path) -> io::Result<(Dir, &'a Path)> {
        if self.is_private(path) {
            return Err(is_private());
        }
        let (parent, name) = split(path)?;
        Ok((self.open_dir(parent)?, name))
    }

    /// Does `work` with `path`, or, where it meets a link, with the path that the link leads to.
    fn follow<T>(
        &self,
        path: &Path,
        work: impl Fn(&Path) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match work(path) {
            Err(StoreError::Link { .. }) => {
                let real = self.resolve(path);
                work(&real.map_err(|error| StoreError::io("open", path, error))?)
            }
            done => done,
        }
    }

    /// The path without links that `path` stands for.
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
    let text = "a symbolic link on the way leads to the server's own files";
    io::Error::new(ErrorKind::PermissionDenied, text)
}

fn split(path: &Path) -> io::Result<(&Path, &Path)> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    Ok((path.parent().unwrap_or(Path::new("")), name.as_ref()))
}

#[cfg(test)]
mod tests;
