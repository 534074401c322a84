//! Making room for a file: the directories it lies in.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Dir;

use crate::{Durability, StoreError, sys};

/// Opens the directory below `root` that holds `path`, creating it and those above as needed.
///
/// With [`Durability::Full`] a new directory is durable when this returns. A directory that was
/// there already is taken as it is.
///
/// # Errors
/// [`StoreError::BadName`] when `path` is empty or has parts other than plain names,
/// [`StoreError::NotDirectory`] when a file is in the way, and those of creating directories.
pub fn create_parents(root: &Dir, path: &Path, durability: Durability) -> Result<Dir, StoreError> {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let mut parts = path.iter();
    if !plain || parts.next_back().is_none() {
        return Err(StoreError::BadName { path: path.to_path_buf() });
    }

    let mut dir = root.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
    let mut walked = PathBuf::new();
    for name in parts {
        walked.push(name);
        dir = match dir.open_dir(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create(&dir, Path::new(name), &walked, durability)?
            }
            opened => opened.map_err(|error| StoreError::io("open", &walked, error))?,
        };
    }
    Ok(dir)
}

fn create(
    dir: &Dir,
    name: &Path,
    walked: &Path,
    durability: Durability,
) -> Result<Dir, StoreError> {
    match dir.create_dir(name) {
        // Another transfer was quicker, and may not have synced it yet.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        created => created.map_err(|error| StoreError::io("create", walked, error))?,
    }
    if durability == Durability::Full {
        sys::sync_dir(dir).map_err(|error| StoreError::io("sync", walked, error))?;
    }
    dir.open_dir(name).map_err(|error| StoreError::io("open", walked, error))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::create_parents;
    use crate::{Durability, StoreError};

    #[test]
    fn creates_what_is_missing_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        for durability in [Durability::Full, Durability::None] {
            for path in ["x", "a/x", "a/b/c/x"] {
                let dir = create_parents(&root, Path::new(path), durability).unwrap();
                assert!(!root.exists(path));
                dir.write("x", path).unwrap();
                assert_eq!(root.read_to_string(path).unwrap(), path);
                dir.remove_file("x").unwrap();
            }
        }
    }

    #[test]
    fn refuses_paths_that_do_not_stay_below() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        for path in ["", "..", "../x", "a/../x", "/x", "./x", "a/.."] {
            let refused = create_parents(&root, Path::new(path), Durability::None);
            assert!(matches!(refused, Err(StoreError::BadName { .. })), "{path}: {refused:?}");
        }
        assert_eq!(root.entries().unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        root.write("a", "").unwrap();
        let refused = create_parents(&root, Path::new("a/b/x"), Durability::None);
        assert!(matches!(refused, Err(StoreError::NotDirectory { .. })), "{refused:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_lead_out() {
        let temp = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/tmp", temp.path().join("out")).unwrap();
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        assert!(create_parents(&root, Path::new("out/x/y"), Durability::None).is_err());
    }
}
