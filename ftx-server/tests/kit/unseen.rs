//! Changes of files that show in none of their times.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Stores through a mapping, which no program here may do itself.
const STORE: &str = "import mmap, sys
with open(sys.argv[1], 'r+b') as file:
    with mmap.mmap(file.fileno(), 0) as mapped:
        mapped[int(sys.argv[2])] ^= 1";

/// A directory on a file system where no store through a mapping moves the time of a file; `None`
/// where there is none, or nothing to store with.
///
/// # Panics
/// There is none, and `CI` is set.
pub(crate) fn directory() -> Option<TempDir> {
    let found = find_directory();
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(found.is_some() || !is_ci, "no store goes unseen here, and CI is set");
    found
}

fn find_directory() -> Option<TempDir> {
    let temp = tempfile::tempdir_in("/dev/shm").ok()?;
    let probe = temp.path().join("probe");
    std::fs::write(&probe, "a").ok()?;
    let is_unseen = try_flip(&probe, 0) && std::fs::read(&probe).ok()? == [b'a' ^ 1];
    std::fs::remove_file(&probe).ok()?;
    is_unseen.then_some(temp)
}

/// Flips a bit of the byte at `offset`.
pub(crate) fn flip(path: &Path, offset: usize) {
    assert!(try_flip(path, offset), "{} is not changed, or shows it", path.display());
}

fn try_flip(path: &Path, offset: usize) -> bool {
    let times = || {
        std::fs::metadata(path).map(|metadata| {
            let (mtime, ctime) = (metadata.mtime(), metadata.ctime());
            (metadata.ino(), mtime, metadata.mtime_nsec(), ctime, metadata.ctime_nsec())
        })
    };
    let before = times().ok();
    let mut store = Command::new("python3");
    let stored = store.args(["-c", STORE]).arg(path).arg(offset.to_string()).output();
    stored.is_ok_and(|output| output.status.success()) && before.is_some() && times().ok() == before
}
