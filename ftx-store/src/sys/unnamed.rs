//! Files that get their names when they are complete.

use std::fs::File;
use std::path::Path;

use cap_std::fs::Dir;

/// Creates an empty file without a name in the file system of `dir`, with `mode`, reduced by the
/// process's umask. `None` where that is impossible.
pub(crate) fn create_unnamed(dir: &Dir, mode: u32) -> Option<File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, openat};

        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        openat(dir, ".", flags, Mode::from_raw_mode(mode)).ok().map(File::from)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (dir, mode);
        None
    }
}

/// Gives a file without a name the free name `name` in `dir`, a single component. `false` if the name
/// is taken, or for any other reason.
pub(crate) fn name_unnamed(file: &File, dir: &Dir, name: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd as _;

        use rustix::fs::{AtFlags, CWD, linkat};

        let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(CWD, opened, dir, name, AtFlags::SYMLINK_FOLLOW).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, dir, name);
        false
    }
}
