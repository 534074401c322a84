//! Directories in `.ftx`, which belong to the store.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cap_std::fs::Dir;
use ftx_store::StoreError;

use super::{PRIVATE_DIR, subdirectory};

/// A directory in `.ftx`, which is recreated if it is removed while the server runs.
#[derive(Debug)]
pub(super) struct PrivateDir {
    parent: Dir,
    name: &'static str,
    dir: RwLock<Arc<Dir>>,
}

impl PrivateDir {
    /// Opens the directory `name` in `parent`, the `.ftx` directory, and creates it if it is missing.
    pub(super) fn open(parent: &Dir, name: &'static str) -> Result<Self, StoreError> {
        let dir = subdirectory(parent, Path::new(name))?;
        let parent =
            parent.try_clone().map_err(|error| StoreError::io("open", PRIVATE_DIR, error))?;
        Ok(Self { parent, name, dir: RwLock::new(Arc::new(dir)) })
    }

    /// The path of the directory, for logs and the record of ages.
    pub(super) fn path(&self) -> String {
        format!("{PRIVATE_DIR}/{}", self.name)
    }

    /// The directory as it was last created.
    pub(super) fn get(&self) -> Arc<Dir> {
        Arc::clone(&self.dir.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes something new in the directory. If the directory itself is missing, recreates it first.
    ///
    /// # Errors
    /// As `make`; [`StoreError::OwnDirectoryGone`] if `.ftx` is missing, too.
    pub(super) fn make<T>(
        &self,
        make: impl Fn(&Dir) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match make(&self.get()) {
            Err(StoreError::NotFound { .. }) => make(&*self.recreate()?),
            made => made,
        }
    }

    fn recreate(&self) -> Result<Arc<Dir>, StoreError> {
        let path = PathBuf::from(PRIVATE_DIR).join(self.name);
        tracing::warn!(?path, "was removed while the server runs; recreating it");
        let dir = Arc::new(match subdirectory(&self.parent, Path::new(self.name)) {
            Err(StoreError::NotFound { source, .. }) => {
                return Err(StoreError::OwnDirectoryGone { path: PRIVATE_DIR.into(), source });
            }
            made => made?,
        });
        *self.dir.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&dir);
        Ok(dir)
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::{Dir, PrivateDir, StoreError};

    #[test]
    fn a_removed_directory_is_recreated() {
        let temp = tempfile::tempdir().unwrap();
        let parent = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let own = PrivateDir::open(&parent, "blocks").unwrap();
        let write = |dir: &Dir| {
            dir.write("file", "").map_err(|error| StoreError::io("create", "file", error))
        };
        own.make(write).unwrap();
        parent.remove_dir_all("blocks").unwrap();
        own.make(write).unwrap();
        assert!(parent.exists("blocks/file") && own.get().exists("file"));
        std::fs::remove_dir_all(temp.path()).unwrap();
        let refused = own.make(write);
        assert!(matches!(refused, Err(StoreError::OwnDirectoryGone { .. })), "{refused:?}");
    }
}
