//! Opening local files for reading that may be none by the time they are opened.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use ftx_store::{FileIdentity, StoreError, check_regular};

/// Opens a regular file. Blocks, but never until somebody writes to a pipe.
///
/// # Errors
/// It cannot be opened, or is something else.
pub(crate) fn open(path: &Path) -> Result<(File, FileIdentity), StoreError> {
    // Looked at before it is opened, since opening is all that some devices wait for.
    if let Ok(metadata) = std::fs::metadata(path) {
        check_regular(path, &cap_std::fs::Metadata::from_just_metadata(metadata))?;
    }
    open_unseen(path)
}

/// As [`open`], of a file in `dir`.
///
/// # Errors
/// It cannot be opened, or is something else.
pub(crate) fn open_in(dir: &Dir, name: &Path) -> Result<(File, FileIdentity), StoreError> {
    check_regular(name, &dir.metadata(name).map_err(|error| StoreError::io("open", name, error))?)?;
    check(name, dir.open_with(name, &waiting_for_nobody()))
}

/// Another file can take the place of the one that was looked at, so what was opened is looked at.
fn open_unseen(path: &Path) -> Result<(File, FileIdentity), StoreError> {
    check(path, File::open_ambient_with(path, &waiting_for_nobody(), ambient_authority()))
}

fn check(path: &Path, opened: std::io::Result<File>) -> Result<(File, FileIdentity), StoreError> {
    let failed = |error| StoreError::io("open", path, error);
    let file = opened.map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check_regular(path, &metadata)?;
    Ok((file, FileIdentity::of(&metadata)))
}

/// Opening a pipe to read it waits for a writer, unless it is said not to. With regular files that
/// makes no difference, neither here nor when they are read.
fn waiting_for_nobody() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use ftx_core::Status;

    use super::{Dir, Path, ambient_authority, open, open_in, open_unseen};

    fn pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn a_pipe_that_took_a_files_place_is_refused_without_waiting_for_a_writer() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("pipe");
        pipe(&path);
        let (tell, told) = mpsc::channel();
        // It stays behind if the test fails: nothing but a writer ends its wait.
        thread::spawn(move || tell.send(open_unseen(&path).map(|_| ())));
        let refused = told.recv_timeout(Duration::from_secs(20)).expect("it waits for a writer");
        let error = refused.unwrap_err();
        assert_eq!(error.status(), Status::OpenError);
        assert!(ftx_io::Chain(&error).to_string().contains("no regular file"), "{error:?}");
    }

    #[test]
    fn regular_files_are_opened_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        std::fs::write(temp.path().join("file"), "hello").unwrap();
        std::fs::create_dir(temp.path().join("dir")).unwrap();
        pipe(&temp.path().join("pipe"));
        for (name, size) in [("file", Some(5)), ("dir", None), ("pipe", None), ("none", None)] {
            let opened = open(&temp.path().join(name));
            assert_eq!(opened.ok().map(|(_, identity)| identity.size), size, "{name}");
            let opened = open_in(&dir, Path::new(name));
            assert_eq!(opened.ok().map(|(_, identity)| identity.size), size, "{name}");
        }
    }
}
