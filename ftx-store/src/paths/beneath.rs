//! Paths beneath a directory handle, without symbolic links in any part.
//!
//! A path is opened part by part, each relative to the handle of the part before. So replacing a
//! directory by a link in the meantime leads nowhere: either the opened object lies beneath the
//! handle, or an error names the link. Where the system can resolve such a path by itself, one call
//! does it, and the parts are walked only to find the cause of a failure.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, File, Metadata};

use crate::StoreError;
use crate::file::checks::check_replaceable;
use crate::file::open::{check, nonblocking_options};
use crate::sys::{self, OpenFor};

/// Opens the directory `path` beneath `base`. An empty path is `base` itself. Blocks.
///
/// # Errors
/// [`StoreError::Link`] if a part of the path is a symbolic link, [`StoreError::NotDirectory`] if a
/// part is a file, [`StoreError::BadName`] for a path that is not plain, and failures to open
/// directories. Each names the part, relative to `base`.
pub fn open_dir_beneath(base: &Dir, path: &Path) -> Result<Dir, StoreError> {
    check_plain(path)?;
    match sys::open_without_links(base, path, OpenFor::Directory) {
        Some(Err(error)) if is_too_long(&error) => walk(base, path, false),
        Some(opened) => opened.map(Dir::from_std_file).map_err(|e| StoreError::io("open", path, e)),
        None => walk(base, path, false),
    }
}

/// As [`open_dir_beneath`], but creates each missing directory. Their names are not durable yet:
/// [`DurableNames`](crate::DurableNames) sees to that.
///
/// # Errors
/// As [`open_dir_beneath`], and failures to create directories.
pub fn create_dir_beneath(base: &Dir, path: &Path) -> Result<Dir, StoreError> {
    match open_dir_beneath(base, path) {
        Err(StoreError::NotFound { .. }) => walk(base, path, true),
        opened => opened,
    }
}

/// Checks, without creating anything, whether [`create_dir_beneath`] would probably succeed and a
/// file could be created there.
///
/// # Errors
/// As [`open_dir_beneath`]; the directory, or the one in which a part is missing, is not writable.
pub(crate) fn check_dir_beneath(base: &Dir, path: &Path) -> Result<(), StoreError> {
    check_plain(path)?;
    let mut dir = base.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
    let mut walked = PathBuf::new();
    for name in path {
        let name = Path::new(name);
        walked.push(name);
        dir = match dir.open_dir_nofollow(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            opened => opened.map_err(|error| failed(&dir, name, &walked, error))?,
        };
    }
    sys::check_may_write(&dir).map_err(|error| StoreError::io("create", path, error))
}

/// Opens the regular file `path` beneath `base` for reading, and returns it with its metadata at
/// that time. Blocks, but never for the writer of a pipe.
///
/// # Errors
/// As [`open_dir_beneath`]; the file cannot be opened, or is not a regular file.
pub fn open_regular_beneath(base: &Dir, path: &Path) -> Result<(File, Metadata), StoreError> {
    check_plain(path)?;
    match sys::open_without_links(base, path, OpenFor::Contents) {
        Some(Err(error)) if is_too_long(&error) => walk_to_regular(base, path),
        Some(opened) => check(path, opened.map(File::from_std)),
        None => walk_to_regular(base, path),
    }
}

/// Whether a path exceeds the system's limit for one call; each part may still be short enough.
fn is_too_long(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidFilename
}

fn walk_to_regular(base: &Dir, path: &Path) -> Result<(File, Metadata), StoreError> {
    let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
        return Err(StoreError::BadName { path: path.to_path_buf() });
    };
    let (dir, name) = (walk(base, parent, false)?, Path::new(name));
    let opened = dir.open_with(name, nonblocking_options().follow(FollowSymlinks::No));
    match opened {
        Err(error) => Err(unopened(&dir, name, path, error)),
        opened => check(path, opened),
    }
}

/// Rejects `name` in `dir`, a single component, if it is a symbolic link.
///
/// # Errors
/// [`StoreError::Link`].
pub(crate) fn check_no_link(dir: &Dir, name: &Path) -> Result<(), StoreError> {
    if dir.symlink_metadata(name).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(StoreError::Link { path: name.to_path_buf() });
    }
    Ok(())
}

fn check_plain(path: &Path) -> Result<(), StoreError> {
    if path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(());
    }
    Err(StoreError::BadName { path: path.to_path_buf() })
}

/// Opens `path` part by part; with `make`, creates missing directories.
fn walk(base: &Dir, path: &Path, make: bool) -> Result<Dir, StoreError> {
    let mut dir = base.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
    let mut walked = PathBuf::new();
    for name in path {
        let name = Path::new(name);
        walked.push(name);
        dir = if make {
            open_or_create(&dir, name, &walked)?.0
        } else {
            let opened = dir.open_dir_nofollow(name);
            opened.map_err(|error| failed(&dir, name, &walked, error))?
        };
    }
    Ok(dir)
}

/// Opens `name` in `dir`, called `walked` in errors, and creates it if it is missing. Returns
/// whether it was created here.
pub(crate) fn open_or_create(
    dir: &Dir,
    name: &Path,
    walked: &Path,
) -> Result<(Dir, bool), StoreError> {
    let opened = match dir.open_dir_nofollow(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => match dir.create_dir(name) {
            // Another program created it first.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => dir.open_dir_nofollow(name),
            created => {
                created.map_err(|error| StoreError::io("create", walked, error))?;
                let made = dir.open_dir_nofollow(name);
                return Ok((made.map_err(|error| failed(dir, name, walked, error))?, true));
            }
        },
        opened => opened,
    };
    Ok((opened.map_err(|error| failed(dir, name, walked, error))?, false))
}

/// The object may be a socket or a device, for which the system gives other errors.
fn unopened(dir: &Dir, name: &Path, path: &Path, error: io::Error) -> StoreError {
    match dir.symlink_metadata(name) {
        Ok(found) => {
            let refused = check_replaceable(path, &found);
            refused.err().unwrap_or_else(|| StoreError::io("open", path, error))
        }
        Err(_) => StoreError::io("open", path, error),
    }
}

/// Systems report a refused link differently, so the name is inspected.
fn failed(dir: &Dir, name: &Path, walked: &Path, error: io::Error) -> StoreError {
    match check_no_link(dir, name) {
        Err(_) => StoreError::Link { path: walked.to_path_buf() },
        Ok(()) => StoreError::io("open", walked, error),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use tempfile::TempDir;

    use super::{
        create_dir_beneath, open_dir_beneath, open_regular_beneath, walk, walk_to_regular,
    };
    use crate::StoreError;

    const FILE: &str = "a/b/c/file";

    /// A directory with `a/b/c/file` in `base`, and a copy of it in `elsewhere`.
    fn setting() -> (TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        for tree in ["base", "elsewhere"] {
            let path = temp.path().join(tree).join(FILE);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, tree).unwrap();
        }
        let base = Dir::open_ambient_dir(temp.path().join("base"), ambient_authority()).unwrap();
        (temp, base)
    }

    fn content(base: &Dir, path: &str) -> Result<String, StoreError> {
        let opened = open_regular_beneath(base, Path::new(path));
        let walked = walk_to_regular(base, Path::new(path));
        if !path.is_empty() && !path.contains('.') && !path.starts_with('/') {
            let told = [&opened, &walked].map(|opened| opened.as_ref().map(|_| ()).map_err(kind));
            assert_eq!(told[0], told[1], "{path}");
        }
        let (file, metadata) = opened?;
        assert!(metadata.is_file());
        Ok(std::io::read_to_string(file).unwrap())
    }

    fn kind(error: &StoreError) -> std::mem::Discriminant<StoreError> {
        std::mem::discriminant(error)
    }

    /// The outcome of each way to open a directory, including the bare walk, which is the only way
    /// on some systems.
    fn directory(base: &Dir, path: &str) -> [Result<Dir, StoreError>; 4] {
        let path = Path::new(path);
        [
            open_dir_beneath(base, path),
            create_dir_beneath(base, path),
            walk(base, path, false),
            walk(base, path, true),
        ]
    }

    fn assert_link<T: std::fmt::Debug>(refused: Result<T, StoreError>, link: &str) {
        match refused {
            Err(StoreError::Link { path }) => assert_eq!(path, Path::new(link)),
            other => panic!("{link}: {other:?}"),
        }
    }

    #[test]
    fn files_and_directories_beneath_are_opened() {
        let (_temp, base) = setting();
        assert_eq!(content(&base, FILE).unwrap(), "base");
        for (path, entry) in [("", "a"), ("a", "b"), ("a/b/c", "file")] {
            for dir in directory(&base, path) {
                assert!(dir.unwrap().exists(entry), "{path}");
            }
        }
        assert!(matches!(content(&base, "a/x/y"), Err(StoreError::NotFound { .. })));
        let refused = open_dir_beneath(&base, Path::new("a/x"));
        assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    }

    #[test]
    fn a_link_at_any_depth_is_named_wherever_it_leads() {
        for (depth, link) in ["a", "a/b", "a/b/c"].into_iter().enumerate() {
            let beside = "../".repeat(depth);
            for target in [
                // Out of the tree, by a path from its root and from here.
                "/".to_owned(),
                format!("{beside}../elsewhere/{link}"),
                // To a place beneath, which is refused too.
                format!("{beside}moved"),
                "dangling".to_owned(),
            ] {
                let (temp, base) = setting();
                base.rename(link, &base, "moved").unwrap();
                symlink(&target, temp.path().join("base").join(link)).unwrap();
                assert_link(content(&base, FILE), link);
                for path in [link, &format!("{link}/x"), &format!("{link}/x/y")] {
                    for refused in directory(&base, path) {
                        assert_link(refused, link);
                    }
                }
                assert!(!temp.path().join("elsewhere").join(link).join("x").exists());
                assert!(!base.exists("moved/x"));
            }
        }
    }

    #[test]
    fn a_file_that_is_a_link_is_named() {
        for target in ["../../../../elsewhere/a/b/c/file", "moved", "dangling", "/etc/passwd"] {
            let (temp, base) = setting();
            base.rename(FILE, &base, "a/b/c/moved").unwrap();
            symlink(target, temp.path().join("base").join(FILE)).unwrap();
            assert_link(content(&base, FILE), FILE);
            let dir = base.open_dir("a/b/c").unwrap();
            assert_link(super::check_no_link(&dir, Path::new("file")), "file");
            super::check_no_link(&dir, Path::new("moved")).unwrap();
            super::check_no_link(&dir, Path::new("none")).unwrap();
        }
    }

    #[test]
    fn missing_directories_are_made_part_by_part() {
        let (temp, base) = setting();
        for path in ["a/x/y", "z"] {
            let dir = create_dir_beneath(&base, Path::new(path)).unwrap();
            dir.write("file", path).unwrap();
            let written = temp.path().join("base").join(path).join("file");
            assert_eq!(std::fs::read_to_string(written).unwrap(), path);
        }
    }

    #[test]
    fn a_file_in_the_way_is_named_and_left_alone() {
        let (_temp, base) = setting();
        for path in [FILE, "a/b/c/file/x/y"] {
            for refused in directory(&base, path) {
                let refused = refused.unwrap_err();
                assert!(matches!(refused, StoreError::NotDirectory { .. }), "{refused:?}");
                assert!(refused.to_string().contains("a/b/c/file"), "{refused}");
            }
        }
        let refused = content(&base, "a/b/c/file/x");
        assert!(matches!(refused, Err(StoreError::NotDirectory { .. })), "{refused:?}");
        let refused = content(&base, "a/b");
        assert!(matches!(refused, Err(StoreError::IsDirectory { .. })), "{refused:?}");
        assert_eq!(content(&base, FILE).unwrap(), "base");
    }

    /// The longest name that a server accepts exceeds the longest path that the system accepts.
    #[test]
    fn paths_of_any_length_are_opened() {
        let (_temp, base) = setting();
        let deep = "dd/".to_owned() + &"d/".repeat(2999) + "d";
        create_dir_beneath(&base, Path::new(&deep)).unwrap().write("file", "deep").unwrap();
        assert!(open_dir_beneath(&base, Path::new(&deep)).unwrap().exists("file"));
        assert_eq!(content(&base, &format!("{deep}/file")).unwrap(), "deep");
        for missing in [format!("{deep}/none"), deep.replacen("d/d", "d/x", 1)] {
            let refused = content(&base, &missing);
            assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
        }
        let part = "x".repeat(256);
        assert!(open_dir_beneath(&base, Path::new(&part)).is_err());
    }

    #[test]
    fn paths_that_do_not_stay_beneath_are_refused() {
        let (_temp, base) = setting();
        for path in ["..", "../elsewhere", "a/../a", "/", "/a", "./a", "a/.."] {
            let refused = open_dir_beneath(&base, Path::new(path));
            assert!(matches!(refused, Err(StoreError::BadName { .. })), "{path}: {refused:?}");
            let refused = create_dir_beneath(&base, Path::new(path));
            assert!(matches!(refused, Err(StoreError::BadName { .. })), "{path}: {refused:?}");
            let refused = content(&base, path);
            assert!(matches!(refused, Err(StoreError::BadName { .. })), "{path}: {refused:?}");
        }
        assert!(matches!(content(&base, ""), Err(StoreError::BadName { .. })));
    }

    #[test]
    fn a_pipe_beneath_is_refused_without_waiting_for_a_writer() {
        let (temp, base) = setting();
        let path = temp.path().join("base/pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (tell, told) = std::sync::mpsc::channel();
        // If the test fails, this thread stays behind: only a writer ends its wait.
        std::thread::spawn(move || tell.send(content(&base, "pipe").map(|_| ())).unwrap());
        let refused = told.recv_timeout(std::time::Duration::from_secs(20));
        let error = refused.expect("it waits for a writer").unwrap_err();
        assert!(matches!(error, StoreError::NotRegular { .. }), "{error:?}");
    }
}
