//! Where a downloaded file and its staging lie, in either dialect.

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

/// A local path, and the names of what is beside it until the file is whole.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The file's path, as it was given, for people.
    shown: PathBuf,
    /// The file. Where the path that was given is that of a link, what the link leads to.
    local: LocalPath,
    /// Its name in there.
    pub(crate) name: PathBuf,
    /// The names that its staging can have, in the same directory.
    pub(crate) parts: PartNames,
    pub(crate) durability: Durability,
}

impl Place {
    /// The place of the file of this path, where links lead that the caller names. Blocks, but for a
    /// moment only.
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

    /// The directory, if it is there; an error if something has the file's name that no file replaces.
    /// Blocks.
    pub(crate) fn existing_directory(&self) -> Result<Option<Dir>, StoreError> {
        let Some(dir) = self.local.parent().directory(None)? else { return Ok(None) };
        if let Ok(here) = dir.symlink_metadata(&self.name) {
            check_replaceable(self.path(), &here)?;
        }
        Ok(Some(dir))
    }

    /// The directory, made if it is not there, and as durable as a file in it has to be: an earlier try that
    /// made it may have wanted nothing to be durable. Blocks.
    pub(crate) fn directory(&self) -> Result<Dir, StoreError> {
        let parent = self.local.parent();
        parent.directory(Some(self.durability))?.ok_or_else(|| {
            // It was made, so this is not reached.
            StoreError::io("open", parent.path(), ErrorKind::NotFound.into())
        })
    }

    /// Opens a file in its directory for reading. Blocks.
    pub(crate) fn open_in(&self, dir: &Dir, name: &Path) -> Result<(File, Metadata), StoreError> {
        open_regular_beneath(dir, name).map_err(|error| error.beneath(self.local.parent().path()))
    }

    /// What is at the target, if it is a regular file, opened for reading. Blocks.
    pub(crate) fn open_target(&self) -> Result<(File, Metadata), StoreError> {
        self.local.open_regular()
    }

    /// Makes durable what is at the target, if it still is what it was when it was read: the process
    /// that stored it may have been killed before its syncs. Blocks.
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

    /// The directory as one that files are published in. Blocks.
    pub(crate) fn root(&self) -> Result<Root, StoreError> {
        Ok(Root::new(self.directory()?, self.durability, Arc::clone(durable_names())))
    }

    /// Fails if nothing can take the target's place, or only at the cost of another download: it may have
    /// become that one's partial file since this was asked last. Blocks.
    pub(crate) fn check_target(&self, dir: &Dir) -> Result<(), StoreError> {
        if is_mount_point(dir, &self.name) {
            return Err(StoreError::io("replace", self.path(), ErrorKind::ResourceBusy.into()));
        }
        self.parts.check_target(dir).map_err(|error| error.with_path(self.path()))
    }

    /// Where the staging of a new version goes; what lies there is replaced. Blocks.
    pub(crate) fn choose_files(&self, dir: &Dir) -> Result<StagingFiles, StoreError> {
        self.check_target(dir)?;
        self.parts.choose(dir).map_err(|error| error.beneath(self.local.parent().path()))
    }
}

/// Bytes of the data in a staging's files, 0 if there is none. Blocks.
pub(crate) fn staged_bytes(dir: &Dir, files: &StagingFiles) -> u64 {
    dir.symlink_metadata(&files.data).map_or(0, |metadata| metadata.len())
}
