//! Where a downloaded file and its staging lie, in either dialect.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, File, Metadata};
use ftx_core::RemoteName;
use ftx_core::native::blocks::Digest;
use ftx_store::{
    Durability, FileIdentity, Root, StagingFiles, StoreError, check_replaceable,
    open_regular_beneath,
};

use crate::LocalPath;
use crate::local_path::durable_names;

/// What the names of a staging's data and journal end with.
const PART: &str = ".ftxpart";
const JOURNAL: &str = ".ftxpart.journal";

/// Bytes that a name has at most.
const LONGEST: usize = RemoteName::MAX_PART_BYTES;

/// A local path, and the names of what is beside it until the file is whole.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The file's path, as it was given, for people.
    shown: PathBuf,
    /// The file. Where the path that was given is that of a link, what the link leads to.
    local: LocalPath,
    /// Its name in there.
    pub(crate) name: PathBuf,
    /// The names of its staging, in the same directory.
    pub(crate) files: StagingFiles,
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
        // Another download may be growing there.
        if [PART, JOURNAL].iter().any(|suffix| name.to_string_lossy().ends_with(suffix)) {
            return Err(StoreError::Reserved { path: path.to_owned() });
        }
        let name = PathBuf::from(name);
        let stem = stem(&name);
        let files = StagingFiles { data: suffixed(&stem, PART), journal: suffixed(&stem, JOURNAL) };
        Ok(Self { shown, local, name, files, durability })
    }

    /// The path of the file, for people.
    pub(crate) fn path(&self) -> &Path {
        &self.shown
    }

    /// Whether another file is in the same directory.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.local.has_parent_of(&other.local)
    }

    /// The directory, if it is there, as durable as a file in it has to be; an error if something has the
    /// file's name that no file replaces. Blocks.
    pub(crate) fn existing_directory(&self) -> Result<Option<Dir>, StoreError> {
        let Some(dir) = self.local.parent().directory(None)? else { return Ok(None) };
        if let Ok(here) = dir.symlink_metadata(&self.name) {
            check_replaceable(self.path(), &here)?;
        }
        // An earlier try that made it may have wanted nothing to be durable.
        if self.durability == Durability::Full {
            let synced = durable_names().ensure(&dir);
            synced.map_err(|error| StoreError::io("sync", self.local.parent().path(), error))?;
        }
        Ok(Some(dir))
    }

    /// The directory, made if it is not there. Blocks.
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

    /// Bytes of the staging's data, 0 if there is none. Blocks.
    pub(crate) fn staged_bytes(&self, dir: &Dir) -> u64 {
        dir.metadata(&self.files.data).map_or(0, |metadata| metadata.len())
    }
}

/// What the names of the staging begin with: the file's name, or as much of it as leaves room for them,
/// with what tells it from others that begin alike.
fn stem(name: &Path) -> Cow<'_, Path> {
    let bytes = name.as_os_str().as_encoded_bytes();
    if bytes.len() + JOURNAL.len() <= LONGEST {
        return name.into();
    }
    let digest = Digest::of(bytes).to_string();
    let mark = format!("~{}", digest.get(..16).unwrap_or(&digest));
    let mut stem = name.to_string_lossy().into_owned();
    while stem.len() + mark.len() + JOURNAL.len() > LONGEST {
        stem.pop();
    }
    PathBuf::from(stem + &mark).into()
}

fn suffixed(name: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(name);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use ftx_store::Durability;

    use super::{LONGEST, LocalPath, Place};

    #[test]
    fn the_staging_of_any_name_has_names_of_its_own() {
        let names = ["x".repeat(239), "x".repeat(240), "x".repeat(255), "x".repeat(254) + "y"]
            .into_iter()
            .chain(["報".repeat(85), "報".repeat(84) + "告"]);
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            let place = Place::new(&LocalPath::from(&*name), Durability::None).unwrap();
            for file in [&place.files.data, &place.files.journal] {
                assert!(file.as_os_str().len() <= LONGEST, "{file:?}");
                assert!(seen.insert(file.clone()), "{file:?}");
            }
            let data = place.files.data.to_string_lossy().into_owned();
            assert_eq!(data == name.clone() + ".ftxpart", name.len() <= 239);
        }
    }
}
