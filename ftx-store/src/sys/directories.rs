//! Directories: opening paths beneath them without links, their identity, and syncing.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;

use crate::file::identity::is_past;

/// The purpose of opening a path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OpenFor {
    Directory,
    /// Reading, if it is a regular file.
    Contents,
}

/// Opens `path` beneath `dir` in one step, if no part of it is a symbolic link. `None` where the
/// system cannot do that, or refuses for any reason but a missing file: only a walk finds the part
/// that is at fault.
pub(crate) fn open_without_links(
    dir: &Dir,
    path: &Path,
    wanted: OpenFor,
) -> Option<io::Result<File>> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, ResolveFlags};
        use rustix::io::Errno;

        let flags = match wanted {
            OpenFor::Directory => OFlags::PATH | OFlags::DIRECTORY,
            // As with `set_nonblocking`.
            OpenFor::Contents => OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY,
        };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = flags | OFlags::CLOEXEC;
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve) {
            Ok(opened) => Some(Ok(File::from(opened))),
            Err(Errno::NOENT) if !path.as_os_str().is_empty() => Some(Err(Errno::NOENT.into())),
            Err(_) => None,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (dir, path, wanted);
        None
    }
}

/// The identity of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DirectoryId {
    dev: (u32, u32),
    ino: u64,
    /// Its time of birth, seconds since 1970 and nanoseconds, where the file system records it.
    birth: Option<(i64, u32)>,
}

impl DirectoryId {
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    pub(crate) fn is_on_device_of(&self, other: &Self) -> bool {
        self.dev == other.dev
    }

    /// Whether a directory created at `now` or later could have the same time of birth. Always true where
    /// the file system records none.
    pub(crate) fn is_racy(&self, now: SystemTime) -> bool {
        let since_1970 = |now: Duration| i128::try_from(now.as_nanos()).unwrap_or(0);
        let now = now.duration_since(UNIX_EPOCH).map_or(0, since_1970);
        self.birth.is_none_or(|(secs, nanos)| {
            !is_past(i128::from(secs) * 1_000_000_000 + i128::from(nanos), now)
        })
    }

    #[cfg(target_os = "linux")]
    fn of(dir: &File, path: &str) -> io::Result<Self> {
        use rustix::fs::{AtFlags, StatxFlags, statx};

        let flags = if path.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::empty() };
        let told = statx(dir, path, flags, StatxFlags::INO | StatxFlags::BTIME)?;
        let has_birth = told.stx_mask & StatxFlags::BTIME.bits() != 0;
        let birth = (told.stx_btime.tv_sec, told.stx_btime.tv_nsec);
        let dev = (told.stx_dev_major, told.stx_dev_minor);
        Ok(Self { dev, ino: told.stx_ino, birth: has_birth.then_some(birth) })
    }

    #[cfg(not(target_os = "linux"))]
    fn of(_: &File, _: &str) -> io::Result<Self> {
        // All are one: their names are not synced individually.
        Ok(Self { dev: (0, 0), ino: 0, birth: None })
    }
}

/// Returns the identity of this directory.
pub(crate) fn directory_id(dir: &File) -> io::Result<DirectoryId> {
    DirectoryId::of(dir, "")
}

/// Returns the identity of the parent of `dir`, or of `dir` itself at the very root.
pub(crate) fn parent_id(dir: &File) -> io::Result<DirectoryId> {
    DirectoryId::of(dir, "..")
}

/// Whether the open directory `dir` was removed; `false` where the system does not report that.
pub(crate) fn is_removed(dir: &Dir) -> bool {
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt as _;

        dir.dir_metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        false
    }
}

/// Opens a directory in a form that can be synced.
#[cfg(unix)]
pub(crate) fn open_dir(dir: &impl std::os::fd::AsFd, path: &str) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, openat};

    let flags = OFlags::CLOEXEC | OFlags::DIRECTORY;
    Ok(File::from(openat(dir, path, flags, Mode::empty())?))
}

/// Makes changes of names in `dir` durable.
#[cfg(unix)]
pub(crate) fn sync_directory(dir: &File) -> io::Result<()> {
    dir.sync_all()
}

/// Makes changes of names in `dir` durable.
pub(crate) fn sync_dir(dir: &Dir) -> io::Result<()> {
    // The handle itself may only stand for a path, and not support syncing.
    #[cfg(unix)]
    return sync_directory(&open_dir(dir, ".")?);
    // Elsewhere directories have no sync; their file systems journal renames.
    #[cfg(not(unix))]
    {
        let _ = dir;
        Ok(())
    }
}
