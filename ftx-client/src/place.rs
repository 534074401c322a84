//! Where a downloaded file and its staging lie, in either dialect.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_core::native::blocks::Digest;
use ftx_store::{Durability, StagingFiles, StoreError};

/// What the names of a staging's data and journal end with.
const PART: &str = ".ftxpart";
const JOURNAL: &str = ".ftxpart.journal";

/// Bytes that a name has at most.
const LONGEST: usize = RemoteName::MAX_PART_BYTES;

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
        let stem = stem(&name);
        let files = StagingFiles { data: suffixed(&stem, PART), journal: suffixed(&stem, JOURNAL) };
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
    use std::path::Path;

    use ftx_store::Durability;

    use super::{LONGEST, Place};

    #[test]
    fn the_staging_of_any_name_has_names_of_its_own() {
        let names = ["x".repeat(239), "x".repeat(240), "x".repeat(255), "x".repeat(254) + "y"]
            .into_iter()
            .chain(["報".repeat(85), "報".repeat(84) + "告"]);
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            let place = Place::new(Path::new(&name), Durability::None).unwrap();
            for file in [&place.files.data, &place.files.journal] {
                assert!(file.as_os_str().len() <= LONGEST, "{file:?}");
                assert!(seen.insert(file.clone()), "{file:?}");
            }
            let data = place.files.data.to_string_lossy().into_owned();
            assert_eq!(data == name.clone() + ".ftxpart", name.len() <= 239);
        }
    }
}
