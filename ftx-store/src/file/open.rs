//! Opening files that may turn out to be something else: another object could take the name at any
//! time, so the check comes after opening, not before.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, OpenOptions};

use crate::{StoreError, check_regular, sys};

/// Opens the regular file `path` below `dir` for reading, and returns it with its metadata at that
/// time. Blocks, but never for the writer of a pipe.
///
/// # Errors
/// The file cannot be opened, leads out of `dir`, or is not a regular file.
pub fn open_regular(dir: &Dir, path: &Path) -> Result<(File, Metadata), StoreError> {
    check(path, dir.open_with(path, &nonblocking_options()))
}

/// As [`open_regular`], for a path given by the local user: it is not confined.
///
/// # Errors
/// The file cannot be opened, or is not a regular file.
pub fn open_regular_ambient(path: &Path) -> Result<(File, Metadata), StoreError> {
    check(path, File::open_ambient_with(path, &nonblocking_options(), ambient_authority()))
}

pub(crate) fn check(
    path: &Path,
    opened: std::io::Result<File>,
) -> Result<(File, Metadata), StoreError> {
    let failed = |error| StoreError::io("open", path, error);
    let file = opened.map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check_regular(path, &metadata)?;
    Ok((file, metadata))
}

pub(crate) fn nonblocking_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    sys::set_nonblocking(&mut options);
    options
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use ftx_core::Status;

    use super::{open_regular, open_regular_ambient};

    #[test]
    fn regular_files_are_opened_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.write("file", "hello").unwrap();
        dir.create_dir("dir").unwrap();
        for (name, size) in [("file", Some(5)), ("dir", None), ("none", None)] {
            let opened = open_regular_ambient(&temp.path().join(name));
            assert_eq!(opened.ok().map(|(_, metadata)| metadata.len()), size, "{name}");
            let opened = open_regular(&dir, Path::new(name));
            assert_eq!(opened.ok().map(|(_, metadata)| metadata.len()), size, "{name}");
        }
        assert!(open_regular(&dir, Path::new("../file")).is_err());
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_a_writer() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let (tell, told) = mpsc::channel();
        // If the test fails, this thread stays behind: only a writer ends its wait.
        thread::spawn(move || {
            tell.send(open_regular(&dir, Path::new("pipe")).map(|_| ())).unwrap();
            tell.send(open_regular_ambient(&path).map(|_| ())).unwrap();
        });
        for _ in 0..2 {
            let refused = told.recv_timeout(Duration::from_secs(20));
            let error = refused.expect("it waits for a writer").unwrap_err();
            assert_eq!(error.status(), Status::OpenError);
            assert!(error.to_string().contains("pipe"), "{error:?}");
        }
    }
}
