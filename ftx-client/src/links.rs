//! Resolves links that the caller names as targets.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cap_std::fs::Metadata;
use ftx_store::{FileIdentity, StoreError, check_replaceable};

/// The limit of the common systems.
const MAX_LINK_COUNT: usize = 40;

/// The path of the file that is written through `path`, without a link as its last part. The file may
/// be missing.
///
/// # Errors
/// The target is no regular file, or there are too many links. [`StoreError::Link`]: the path of the
/// target does not lead to it, as with some links in `/proc`, or the link is another user's in a sticky
/// directory, where the system itself does not follow it.
pub(crate) fn written_through(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error| StoreError::io("look at", path, error);
    let mut real = path.to_owned();
    for _ in 0..=MAX_LINK_COUNT {
        let found = match fs::symlink_metadata(&real) {
            // Any other error shows when it is opened.
            Err(_) => return Ok(real),
            Ok(found) => found,
        };
        if !found.is_symlink() {
            let found = Metadata::from_just_metadata(found);
            check_replaceable(path, &found)?;
            let same = real == path || is_at(path, &found).map_err(failed)?;
            return if same { Ok(real) } else { Err(StoreError::Link { path: path.to_owned() }) };
        }
        // A device remains a device by any name.
        if let Ok(target) = fs::metadata(&real) {
            check_replaceable(path, &Metadata::from_just_metadata(target))?;
        }
        let dir = real.parent().map(Path::to_owned).unwrap_or_default();
        if is_planted(&dir, &found) {
            return Err(StoreError::Link { path: real });
        }
        real = dir.join(fs::read_link(&real).map_err(failed)?);
    }
    Err(failed(io::Error::new(ErrorKind::InvalidInput, "too many symbolic links")))
}

/// Whether `path` leads to the file that was `found`.
fn is_at(path: &Path, found: &Metadata) -> io::Result<bool> {
    let there = Metadata::from_just_metadata(fs::metadata(path)?);
    Ok(FileIdentity::of(found).same_file(&FileIdentity::of(&there)))
}

/// Whether another user may have put a link into `dir`, for us to write to its target.
fn is_planted(dir: &Path, link: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        const STICKY_FOR_ALL: u32 = 0o1002;

        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        let Ok(dir) = fs::metadata(dir) else { return true };
        let is_ours = link.uid() == rustix::process::geteuid().as_raw();
        dir.mode() & STICKY_FOR_ALL == STICKY_FOR_ALL && !is_ours && link.uid() != dir.uid()
    }
    #[cfg(not(unix))]
    {
        let _ = (dir, link);
        false
    }
}
