//! Names of partial files beside their targets, in directories shared with users' files.
//!
//! The data received for `NAME` lies in `NAME.ftxpart`, with a journal in `NAME.ftxpart.journal`. A
//! user may have files of such names, so only a file with one of ftx's journals counts as a partial
//! file. All others are left alone, and the partial file gets the next free name, `NAME.ftxpart-1`
//! and so on, where its journal identifies it later.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use ftx_core::native::blocks::Digest;

use crate::sys::Writers;
use crate::{Journal, StagingFiles, StoreError};

/// The suffix of a partial file behind the target's name.
const PART_SUFFIX: &str = ".ftxpart";
/// The suffix of a journal behind the partial file's name.
const JOURNAL_SUFFIX: &str = ".journal";

/// The longest file name.
const MAX_NAME_BYTES: usize = 255;

/// The number of names for one target's partial file. Looking for a journal costs one system call
/// each.
const MAX_PART_NAMES: usize = 8;

/// The possible names of one target's partial file, in the same directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartNames {
    target: PathBuf,
}

/// The owner of the files of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartOwner {
    /// There are none, or only useless remains of ftx's.
    Nobody,
    Ours,
    Others,
}

impl PartNames {
    /// Returns the names for the file `target`, a single component.
    #[must_use]
    pub fn of(target: impl Into<PathBuf>) -> Self {
        Self { target: target.into() }
    }

    /// Returns the partial file left by an earlier transfer of the target, if any.
    ///
    /// # Errors
    /// Failures to inspect files.
    pub fn find(&self, dir: &Dir) -> Result<Option<StagingFiles>, StoreError> {
        for files in self.all() {
            if owner(dir, &files)? == PartOwner::Ours {
                return Ok(Some(files));
            }
        }
        Ok(None)
    }

    /// Chooses the place of a new partial file: that of the [existing](Self::find) one, or else the
    /// first free one.
    ///
    /// # Errors
    /// [`StoreError::PartNamesTaken`], and failures to inspect files.
    pub fn choose(&self, dir: &Dir) -> Result<StagingFiles, StoreError> {
        let mut free = None;
        for files in self.all() {
            match owner(dir, &files)? {
                PartOwner::Ours => return Ok(files),
                PartOwner::Nobody => {
                    free.get_or_insert(files);
                }
                PartOwner::Others => {}
            }
        }
        free.ok_or_else(|| self.taken())
    }

    /// Refuses a target that is itself the partial file or journal of another download, which would
    /// lose its data.
    ///
    /// # Errors
    /// [`StoreError::PartOfAnother`], and failures to inspect files.
    pub fn check_target(&self, dir: &Dir) -> Result<(), StoreError> {
        let Some(name) = self.target.to_str().filter(|name| name.contains(PART_SUFFIX)) else {
            return Ok(());
        };
        let as_data =
            StagingFiles { data: name.into(), journal: suffixed(&self.target, JOURNAL_SUFFIX) };
        let as_journal = name
            .strip_suffix(JOURNAL_SUFFIX)
            .map(|data| StagingFiles { data: data.into(), journal: self.target.clone() });
        for files in [Some(as_data), as_journal].into_iter().flatten() {
            if owner(dir, &files)? == PartOwner::Ours {
                return Err(StoreError::PartOfAnother { path: self.target.clone() });
            }
        }
        Ok(())
    }

    /// All names, in the order in which they are tried.
    pub(crate) fn all(&self) -> impl Iterator<Item = StagingFiles> + '_ {
        (0..MAX_PART_NAMES).map(|index| self.nth(index))
    }

    pub(crate) fn taken(&self) -> StoreError {
        StoreError::PartNamesTaken { path: self.target.clone() }
    }

    fn nth(&self, index: usize) -> StagingFiles {
        let part = match index {
            0 => Cow::Borrowed(PART_SUFFIX),
            index => Cow::Owned(format!("{PART_SUFFIX}-{index}")),
        };
        let data = suffixed(&stem(&self.target, part.len() + JOURNAL_SUFFIX.len()), &part);
        StagingFiles { journal: suffixed(&data, JOURNAL_SUFFIX), data }
    }
}

/// Whether `files` have one of ftx's journals, so that both may be replaced.
pub(crate) fn is_ours(dir: &Dir, files: &StagingFiles) -> Result<bool, StoreError> {
    Ok(owner(dir, files)? == PartOwner::Ours)
}

fn owner(dir: &Dir, files: &StagingFiles) -> Result<PartOwner, StoreError> {
    let data = match dir.symlink_metadata(&files.data) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        found => Some(found.map_err(|error| StoreError::io("look at", &files.data, error))?),
    };
    let has_journal = dir.symlink_metadata(&files.journal).is_ok();
    let is_ours = has_journal && Journal::is_ours(dir, &files.journal);
    Ok(match data {
        None if !has_journal || is_ours => PartOwner::Nobody,
        Some(data) if is_ours && Writers::of(&data) != Writers::Others => PartOwner::Ours,
        _ => PartOwner::Others,
    })
}

/// The start of the names: the target's name, or as much of it as leaves `room` bytes, with a hash
/// that distinguishes it from names with the same start.
fn stem(name: &Path, room: usize) -> Cow<'_, Path> {
    let bytes = name.as_os_str().as_encoded_bytes();
    if bytes.len() + room <= MAX_NAME_BYTES {
        return name.into();
    }
    let digest = Digest::of(bytes).to_string();
    let mark = format!("~{}", digest.get(..16).unwrap_or(&digest));
    let mut stem = name.to_string_lossy().into_owned();
    while stem.len() + mark.len() + room > MAX_NAME_BYTES {
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
    use cap_std::ambient_authority;
    use tempfile::TempDir;

    use super::*;
    use crate::BlockStaging;

    fn scratch() -> (TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        (temp, dir)
    }

    /// Leaves the remains of an interrupted download.
    fn interrupt(dir: &Dir, files: StagingFiles) {
        let staging = BlockStaging::create(dir, files, "a", 1 << 20).unwrap();
        staging.write_at(0, &[7; 1 << 20]).unwrap();
        let cv = ftx_core::native::blocks::block_cv(1 << 20, 0, &[7; 1 << 20]).unwrap();
        staging.stored(0, cv).unwrap();
        staging.suspend().unwrap();
    }

    #[test]
    fn the_partial_file_of_any_name_has_names_of_its_own() {
        let names = ["x".repeat(239), "x".repeat(240), "x".repeat(255), "x".repeat(254) + "y"]
            .into_iter()
            .chain(["報".repeat(85), "報".repeat(84) + "告"]);
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            for (index, files) in PartNames::of(&name).all().enumerate() {
                for file in [&files.data, &files.journal] {
                    assert!(file.as_os_str().len() <= MAX_NAME_BYTES, "{file:?}");
                    assert!(seen.insert(file.clone()), "{file:?}");
                }
                if index == 0 {
                    let data = files.data.to_string_lossy().into_owned();
                    assert_eq!(data == name.clone() + ".ftxpart", name.len() <= 239);
                }
            }
        }
    }

    #[test]
    fn a_file_without_our_journal_is_left_alone() {
        let (_temp, dir) = scratch();
        let parts = PartNames::of("a");
        let first = parts.choose(&dir).unwrap();
        assert_eq!(first.data, Path::new("a.ftxpart"));
        dir.write(&first.data, "a user's").unwrap();
        assert_eq!(parts.choose(&dir).unwrap().data, Path::new("a.ftxpart-1"));
        // A journal by name only.
        dir.write("a.ftxpart-1.journal", "a user's, too").unwrap();
        assert_eq!(parts.choose(&dir).unwrap().data, Path::new("a.ftxpart-2"));
        #[cfg(unix)]
        {
            dir.symlink("nowhere", "a.ftxpart-2").unwrap();
            assert_eq!(parts.choose(&dir).unwrap().data, Path::new("a.ftxpart-3"));
        }
        assert_eq!(parts.find(&dir).unwrap(), None);
        for files in parts.all() {
            dir.write(&files.journal, "").unwrap();
        }
        let refused = parts.choose(&dir);
        assert!(matches!(refused, Err(StoreError::PartNamesTaken { .. })), "{refused:?}");
    }

    #[test]
    fn an_interrupted_download_is_found_again_wherever_it_lies() {
        let (_temp, dir) = scratch();
        let parts = PartNames::of("a");
        dir.write("a.ftxpart", "a user's").unwrap();
        let files = parts.choose(&dir).unwrap();
        interrupt(&dir, files.clone());
        dir.remove_file("a.ftxpart").unwrap();
        assert_eq!(parts.find(&dir).unwrap(), Some(files.clone()));
        assert_eq!(parts.choose(&dir).unwrap(), files);
    }

    #[test]
    fn a_target_does_not_replace_the_partial_file_of_another_one() {
        let (_temp, dir) = scratch();
        let check = |name: &str| PartNames::of(name).check_target(&dir);
        dir.write("b.ftxpart", "a user's").unwrap();
        interrupt(&dir, PartNames::of("a").choose(&dir).unwrap());
        for name in ["a.ftxpart", "a.ftxpart.journal"] {
            let refused = check(name);
            assert!(matches!(refused, Err(StoreError::PartOfAnother { .. })), "{refused:?}");
        }
        for name in ["a", "b.ftxpart", "b.ftxpart.journal", "c.ftxpart"] {
            check(name).unwrap();
        }
    }
}
