//! Directories that the store keeps for itself, in `.ftx`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cap_std::fs::Dir;
use ftx_store::StoreError;

use super::{OURS, subdirectory};

/// A directory in `.ftx`, which is made again if somebody removes it while the server runs.
#[derive(Debug)]
pub(super) struct OwnDir {
    ours: Dir,
    name: &'static str,
    dir: RwLock<Arc<Dir>>,
}

impl OwnDir {
    /// Opens the directory `name` in `ours`, which is made if it is not there.
    pub(super) fn open(ours: &Dir, name: &'static str) -> Result<Self, StoreError> {
        let dir = subdirectory(ours, Path::new(name))?;
        let ours = ours.try_clone().map_err(|error| StoreError::io("open", OURS, error))?;
        Ok(Self { ours, name, dir: RwLock::new(Arc::new(dir)) })
    }

    /// The directory as it was when it was last made.
    pub(super) fn get(&self) -> Arc<Dir> {
        Arc::clone(&self.dir.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes something new in it. If the directory itself is missing, it is made again first.
    ///
    /// # Errors
    /// What `make` says; [`StoreError::OwnDirectoryGone`] if `.ftx` is missing, too.
    pub(super) fn make<T>(
        &self,
        make: impl Fn(&Dir) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match make(&self.get()) {
            Err(StoreError::NotFound { .. }) => make(&*self.remade()?),
            made => made,
        }
    }

    fn remade(&self) -> Result<Arc<Dir>, StoreError> {
        let path = PathBuf::from(OURS).join(self.name);
        tracing::warn!(?path, "was removed while the server runs, and is made again");
        let dir = Arc::new(match subdirectory(&self.ours, Path::new(self.name)) {
            Err(StoreError::NotFound { source, .. }) => {
                return Err(StoreError::OwnDirectoryGone { path: OURS.into(), source });
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

    use super::{Dir, OwnDir, StoreError};

    #[test]
    fn a_directory_that_is_removed_is_made_again() {
        let temp = tempfile::tempdir().unwrap();
        let ours = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let own = OwnDir::open(&ours, "blocks").unwrap();
        let write = |dir: &Dir| {
            dir.write("file", "").map_err(|error| StoreError::io("create", "file", error))
        };
        own.make(write).unwrap();
        ours.remove_dir_all("blocks").unwrap();
        own.make(write).unwrap();
        assert!(ours.exists("blocks/file") && own.get().exists("file"));
        std::fs::remove_dir_all(temp.path()).unwrap();
        let refused = own.make(write);
        assert!(matches!(refused, Err(StoreError::OwnDirectoryGone { .. })), "{refused:?}");
    }
}
