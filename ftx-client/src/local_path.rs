//! Local paths: those that the caller names, and those found beneath a directory that it names.
//!
//! A path that the caller names is resolved as the system does it, links included, because the caller
//! chose it. Paths beneath a directory have names chosen by a server, or by users who may write to a
//! tree that is backed up. They are resolved beneath the handle of the tree, and links are refused.
//!
//! All local directories are opened and created in `LocalPath::directory`.

use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata};
use ftx_store::{
    Durability, DurableNames, StoreError, create_dir_beneath, open_dir_beneath,
    open_regular_ambient, open_regular_beneath,
};

use crate::{TransferError, links};

/// A local path, named by the caller or found beneath a tree.
///
/// ```no_run
/// use ftx_client::{LocalPath, LocalTree};
///
/// # fn example() -> Result<(), ftx_client::TransferError> {
/// // A link is followed.
/// let named = LocalPath::from("report.pdf");
/// // No part of the relative path may be a link; `photos` itself may be one.
/// let found = LocalPath::beneath(&LocalTree::open("photos")?, "2026/07/sea.jpg");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalPath {
    /// The whole path, for people.
    path: PathBuf,
    /// The tree that it lies in. The path then begins with the root of the tree.
    tree: Option<Arc<LocalTree>>,
}

/// A directory that the caller names, beneath which files are found. Its path is resolved once; the tree
/// then stays in that directory, even if the path leads elsewhere later.
#[derive(Debug)]
pub struct LocalTree {
    root: PathBuf,
    dir: Mutex<Option<Arc<Dir>>>,
    canonical: OnceLock<Option<PathBuf>>,
}

/// A tree is equal to itself only: another may have opened another directory by the same path.
impl PartialEq for LocalTree {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for LocalTree {}

impl Hash for LocalTree {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.root.hash(state);
    }
}

impl LocalTree {
    /// The tree in an existing directory, which is opened at once.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn open(root: impl Into<PathBuf>) -> Result<Arc<Self>, TransferError> {
        let root = root.into();
        let dir = Dir::open_ambient_dir(ambient(&root), ambient_authority())
            .map_err(|error| StoreError::io("open", &root, error))?;
        Ok(Self::new(root, Some(dir)))
    }

    /// The tree in a directory that is opened with the first file in it. If it is missing, the first
    /// write creates it.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Arc<Self> {
        Self::new(root.into(), None)
    }

    fn new(root: PathBuf, dir: Option<Dir>) -> Arc<Self> {
        let dir = Mutex::new(dir.map(Arc::new));
        Arc::new(Self { root, dir, canonical: OnceLock::new() })
    }

    /// Opens the root, as [`LocalPath::directory`] does.
    fn directory(&self, make: Option<Durability>) -> Result<Option<Arc<Dir>>, StoreError> {
        let mut dir = self.dir.lock().unwrap_or_else(PoisonError::into_inner);
        if dir.is_none() {
            *dir = open_ambient(ambient(&self.root), make)?.map(Arc::new);
        }
        Ok(dir.clone())
    }

    /// The root without links, resolved by the first call.
    fn canonical(&self) -> Option<&Path> {
        let resolve = || fs::canonicalize(ambient(&self.root)).ok();
        self.canonical.get_or_init(resolve).as_deref()
    }
}

impl From<PathBuf> for LocalPath {
    fn from(path: PathBuf) -> Self {
        Self { path, tree: None }
    }
}

impl From<&Path> for LocalPath {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

impl From<&str> for LocalPath {
    fn from(path: &str) -> Self {
        PathBuf::from(path).into()
    }
}

impl LocalPath {
    /// A path beneath a tree. `relative` must have plain names only, or all operations on the path fail;
    /// an empty one is the root of the tree.
    #[must_use]
    pub fn beneath(tree: &Arc<LocalTree>, relative: impl AsRef<Path>) -> Self {
        let relative = relative.as_ref();
        let is_root = relative.as_os_str().is_empty();
        let path = if is_root { tree.root.clone() } else { tree.root.join(relative) };
        Self { path, tree: Some(Arc::clone(tree)) }
    }

    /// The whole path, for people.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the directory of this path and its missing parents. Blocks.
    ///
    /// # Errors
    /// A file, or a link that is not followed, is in the way; or the system refuses.
    pub fn create_directory(&self, durability: Durability) -> Result<(), TransferError> {
        self.directory(Some(durability))?;
        Ok(())
    }

    /// The path of the file that a write to this path changes: the target of a link that the caller
    /// names, which may be missing. A link beneath a tree is not followed.
    ///
    /// # Errors
    /// The target is no regular file, or a link that is not followed.
    pub(crate) fn written_through(&self) -> Result<Self, StoreError> {
        match &self.tree {
            None => Ok(links::written_through(&self.path)?.into()),
            Some(_) => Ok(self.clone()),
        }
    }

    /// Whether this is an empty directory. Blocks.
    ///
    /// # Errors
    /// It cannot be read, is no directory, or a link that is not followed is in the way.
    pub fn is_empty_directory(&self) -> Result<bool, TransferError> {
        let Some(dir) = self.directory(None)? else { return Ok(false) };
        let entries = dir.entries().map_err(|error| StoreError::io("read", &self.path, error))?;
        Ok(entries.into_iter().next().is_none())
    }

    /// The name in the directory; `None` if the path has no last name.
    pub(crate) fn file_name(&self) -> Option<&OsStr> {
        match &self.tree {
            None => self.path.file_name(),
            // The root of a tree is in no directory of the tree.
            Some(tree) => self.below(tree).ok()?.file_name(),
        }
    }

    /// The directory that a path with a file's name is in.
    pub(crate) fn parent(&self) -> Self {
        let parent = self.path.parent().unwrap_or(Path::new(""));
        match &self.tree {
            None => Self::from(ambient(parent)),
            Some(tree) => Self { path: parent.to_owned(), tree: Some(Arc::clone(tree)) },
        }
    }

    /// Whether two paths are in the same directory.
    pub(crate) fn has_parent_of(&self, other: &Self) -> bool {
        self.tree == other.tree && self.path.parent() == other.path.parent()
    }

    /// Opens the regular file of this path for reading. Blocks.
    pub(crate) fn open_regular(&self) -> Result<(File, Metadata), StoreError> {
        let Some(tree) = &self.tree else { return open_regular_ambient(&self.path) };
        let below = self.below(tree)?;
        let Some(root) = tree.directory(None)? else {
            return Err(StoreError::io("open", &self.path, ErrorKind::NotFound.into()));
        };
        open_regular_beneath(&root, below).map_err(|error| error.beneath(&tree.root))
    }

    /// Opens the directory of this path. If it is missing, `make` creates it with that durability;
    /// without `make` the result is `None`. Blocks.
    pub(crate) fn directory(&self, make: Option<Durability>) -> Result<Option<Dir>, StoreError> {
        let opened = self.open_directory(make)?;
        if let (Some(dir), Some(Durability::Full)) = (&opened, make) {
            let synced = durable_names().ensure(dir);
            synced.map_err(|error| StoreError::io("sync", &self.path, error))?;
        }
        Ok(opened)
    }

    fn open_directory(&self, make: Option<Durability>) -> Result<Option<Dir>, StoreError> {
        let Some(tree) = &self.tree else { return open_ambient(&self.path, make) };
        let below = self.below(tree)?;
        let Some(root) = tree.directory(make)? else { return Ok(None) };
        let opened = match make {
            Some(_) => create_dir_beneath(&root, below),
            None => open_dir_beneath(&root, below),
        };
        match opened {
            Err(StoreError::NotFound { .. }) if make.is_none() => Ok(None),
            opened => opened.map(Some).map_err(|error| error.beneath(&tree.root)),
        }
    }

    /// The path without links: one file has one canonical path. Blocks.
    pub(crate) fn canonical(&self) -> Option<PathBuf> {
        match &self.tree {
            None => fs::canonicalize(&self.path).ok(),
            // Beneath the root there are no links.
            Some(tree) => Some(tree.canonical()?.join(self.below(tree).ok()?)),
        }
    }

    /// The path relative to the root of its tree. Joining an absolute path to the root gives one that
    /// does not begin with it, which is refused.
    fn below(&self, tree: &LocalTree) -> Result<&Path, StoreError> {
        let below = self.path.strip_prefix(&tree.root);
        below.map_err(|_| StoreError::BadName { path: self.path.clone() })
    }
}

/// The path of a directory for the system, which knows no empty path.
fn ambient(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// [`LocalPath::directory`] for a path that the caller names.
fn open_ambient(path: &Path, make: Option<Durability>) -> Result<Option<Dir>, StoreError> {
    let open = || Dir::open_ambient_dir(path, ambient_authority());
    let opened = match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if make.is_none() {
                return Ok(None);
            }
            fs::create_dir_all(path).map_err(|error| StoreError::io("create", path, error))?;
            open()
        }
        opened => opened,
    };
    opened.map(Some).map_err(|error| StoreError::io("open", path, error))
}

/// The directories that this process knows to be durable.
pub(crate) fn durable_names() -> &'static Arc<DurableNames> {
    static NAMES: LazyLock<Arc<DurableNames>> = LazyLock::new(Arc::default);
    &NAMES
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{LocalPath, LocalTree};
    use crate::Durability;
    use ftx_store::StoreError;

    #[test]
    fn directories_of_a_named_path_are_made_and_links_in_it_followed() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("dir")).unwrap();
        symlink("dir", temp.path().join("link")).unwrap();
        for durability in [Durability::Full, Durability::None] {
            for path in ["link", "link/a/b", "link/none/../c", "link/d/.."] {
                let path = LocalPath::from(temp.path().join(path));
                path.create_directory(durability).unwrap();
                assert!(path.path().is_dir());
            }
            fs::remove_dir_all(temp.path().join("dir/a")).unwrap();
        }
        fs::write(temp.path().join("dir/file"), "").unwrap();
        let refused = LocalPath::from(temp.path().join("link/file/x")).directory(None);
        assert!(matches!(refused, Err(StoreError::NotDirectory { .. })), "{refused:?}");
    }

    #[test]
    fn a_tree_is_created_at_the_first_write_and_stays_the_same() {
        let temp = tempfile::tempdir().unwrap();
        let [root, moved] = ["a/root", "a/moved"].map(|name| temp.path().join(name));
        let tree = LocalTree::at(&root);
        let file = LocalPath::beneath(&tree, "sub/file");
        assert_eq!(file.path(), root.join("sub/file"));
        assert!(matches!(file.open_regular(), Err(StoreError::NotFound { .. })));
        let (parent, name) = (file.parent(), file.file_name().unwrap());
        assert!(parent.directory(None).unwrap().is_none() && !root.exists());
        let dir = parent.directory(Some(Durability::Full)).unwrap().unwrap();
        dir.write(name, "bytes").unwrap();
        fs::rename(&root, &moved).unwrap();
        assert_eq!(file.open_regular().unwrap().1.len(), 5);
        LocalPath::beneath(&tree, "other").create_directory(Durability::Full).unwrap();
        assert!(moved.join("other").is_dir() && !root.exists());
        // Another tree of that path is another directory.
        let other = LocalPath::beneath(&LocalTree::at(&root), "sub/file");
        assert_eq!(other.path(), file.path());
        assert!(other != file && file == LocalPath::beneath(&tree, "sub/file"));
    }

    #[test]
    fn an_empty_path_beneath_is_the_root_and_others_stay_beneath() {
        let temp = tempfile::tempdir().unwrap();
        let tree = LocalTree::at(temp.path().join("root"));
        let root = LocalPath::beneath(&tree, "");
        assert!(root.file_name().is_none());
        root.create_directory(Durability::None).unwrap();
        assert_eq!(root.path(), temp.path().join("root"));
        // A server that lists other names than it was asked for can bring about any of these.
        for path in ["../x", "/x", "x/../../y", temp.path().join("x").to_str().unwrap()] {
            let refused = LocalPath::beneath(&tree, path).create_directory(Durability::None);
            assert!(
                matches!(&refused, Err(error) if matches!(error.store_error(), Some(StoreError::BadName { .. }))),
                "{path}: {refused:?}"
            );
        }
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
        assert!(LocalTree::open(temp.path().join("none")).is_err());
    }

    #[test]
    fn an_empty_directory_is_not_found_behind_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let tree = LocalTree::open(temp.path()).unwrap();
        fs::create_dir_all(temp.path().join("full/empty")).unwrap();
        symlink("full", temp.path().join("link")).unwrap();
        let is_empty = |path| LocalPath::beneath(&tree, path).is_empty_directory();
        assert!(is_empty("full/empty").unwrap() && !is_empty("full").unwrap());
        assert!(!is_empty("none").unwrap());
        assert!(is_empty("link/empty").is_err() && is_empty("link").is_err());
    }

    #[test]
    fn a_link_is_named_by_the_path_that_its_user_knows() {
        let temp = tempfile::tempdir().unwrap();
        let tree = LocalTree::open(temp.path()).unwrap();
        fs::create_dir(temp.path().join("dir")).unwrap();
        symlink(".", temp.path().join("dir/link")).unwrap();
        let path = LocalPath::beneath(&tree, "dir/link/file");
        let link = |refused: StoreError| match refused {
            StoreError::Link { path } => path,
            other => panic!("{other:?}"),
        };
        let named = temp.path().join("dir/link");
        assert_eq!(link(path.open_regular().unwrap_err()), named);
        for make in [None, Some(Durability::Full)] {
            assert_eq!(link(path.parent().directory(make).unwrap_err()), named);
        }
    }
}
