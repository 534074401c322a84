//! Breaking a hard link: gives a staging its own copy of a data file that has a second name.
//!
//! The second name may be a published file, if publishing by a link was interrupted, or part of a
//! backup made of links. Writing to the data would change that file too, so the staging gets a
//! copy. The copy is not trusted more than any other file: its journal describes another file, so
//! its bytes are read and verified first.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::file::copy::copy_range;
use crate::file::positioned::Positioned;
use crate::staging::files::copy_of;
use crate::staging::private_file::{self, remove};
use crate::{StoreError, sys};

/// Bytes copied between two calls of the caller's callback.
const PIECE_BYTES: u64 = 8 * 1024 * 1024;

/// The number of names tried for a copy. A name left by a crash cannot be told from a user's file.
const MAX_COPY_NAMES: usize = 8;

/// Replaces `path` in `dir` by a copy of `file`, which is the locked file of that name. Until the
/// copy is complete it lies beside the file. Calls `keep_going` now and then with the bytes copied
/// so far.
///
/// # Errors
/// [`StoreError::Cancelled`] when `keep_going` returns `false`, and failures to copy; then nothing
/// has changed.
pub(crate) fn break_hard_link(
    dir: &Dir,
    path: &Path,
    file: &File,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("copy", path, error);
    let (beside, made) = create_beside(dir, path).map_err(failed)?;
    let copied = copy(&made, file, keep_going).map_err(failed);
    let replaced = copied.and_then(|whole| {
        if whole {
            dir.rename(&beside, dir, path).map_err(failed)
        } else {
            Err(StoreError::Cancelled { path: path.to_path_buf() })
        }
    });
    if replaced.is_err() {
        let _ = remove(dir, &beside);
    }
    replaced
}

/// Creates the file for the copy under an unused name.
fn create_beside(dir: &Dir, path: &Path) -> io::Result<(PathBuf, File)> {
    let mut beside = copy_of(path);
    for index in 1..=MAX_COPY_NAMES {
        match private_file::create(dir, &beside) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let mut name = copy_of(path).into_os_string();
                name.push(format!("-{index}"));
                beside = name.into();
            }
            made => return Ok((beside, made?)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Copies the data of `file` without its holes; `false` when `keep_going` said so.
fn copy(copy: &File, file: &File, keep_going: &mut dyn FnMut(u64) -> bool) -> io::Result<bool> {
    let metadata = file.metadata()?;
    let (mut at, mut done) = (0, 0_u64);
    while let Some(data) = sys::data_from(file, at, metadata.len()) {
        let len = PIECE_BYTES.min(data.end.saturating_sub(data.start));
        if !copy_range(file, copy, &Positioned::default(), data.start, len)? {
            break;
        }
        at = data.start.saturating_add(len);
        done = done.saturating_add(len);
        if !keep_going(done) {
            return Ok(false);
        }
    }
    copy.set_len(metadata.len())?;
    // The copy keeps the time: copying does not make a staging younger.
    copy.set_modified(metadata.modified()?)?;
    Ok(true)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    use cap_std::ambient_authority;

    use super::{Dir, Path, break_hard_link};
    use crate::{FileIdentity, StoreError};

    #[test]
    fn the_copy_is_the_file_with_its_holes_and_its_time() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let (path, hole) = (Path::new("data"), 64 << 20);
        let file = dir.create(path).unwrap().into_std();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"end", hole).unwrap();
        file.set_len(2 * hole).unwrap();
        dir.hard_link(path, &dir, "other").unwrap();
        // A user's file, or one left by an earlier attempt.
        dir.write("data.own", "half").unwrap();
        let file = dir.open(path).unwrap().into_std();
        break_hard_link(&dir, path, &file, &mut |_| true).unwrap();

        let copy = dir.open(path).unwrap().into_std();
        let [old, new] = [&file, &copy].map(|file| file.metadata().unwrap());
        assert!(old.ino() != new.ino() && (old.nlink(), new.nlink()) == (1, 1));
        assert_eq!((new.len(), new.modified().unwrap()), (old.len(), old.modified().unwrap()));
        assert_eq!(new.blocks(), old.blocks());
        assert!(dir.read(path).unwrap() == dir.read("other").unwrap());
        assert_eq!(dir.read_to_string("data.own").unwrap(), "half");
        assert_eq!(dir.entries().unwrap().count(), 3);
    }

    #[test]
    fn a_copy_that_is_stopped_changes_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.write("data", "bytes").unwrap();
        let file = dir.open("data").unwrap().into_std();
        let before = FileIdentity::of_std(&file).unwrap();
        let stopped = break_hard_link(&dir, Path::new("data"), &file, &mut |_| false);
        assert!(matches!(stopped, Err(StoreError::Cancelled { .. })), "{stopped:?}");
        assert_eq!(FileIdentity::of(&dir.metadata("data").unwrap()), before);
        assert_eq!(dir.entries().unwrap().count(), 1);
    }
}
