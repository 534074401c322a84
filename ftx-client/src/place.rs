//! Where a downloaded file and its staging lie, in either dialect.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_store::{Durability, StagingFiles, StoreError};

/// What the names of a staging's data and journal end with.
const PART: &str = ".ftxpart";
const JOURNAL: &str = ".ftxpart.journal";

/// A local path, and the names of what is beside it until the file is whole.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The file, as it was given.
    pub(crate) path: PathBuf,
    /// Its directory.
    pub(crate) parent: PathBuf,
    /// Its name in there.
    pub(crate) name: PathBuf,
    /// The names of its staging, in the same directory.
    pub(crate) files: StagingFiles,
    pub(crate) durability: Durability,
}

impl Place {
    pub(crate) fn new(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let Some(name) = path.file_name().map(PathBuf::from) else {
            return Err(StoreError::io("create", path, ErrorKind::IsADirectory.into()));
        };
        // Another download may be growing there.
        if [PART, JOURNAL].iter().any(|suffix| name.to_string_lossy().ends_with(suffix)) {
            return Err(StoreError::Reserved { path: path.to_owned() });
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let files = StagingFiles { data: suffixed(&name, PART), journal: suffixed(&name, JOURNAL) };
        Ok(Self { path: path.to_owned(), parent, name, files, durability })
    }

    /// The directory, if it is there; an error if a directory has the file's name. Blocks.
    pub(crate) fn existing_directory(&self) -> Result<Option<Dir>, StoreError> {
        let dir = match Dir::open_ambient_dir(&self.parent, ambient_authority()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| StoreError::io("open", &self.parent, error))?,
        };
        if dir.metadata(&self.name).is_ok_and(|metadata| metadata.is_dir()) {
            return Err(StoreError::io("create", &self.path, ErrorKind::IsADirectory.into()));
        }
        Ok(Some(dir))
    }

    /// The directory, made if it is not there. Blocks.
    pub(crate) fn directory(&self) -> Result<Dir, StoreError> {
        let open = || Dir::open_ambient_dir(&self.parent, ambient_authority());
        let opened = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(&self.parent)
                    .map_err(|error| StoreError::io("create", &self.parent, error))?;
                open()
            }
            opened => opened,
        };
        opened.map_err(|error| StoreError::io("open", &self.parent, error))
    }

    /// Bytes of the staging's data, 0 if there is none. Blocks.
    pub(crate) fn staged_bytes(&self, dir: &Dir) -> u64 {
        dir.metadata(&self.files.data).map_or(0, |metadata| metadata.len())
    }
}

fn suffixed(name: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(name);
    name.push(suffix);
    name.into()
}
