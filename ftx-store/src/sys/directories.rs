//! Directories: opening what is beneath them without following links, telling them apart, syncing.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;

use crate::identity::is_past;

/// Opens `path` beneath `dir` for reading, a directory if `is_dir`, and follows no symbolic link. Never
/// waits until a pipe has a writer.
pub(crate) fn open_without_links(dir: &Dir, path: &Path, is_dir: bool) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        use rustix::io::Errno;

        let flags = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = if is_dir { flags | OFlags::DIRECTORY } else { flags };
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(dir, path, flags, Mode::empty(), resolve) {
            // An old kernel, or a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => {}
            opened => return Ok(File::from(opened?)),
        }
    }
    open_part_by_part(dir, path, is_dir)
}

fn open_part_by_part(dir: &Dir, path: &Path, is_dir: bool) -> io::Result<File> {
    use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};

    let mut parts = path.iter();
    let last = parts.next_back().ok_or(ErrorKind::InvalidInput)?;
    let mut parent = dir.try_clone()?;
    for part in parts {
        parent = parent.open_dir_nofollow(part)?;
    }
    if is_dir {
        return Ok(parent.open_dir_nofollow(last)?.into_std_file());
    }
    let mut options = cap_std::fs::OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    super::wait_for_nobody(&mut options);
    Ok(parent.open_with(last, &options)?.into_std())
}

/// Whether opening without following links may have failed because of one.
pub(crate) fn may_be_link(error: &io::Error) -> bool {
    // `ELOOP`, which has no stable kind.
    #[cfg(unix)]
    let is_loop = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    #[cfg(not(unix))]
    let is_loop = false;
    is_loop || error.kind() == ErrorKind::NotADirectory
}

/// What tells a directory from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DirectoryId {
    dev: (u32, u32),
    ino: u64,
    /// When it was made: seconds since 1970 and nanoseconds, where the file system tells.
    birth: Option<(i64, u32)>,
}

impl DirectoryId {
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    pub(crate) fn is_on_device_of(&self, other: &Self) -> bool {
        self.dev == other.dev
    }

    /// Whether a directory that is made at `now` or later has another time of birth; not where the file
    /// system tells none.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let since_1970 = |now: Duration| i128::try_from(now.as_nanos()).unwrap_or(0);
        let now = now.duration_since(UNIX_EPOCH).map_or(0, since_1970);
        self.birth.is_some_and(|(secs, nanos)| {
            is_past(i128::from(secs) * 1_000_000_000 + i128::from(nanos), now)
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
        // All are one: their names are not synced by themselves.
        Ok(Self { dev: (0, 0), ino: 0, birth: None })
    }
}

/// Tells which directory this is.
pub(crate) fn directory_id(dir: &File) -> io::Result<DirectoryId> {
    DirectoryId::of(dir, "")
}

/// Tells which directory `dir` lies in; `dir` itself for the root of all.
pub(crate) fn parent_id(dir: &File) -> io::Result<DirectoryId> {
    DirectoryId::of(dir, "..")
}

/// Opens a directory in a form that can be synced.
#[cfg(unix)]
pub(crate) fn open_dir(dir: &impl std::os::fd::AsFd, path: &str) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, openat};

    let flags = OFlags::CLOEXEC | OFlags::DIRECTORY;
    Ok(File::from(openat(dir, path, flags, Mode::empty())?))
}

/// Makes what was created, renamed and removed in `dir` durable.
#[cfg(unix)]
pub(crate) fn sync_directory(dir: &File) -> io::Result<()> {
    dir.sync_all()
}

/// Makes what was created, renamed and removed in `dir` durable.
pub(crate) fn sync_dir(dir: &Dir) -> io::Result<()> {
    // The handle itself may be one that only stands for a path and cannot be synced.
    #[cfg(unix)]
    return sync_directory(&open_dir(dir, ".")?);
    // Elsewhere a directory has no sync of its own; its file system journals renames.
    #[cfg(not(unix))]
    {
        let _ = dir;
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use cap_std::ambient_authority;

    use super::{Dir, may_be_link, open_part_by_part, open_without_links};

    #[test]
    fn no_link_is_followed_wherever_it_stands() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.create_dir_all("a/b").unwrap();
        dir.write("a/b/file", "").unwrap();
        dir.symlink("a", "link").unwrap();
        dir.symlink("b/file", "a/link").unwrap();
        for open in [open_without_links, open_part_by_part] {
            assert!(open(&dir, Path::new("a/b/file"), false).is_ok());
            assert!(open(&dir, Path::new("a/b"), true).is_ok());
            for (path, is_dir) in [("link/b/file", false), ("a/link", false), ("link", true)] {
                let refused = open(&dir, Path::new(path), is_dir).unwrap_err();
                assert!(may_be_link(&refused), "{path}: {refused:?}");
            }
            assert!(open(&dir, Path::new("../x"), false).is_err());
        }
    }
}
