//! Querying access control lists, and the attributes of a new file.

use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::fs::Dir;

use super::AclState;

#[cfg(target_os = "linux")]
pub(super) use self::linux::{default_of, of_file, of_name, probe, remove, set};

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

    use rustix::fs::{
        Mode, OFlags, XattrFlags, fgetxattr, fremovexattr, fsetxattr, getxattr, openat,
    };
    use rustix::io::Errno;

    use super::{AclState, Dir, File, Path, io};
    use crate::sys::attributes::acl::AccessList;

    const ACCESS_XATTR: &str = "system.posix_acl_access";
    const DEFAULT_XATTR: &str = "system.posix_acl_default";

    /// Room for a usual list; the longest has `MAX_LIST_BYTES`.
    const USUAL_LIST_BYTES: usize = 512;
    const MAX_LIST_BYTES: usize = 64 * 1024;

    /// The list of an open file.
    pub(in super::super) fn of_file(file: &File) -> AclState {
        list(|buffer| fgetxattr(file, ACCESS_XATTR, buffer))
    }

    /// The list of the file `name` in `dir`, a single component and no link.
    pub(in super::super) fn of_name(dir: &Dir, name: &Path) -> AclState {
        of_opened(dir, name, ACCESS_XATTR)
    }

    /// The list that new files in `dir` start with.
    pub(in super::super) fn default_of(dir: &Dir) -> AclState {
        of_opened(dir, Path::new("."), DEFAULT_XATTR)
    }

    pub(in super::super) fn set(file: &File, list: &[u8]) -> io::Result<()> {
        Ok(fsetxattr(file, ACCESS_XATTR, list, XattrFlags::empty())?)
    }

    pub(in super::super) fn remove(file: &File) -> io::Result<()> {
        match fremovexattr(file, ACCESS_XATTR) {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            removed => Ok(removed?),
        }
    }

    /// Creates a nameless file in `dir` that vanishes when closed. `None` where the file system has
    /// no such files.
    pub(in super::super) fn probe(dir: &Dir) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(dir, ".", flags, Mode::from_raw_mode(0o666)).ok().map(File::from)
    }

    fn of_opened(dir: &Dir, name: &Path, which: &str) -> AclState {
        let open = |flags: OFlags| -> Result<OwnedFd, Errno> {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(dir, name, flags, Mode::empty())
        };
        match open(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(opened) => list(|buffer| fgetxattr(opened.as_fd(), which, buffer)),
            // An unreadable file can still be inspected through its descriptor's name.
            Err(_) => match open(OFlags::PATH) {
                Ok(opened) => {
                    let path = format!("/proc/self/fd/{}", opened.as_raw_fd());
                    list(|buffer| getxattr(&path, which, buffer))
                }
                Err(_) => AclState::Unknown,
            },
        }
    }

    fn list(mut get: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> AclState {
        let mut buffer = vec![0; USUAL_LIST_BYTES];
        let mut got = get(&mut buffer);
        if got == Err(Errno::RANGE) {
            buffer.resize(MAX_LIST_BYTES, 0);
            got = get(&mut buffer);
        }
        match got {
            Ok(len) => buffer
                .get(..len)
                .and_then(AccessList::parse)
                .map_or(AclState::Unknown, AclState::Some),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => AclState::None,
            Err(_) => AclState::Unknown,
        }
    }
}

/// Other systems have lists of another kind, which are left alone.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{AclState, Dir, File, Path, io};

    pub(in super::super) fn of_file(_: &File) -> AclState {
        AclState::None
    }

    pub(in super::super) fn of_name(_: &Dir, _: &Path) -> AclState {
        AclState::None
    }

    pub(in super::super) fn default_of(_: &Dir) -> AclState {
        AclState::None
    }

    pub(in super::super) fn set(_: &File, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    pub(in super::super) fn remove(_: &File) -> io::Result<()> {
        Ok(())
    }

    pub(in super::super) fn probe(_: &Dir) -> Option<File> {
        None
    }
}
#[cfg(not(target_os = "linux"))]
pub(super) use self::elsewhere::{default_of, of_file, of_name, probe, remove, set};
