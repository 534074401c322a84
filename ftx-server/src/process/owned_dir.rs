//! Directories that root makes for another user.

use std::io;
use std::path::Path;

use super::SystemUser;

/// Creates the missing directories of a path, each for this user. An existing directory stays as it is.
///
/// The last part of the path is not followed if it is a link: the user may own the directory that it is in.
///
/// # Errors
/// The system refuses to create one, or to give it to the user.
#[cfg(target_os = "linux")]
pub fn create_dirs_for(user: &SystemUser, path: &Path, mode: u32) -> io::Result<()> {
    use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, fchown, mkdirat, open, openat};
    use rustix::io::Errno;

    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    if let Some(parent) = parent {
        create_dirs_for(user, parent, mode)?;
    }
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match parent {
        Some(parent) => open(parent, OFlags::PATH | flags, Mode::empty())?,
        None => openat(CWD, ".", OFlags::PATH | flags, Mode::empty())?,
    };
    match mkdirat(&parent, name, Mode::from_raw_mode(mode)) {
        // Another process was faster.
        Err(Errno::EXIST) => return Ok(()),
        made => made?,
    }
    let made = openat(&parent, name, OFlags::NOFOLLOW | flags, Mode::empty())?;
    let (uid, gid) = (Uid::from_raw(user.uid()), Gid::from_raw(user.gid()));
    fchown(&made, Some(uid), Some(gid))?;
    // The names are durable before anything is in them.
    let parent = openat(&parent, ".", flags, Mode::empty())?;
    Ok(rustix::fs::fsync(&parent)?)
}

/// Fails: no server of this system runs as another user.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn create_dirs_for(_: &SystemUser, _: &Path, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
