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
    recursive: bool,
    /// From the top of the walk to where it is.
    levels: Vec<Level>,
}

/// Something in the tree that has a remote name.
#[derive(Debug)]
pub(super) struct Found {
    /// Its name.
    pub(super) name: RemoteName,
    /// Of what it is, also behind a symbolic link.
    pub(super) metadata: Metadata,
}

#[derive(Debug)]
struct Level {
    dir: Dir,
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
        let (dir, prefix) = match name {
            None => (root.try_clone().map_err(|e| StoreError::io("open", ".", e))?, String::new()),
            Some(name) => {
                let opened = root.open_dir(name.as_str());
                let dir = opened.map_err(|error| StoreError::io("list", name.as_str(), error))?;
                (dir, format!("{name}/"))
            }
        };
        let mut walk = Self { recursive, levels: vec![Level::new(dir, prefix)] };
        if let Some(after) = after {
            walk.skip_to(after);
        }
        Ok(walk)
    }

    /// The next one; `None` at the end. Names that cannot be remote names, symbolic links to
    /// directories and what is neither file nor directory are passed over, and so is what vanishes
    /// while it is looked at.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Found>, StoreError> {
        while let Some(level) = self.levels.last_mut() {
            let Some(part) = level.next_name()? else {
                self.levels.pop();
                continue;
            };
            if level.prefix.is_empty() && part == OURS {
                continue;
            }
            let name = format!("{}{part}", level.prefix);
            let Ok(name) = RemoteName::parse(&name) else { continue };
            let Ok(link) = level.dir.symlink_metadata(&part) else { continue };
            let metadata = if link.is_symlink() { level.dir.metadata(&part).ok() } else { None };
            let is_link = metadata.is_some();
            let metadata = metadata.unwrap_or(link);
            if metadata.is_dir() {
                if is_link {
                    continue;
                }
                if self.recursive
                    && let Ok(dir) = level.dir.open_dir(&part)
                {
                    let prefix = format!("{name}/");
                    self.levels.push(Level::new(dir, prefix));
                }
            } else if !metadata.is_file() {
                continue;
            }
            return Ok(Some(Found { name, metadata }));
        }
        Ok(None)
    }

    /// Goes to where the walk was when it gave `after`, or would have.
    fn skip_to(&mut self, after: &RemoteName) {
        let Some(top) = self.levels.first_mut() else { return };
        let Some(below) = after.as_str().strip_prefix(top.prefix.as_str()) else { return };
        let below = below.to_owned();
        let mut parts = below.split('/');
        while let (Some(part), Some(level)) = (parts.next(), self.levels.last_mut()) {
            level.read_to = Some(part.to_owned());
            if !self.recursive {
                return;
            }
            let is_link = level.dir.symlink_metadata(part).is_ok_and(|found| found.is_symlink());
            match level.dir.open_dir(part) {
                Ok(dir) if !is_link => {
                    let prefix = format!("{}{part}/", level.prefix);
                    self.levels.push(Level::new(dir, prefix));
                }
                _ => return,
            }
        }
    }
}

impl Level {
    fn new(dir: Dir, prefix: String) -> Self {
        Self { dir, prefix, names: Vec::new(), read_to: None, more: true }
    }

    fn next_name(&mut self) -> Result<Option<String>, StoreError> {
        if self.names.is_empty() && self.more {
            self.read()?;
        }
        Ok(self.names.pop())
    }

    /// Reads the directory for its next names.
    fn read(&mut self) -> Result<(), StoreError> {
        let failed = |error| StoreError::io("list", Path::new(&self.prefix), error);
        let mut first: BinaryHeap<String> = BinaryHeap::new();
        self.more = false;
        for entry in self.dir.entries().map_err(failed)? {
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
        let expected = [&TREE[..], &["link"]].concat();
        assert_eq!(all(Walk::new(&root, None, true, None).unwrap()), expected);
        let top = ["a", "a.txt", "b", "empty", "link"];
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
            assert_eq!(rest, [&TREE[index + 1..], &["link"]].concat(), "{after}");
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
