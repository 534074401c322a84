//! Going through a tree in order, a bounded number of names at a time.

use std::collections::BinaryHeap;
use std::ffi::OsString;
use std::path::Path;

use cap_std::fs::{Dir, Metadata};
use ftx_core::RemoteName;
use ftx_store::StoreError;

use super::OURS;

/// Names of one directory that are kept at a time. A directory with more is read again for the
/// next ones, so that memory does not grow with it.
const NAMES: usize = 16 * 1024;

/// A walk through a tree: parts in byte order, a directory before what is in it.
#[derive(Debug)]
pub(super) struct Walk {
    root: Dir,
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
        root: &Dir,
        name: Option<&RemoteName>,
        recursive: bool,
        after: Option<&RemoteName>,
    ) -> Result<Self, StoreError> {
        let root = root.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        let prefix = name.map_or_else(String::new, |name| format!("{name}/"));
        let here = open(&root, &prefix)?;
        let levels = vec![Level::new(prefix)];
        let mut walk = Self { root, recursive, levels, here: Some(here) };
        if let Some(after) = after {
            walk.skip_to(after);
        }
        Ok(walk)
    }

    /// The next one; `None` at the end. Names that cannot be remote names, links and what is neither
    /// file nor directory are passed over, and so is what vanishes while it is looked at.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Found>, StoreError> {
        while let Some(level) = self.levels.last_mut() {
            let here = self.here.take().or_else(|| open(&self.root, &level.prefix).ok());
            let Some(dir) = here else {
                self.levels.pop();
                continue;
            };
            let Some(part) = level.next_name(&dir)? else {
                self.levels.pop();
                continue;
            };
            let found = level.look_at(&dir, &part);
            let is_directory = found.as_ref().is_some_and(|found| found.metadata.is_dir());
            let below =
                if is_directory && self.recursive { dir.open_dir(&part).ok() } else { None };
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
    fn skip_to(&mut self, after: &RemoteName) {
        let Some(top) = self.levels.last() else { return };
        let Some(below) = after.as_str().strip_prefix(top.prefix.as_str()) else { return };
        for part in below.split('/') {
            let Some(level) = self.levels.last_mut() else { return };
            level.read_to = Some(part.to_owned());
            let path = format!("{}{part}", level.prefix);
            let metadata = self.root.symlink_metadata(&path);
            if !self.recursive || !metadata.is_ok_and(|metadata| metadata.is_dir()) {
                return;
            }
            self.levels.push(Level::new(path + "/"));
            self.here = None;
        }
    }
}

/// The directory with this name and a slash, or the root.
fn open(root: &Dir, prefix: &str) -> Result<Dir, StoreError> {
    let name = prefix.strip_suffix('/').unwrap_or(".");
    root.open_dir(name).map_err(|error| StoreError::io("list", name, error))
}

impl Level {
    fn new(prefix: String) -> Self {
        Self { prefix, names: Vec::new(), read_to: None, more: true }
    }

    fn next_name(&mut self, dir: &Dir) -> Result<Option<String>, StoreError> {
        if self.names.is_empty() && self.more {
            self.read(dir)?;
        }
        Ok(self.names.pop())
    }

    /// What has this name in `dir`, if it is to be found here.
    fn look_at(&self, dir: &Dir, part: &str) -> Option<Found> {
        if self.prefix.is_empty() && part == OURS {
            return None;
        }
        let name = RemoteName::parse(&format!("{}{part}", self.prefix)).ok()?;
        let metadata = dir.symlink_metadata(part).ok()?;
        (metadata.is_dir() || metadata.is_file()).then_some(Found { name, metadata })
    }

    /// Reads the directory for its next names.
    fn read(&mut self, dir: &Dir) -> Result<(), StoreError> {
        let failed = |error| StoreError::io("list", Path::new(&self.prefix), error);
        let mut first: BinaryHeap<String> = BinaryHeap::new();
        self.more = false;
        for entry in dir.entries().map_err(failed)? {
            let Ok(name) = OsString::into_string(entry.map_err(failed)?.file_name()) else {
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
mod tests {
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use ftx_core::RemoteName;

    use super::{NAMES, Walk};

    fn all(mut walk: Walk) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(found) = walk.next().unwrap() {
            names.push(found.name.as_str().to_owned());
        }
        names
    }

    fn tree() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        for dir in [".ftx/staging", "a/b/c", "empty"] {
            root.create_dir_all(dir).unwrap();
        }
        for file in [".ftx/lock", "a/b/c/deep", "a/b/x", "a/z", "a.txt", "b"] {
            root.write(file, file).unwrap();
        }
        root.symlink("b", "link").unwrap();
        root.symlink("a", "loop").unwrap();
        root.symlink("gone", "dangling").unwrap();
        (temp, root)
    }

    const TREE: [&str; 9] =
        ["a", "a/b", "a/b/c", "a/b/c/deep", "a/b/x", "a/z", "a.txt", "b", "empty"];

    #[test]
    fn a_tree_is_gone_through_in_order() {
        let (_temp, root) = tree();
        assert_eq!(all(Walk::new(&root, None, true, None).unwrap()), TREE);
        let top = ["a", "a.txt", "b", "empty"];
        assert_eq!(all(Walk::new(&root, None, false, None).unwrap()), top);
        let name = RemoteName::parse("a/b").unwrap();
        let below = ["a/b/c", "a/b/c/deep", "a/b/x"];
        assert_eq!(all(Walk::new(&root, Some(&name), true, None).unwrap()), below);
    }

    #[test]
    fn a_walk_goes_on_behind_every_name() {
        let (_temp, root) = tree();
        for (index, after) in TREE.iter().enumerate() {
            let after = RemoteName::parse(after).unwrap();
            let rest = all(Walk::new(&root, None, true, Some(&after)).unwrap());
            assert_eq!(rest, TREE[index + 1..], "{after}");
        }
        for (gone, next) in [("a/b/c/e", "a/b/x"), ("a/y", "a/z"), ("a/b/a", "a/b/c"), ("A", "a")] {
            let after = RemoteName::parse(gone).unwrap();
            let mut walk = Walk::new(&root, None, true, Some(&after)).unwrap();
            assert_eq!(walk.next().unwrap().unwrap().name.as_str(), next, "{gone}");
        }
    }

    #[test]
    fn a_large_directory_is_read_in_parts() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let names: Vec<_> = (0..NAMES + 5).map(|index| format!("{index:06}")).collect();
        for name in &names {
            root.write(name, "").unwrap();
        }
        assert!(all(Walk::new(&root, None, true, None).unwrap()) == names);
    }

    #[test]
    fn what_is_no_directory_cannot_be_listed() {
        let (_temp, root) = tree();
        for name in ["b", "nothing"] {
            let name = RemoteName::parse(name).unwrap();
            assert!(Walk::new(&root, Some(&name), true, None).is_err());
        }
    }
}
