//! Opening published files for reading that may be none by the time they are opened.

use std::path::Path;

use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use ftx_store::{StoreError, check_regular};

/// Opens a regular file, and tells what it was when it was opened. Blocks, but never until somebody
/// writes to a pipe.
///
/// # Errors
/// It cannot be opened, or is something else.
pub(super) fn open(root: &Dir, path: &Path) -> Result<(File, Metadata), StoreError> {
    let failed = |error| StoreError::io("open", path, error);
    // Looked at before it is opened, since opening is all that some devices wait for.
    check_regular(path, &root.metadata(path).map_err(failed)?)?;
    open_unseen(root, path)
}

/// Another file can take the place of the one that was looked at, so what was opened is looked at.
fn open_unseen(root: &Dir, path: &Path) -> Result<(File, Metadata), StoreError> {
    let failed = |error| StoreError::io("open", path, error);
    let file = root.open_with(path, &waiting_for_nobody()).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check_regular(path, &metadata)?;
    Ok((file, metadata))
}

/// Opening a pipe to read it waits for a writer, unless it is said not to. With regular files that
/// makes no difference, neither here nor when they are read.
fn waiting_for_nobody() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NONBLOCK.bits();
        let flags = i32::from_ne_bytes(flags.to_ne_bytes());
        cap_std::fs::OpenOptionsExt::custom_flags(&mut options, flags);
    }
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

    use super::{open, open_unseen};

    #[test]
    fn a_pipe_that_took_a_files_place_is_refused_without_waiting_for_a_writer() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        assert!(Command::new("mkfifo").arg(temp.path().join("pipe")).status().unwrap().success());
        assert!(open(&dir, Path::new("pipe")).is_err());
        let (tell, told) = mpsc::channel();
        // It stays behind if the test fails: nothing but a writer ends its wait.
        thread::spawn(move || tell.send(open_unseen(&dir, Path::new("pipe")).map(|_| ())));
        let refused = told.recv_timeout(Duration::from_secs(20)).expect("it waits for a writer");
        assert!(refused.is_err());
    }
}
