//! The paths of a downloaded file and its staging, in either dialect.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, File, Metadata};
use ftx_store::{
    Durability, FileIdentity, PartNames, Root, StagingFiles, StoreError, check_replaceable,
    is_mount_point, open_regular_beneath,
};

use crate::LocalPath;
use crate::local_path::durable_names;

/// The path of a download, and the names of the staging files beside it.
#[derive(Clone, Debug)]
pub(crate) struct TargetPaths {
    /// The path as it was given, for people.
    shown: PathBuf,
    /// The file itself: if the given path is a link, its target.
    local: LocalPath,
    /// Its name in its directory.
    pub(crate) name: PathBuf,
    /// The names that its staging can have in the same directory.
    pub(crate) parts: PartNames,
    pub(crate) durability: Durability,
}

impl TargetPaths {
    /// The paths of a download to `local`; a link that the caller names is followed. Blocks, but only
    /// for a moment.
    pub(crate) fn new(local: &LocalPath, durability: Durability) -> Result<Self, StoreError> {
        let shown = local.path().to_owned();
        let local = local.written_through()?;
        let path = local.path();
        let Some(name) = local.file_name() else {
            return Err(StoreError::io("create", path, ErrorKind::IsADirectory.into()));
        };
        let (name, parts) = (PathBuf::from(name), PartNames::of(name));
        Ok(Self { shown, local, name, parts, durability })
    }

    /// The path of the file, for people.
    pub(crate) fn path(&self) -> &Path {
        &self.shown
    }

    /// Whether another file is in the same directory.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.local.has_parent_of(&other.local)
    }

    /// The directory, if it exists; an error if something that a file cannot replace has its name.
    /// Blocks.
    pub(crate) fn existing_directory(&self) -> Result<Option<Dir>, StoreError> {
        let Some(dir) = self.local.parent().directory(None)? else { return Ok(None) };
        if let Ok(here) = dir.symlink_metadata(&self.name) {
            check_replaceable(self.path(), &here)?;
        }
        Ok(Some(dir))
    }

    /// The directory, created if it is missing, and made as durable as its file must be: an earlier
    /// transfer may have created it without durability. Blocks.
    pub(crate) fn directory(&self) -> Result<Dir, StoreError> {
        let parent = self.local.parent();
        parent.directory(Some(self.durability))?.ok_or_else(|| {
            // Not reached, because it was created.
            StoreError::io("open", parent.path(), ErrorKind::NotFound.into())
        })
    }

    /// Opens a file in its directory for reading. Blocks.
    pub(crate) fn open_in(&self, dir: &Dir, name: &Path) -> Result<(File, Metadata), StoreError> {
        open_regular_beneath(dir, name).map_err(|error| error.beneath(self.local.parent().path()))
    }

    /// Opens the target for reading, if it is a regular file. Blocks.
    pub(crate) fn open_target(&self) -> Result<(File, Metadata), StoreError> {
        self.local.open_regular()
    }

    /// Makes the target durable, if it has not changed since it was read: the process that stored it may
    /// have been killed before it synced. Blocks.
    pub(crate) fn keep(
        &self,
        file: &std::fs::File,
        identity: &FileIdentity,
    ) -> Result<(), StoreError> {
        let look = |error| StoreError::io("look at", self.path(), error);
        if !FileIdentity::of_std(file).map_err(look)?.same_content(identity) {
            return Err(StoreError::Changed { path: self.path().to_owned() });
        }
        if self.durability == Durability::None {
            return Ok(());
        }
        let root = self.root()?;
        let synced = file.sync_all().and_then(|()| root.make_durable(&self.name));
        synced.map_err(|error| StoreError::io("sync", self.path(), error))
    }

    /// The directory, to publish files in. Blocks.
    pub(crate) fn root(&self) -> Result<Root, StoreError> {
        Ok(Root::new(self.directory()?, self.durability, Arc::clone(durable_names())))
    }

    /// Fails if the target cannot be replaced, or has become the partial file of another download.
    /// Blocks.
    pub(crate) fn check_target(&self, dir: &Dir) -> Result<(), StoreError> {
        if is_mount_point(dir, &self.name) {
            return Err(StoreError::io("replace", self.path(), ErrorKind::ResourceBusy.into()));
        }
        self.parts.check_target(dir).map_err(|error| error.with_path(self.path()))
    }

    /// The staging files for a new version, which replace older ones. Blocks.
    pub(crate) fn choose_files(&self, dir: &Dir) -> Result<StagingFiles, StoreError> {
        self.check_target(dir)?;
        self.parts.choose(dir).map_err(|error| error.beneath(self.local.parent().path()))
    }
}

/// Bytes in the data file of a staging; 0 if there is none. Blocks.
pub(crate) fn staged_bytes(dir: &Dir, files: &StagingFiles) -> u64 {
    dir.symlink_metadata(&files.data).map_or(0, |metadata| metadata.len())
}
