//! Going through a tree in order, a bounded number of names at a time.

use std::collections::BinaryHeap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_fs_ext::DirExt as _;
use cap_std::fs::{Dir, Metadata};
use ftx_core::RemoteName;
use ftx_store::{Root, StoreError};

/// Names of one directory that are kept at a time. A directory with more is read again for the
/// next ones, so that memory does not grow with it.
const NAMES: usize = 16 * 1024;

/// A walk through a tree: parts in byte order, a directory before what is in it.
#[derive(Debug)]
pub(super) struct Walk {
    root: Root,
    recursive: bool,
    /// From the top of the walk to where it is.
    levels: Vec<Level>,
    /// The directory of the last level, if it is open. The others are not: a tree may be deeper than
    /// there are descriptors.
    here: Option<Dir>,
}

/// A file or directory in the tree that has a remote name.
#[derive(Debug)]
pub(super) struct Found {
    /// Its name.
    pub(super) name: RemoteName,
    /// Of what it is.
    pub(super) metadata: Metadata,
}

#[derive(Debug)]
struct Level {
    /// The directory's name and a slash, or nothing for the root.
    prefix: String,
    /// The next names, the last one first.
    names: Vec<String>,
    /// All names up to this one were in `names` once.
    read_to: Option<String>,
    /// There may be more behind these.
    more: bool,
}

impl Walk {
    /// A walk through `name`, or the whole root, behind `after`.
    ///
    /// # Errors
    /// `name` is no directory that can be opened.
    pub(super) fn new(
        root: &Root,
        name: Option<&RemoteName>,
        recursive: bool,
        after: Option<&RemoteName>,
    ) -> Result<Self, StoreError> {
        let root = root.clone();
        let prefix = name.map_or_else(String::new, |name| format!("{name}/"));
        let top = Level::new(prefix);
        let here = top.open(&root).map_err(|error| failed(top.name(), error))?;
        let mut walk = Self { root, recursive, levels: vec![top], here: Some(here) };
        if let Some(after) = after {
            walk.skip_to(after)?;
        }
        Ok(walk)
    }

    /// The next one; `None` at the end. Names that cannot be remote names, links and what is neither
    /// file nor directory are passed over, and so is what vanishes while it is looked at.
    ///
    /// # Errors
    /// A directory cannot be read, or what is in it cannot be looked at: without it the rest would be
    /// taken for all there is.
    pub(super) fn next(&mut self) -> Result<Option<Found>, StoreError> {
        while let Some(level) = self.levels.last_mut() {
            let here = match self.here.take() {
                Some(dir) => Some(dir),
                None => unless_gone(level.name(), level.open(&self.root))?,
            };
            let Some(dir) = here else {
                self.levels.pop();
                continue;
            };
            let Some(part) = level.next_name(&dir)? else {
                self.levels.pop();
                continue;
            };
            let found = level.look_at(&self.root, &dir, &part)?;
            let below = match &found {
                Some(Found { name, metadata }) if self.recursive && metadata.is_dir() => {
                    unless_gone(name.as_str(), dir.open_dir_nofollow(&part))?
                }
                _ => None,
            };
            if below.is_some() {
                let prefix = format!("{}{part}/", level.prefix);
                self.levels.push(Level::new(prefix));
            }
            self.here = Some(below.unwrap_or(dir));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Goes to where the walk was when it gave `after`, or would have.
    fn skip_to(&mut self, after: &RemoteName) -> Result<(), StoreError> {
        let Some(top) = self.levels.last() else { return Ok(()) };
        let Some(below) = after.as_str().strip_prefix(top.prefix.as_str()) else { return Ok(()) };
        for part in below.split('/') {
            let Some(level) = self.levels.last_mut() else { return Ok(()) };
            level.read_to = Some(part.to_owned());
            if !self.recursive {
                return Ok(());
            }
            let path = format!("{}{part}", level.prefix);
            let metadata = match self.root.symlink_metadata(Path::new(&path)) {
                // The client made it up, or there is nothing in it that could be named.
                Err(error) if error.kind() == ErrorKind::InvalidFilename => None,
                metadata => unless_gone(&path, metadata)?,
            };
            if !metadata.is_some_and(|metadata| metadata.is_dir()) {
                return Ok(());
            }
            self.levels.push(Level::new(path + "/"));
            self.here = None;
        }
        Ok(())
    }
}

/// What is found under a name; `None` if that has vanished, or become something else, since it was
/// read. Whatever else prevents a look does not say that nothing is there.
fn unless_gone<T>(name: &str, looked: io::Result<T>) -> Result<Option<T>, StoreError> {
    match looked {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        looked => looked.map(Some).map_err(|error| failed(name, error)),
    }
}

fn failed(name: &str, error: io::Error) -> StoreError {
    StoreError::io("list", name, error)
}

impl Level {
    fn new(prefix: String) -> Self {
        Self { prefix, names: Vec::new(), read_to: None, more: true }
    }

    /// The directory's name, as it is told.
    fn name(&self) -> &str {
        self.prefix.strip_suffix('/').unwrap_or(".")
    }

    fn open(&self, root: &Root) -> io::Result<Dir> {
        root.open_dir(Path::new(self.prefix.strip_suffix('/').unwrap_or_default()))
    }

    fn next_name(&mut self, dir: &Dir) -> Result<Option<String>, StoreError> {
        if self.names.is_empty() && self.more {
            let read = self.read(dir);
            unless_gone(self.name(), read)?;
        }
        Ok(self.names.pop())
    }

    /// What has this name in `dir`, if it is to be found here.
    fn look_at(&self, root: &Root, dir: &Dir, part: &str) -> Result<Option<Found>, StoreError> {
        let Ok(name) = RemoteName::parse(&format!("{}{part}", self.prefix)) else {
            return Ok(None);
        };
        // The walk may have come to the root through a link, where names do not begin with it.
        if root.is_private(Path::new(name.as_str())) {
            return Ok(None);
        }
        let metadata = unless_gone(name.as_str(), dir.symlink_metadata(part))?;
        let metadata = metadata.filter(|metadata| metadata.is_dir() || metadata.is_file());
        Ok(metadata.map(|metadata| Found { name, metadata }))
    }

    /// Reads the directory for its next names.
    fn read(&mut self, dir: &Dir) -> io::Result<()> {
        let mut first: BinaryHeap<String> = BinaryHeap::new();
        self.more = false;
        for entry in dir.entries()? {
            let Ok(name) = OsString::into_string(entry?.file_name()) else {
                continue;
            };
            if self.read_to.as_ref().is_some_and(|read_to| name <= *read_to) {
                continue;
            }
            first.push(name);
            if first.len() > NAMES {
                first.pop();
                self.more = true;
            }
        }
        self.names = first.into_sorted_vec();
        self.read_to = self.names.last().cloned().or_else(|| self.read_to.take());
        self.names.reverse();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
