//! Differences between systems, each with a correct but slower or coarser fallback.

#[cfg_attr(unix, path = "attributes/mod.rs")]
#[cfg_attr(not(unix), path = "no_attributes.rs")]
mod attributes;
mod boot_id;
mod directories;
mod file_system;
mod permissions;
mod rename;
mod unnamed;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions};

pub(crate) use self::attributes::Attributes;
#[cfg(all(test, unix))]
pub(crate) use self::attributes::acl_bytes;
pub use self::boot_id::BootId;
pub(crate) use self::boot_id::mount_and_birth;
pub(crate) use self::directories::{
    DirectoryId, OpenFor, directory_id, is_removed, open_dir, open_without_links, parent_id,
    sync_dir, sync_directory,
};
pub use self::file_system::{available_bytes, is_mount_point};
pub(crate) use self::file_system::{may_share_data, protects_written_pages, sync_file_system};
pub(crate) use self::permissions::{
    Umask, Writers, has_other_names, have_same_owner, is_about_mode, is_executable, is_owned_by_us,
    owner_only, owner_only_dir, readers, restrict_to_owner, set_executable, with_mode,
};
pub(crate) use self::rename::{rename_exclusive, rename_new};
pub(crate) use self::unnamed::{create_unnamed, name_unnamed};

/// Seconds since 1970 by the system's clock.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Whether the process or the system has run out of descriptors or memory: that may pass.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;

        matches!(
            Errno::from_io_error(error),
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
        )
    }
    #[cfg(not(unix))]
    {
        error.kind() == io::ErrorKind::OutOfMemory
    }
}

/// Whether `dir` was removed, or the path it was opened by leads to another directory now. A
/// directory moved away, so that nothing has its path, is still the same.
pub(crate) fn is_removed_or_replaced(dir: &Dir, path: &Path) -> bool {
    #[cfg(unix)]
    {
        let Ok(here) = rustix::fs::fstat(dir) else { return false };
        here.st_nlink == 0
            || rustix::fs::stat(path)
                .is_ok_and(|there| (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino))
    }
    #[cfg(not(unix))]
    {
        // An open directory can be neither removed nor replaced there.
        let _ = (dir, path);
        false
    }
}

/// Checks, as far as the system can foresee, that names in `dir` can be created and removed.
pub(crate) fn check_may_write(dir: &Dir) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, AtFlags, accessat};
        use rustix::io::Errno;

        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        match accessat(dir, ".", wanted, AtFlags::EACCESS) {
            Err(error @ (Errno::ACCESS | Errno::ROFS)) => Err(error.into()),
            _ => Ok(()),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        Ok(())
    }
}

/// Asks the system to drop the cached pages of `file`, so that reading shows the disk's contents.
/// Only a request: if it is not granted, reads may still come from the cache.
pub(crate) fn forget_cached(file: &File) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed) {
        tracing::debug!(%error, "the page cache was not dropped before verifying");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Returns the next range of `file` that is not a hole, from `at` to its end at `len`; holes count
/// as data where the system does not report them. Moves the file's position.
pub(crate) fn data_from(file: &File, at: u64, len: u64) -> Option<Range<u64>> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{SeekFrom, seek};
        use rustix::io::Errno;

        match seek(file, SeekFrom::Data(at)) {
            Ok(start) => {
                let end = seek(file, SeekFrom::Hole(start)).unwrap_or(len).min(len);
                return (start < end).then_some(start..end);
            }
            // Nothing but a hole is left.
            Err(Errno::NXIO) => return None,
            Err(_) => {}
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
    (at < len).then_some(at..len)
}

/// Keeps the opening of a pipe from waiting for a writer, and a terminal from becoming the
/// process's controlling one. Regular files are unaffected, also when they are read.
#[cfg_attr(not(unix), expect(unused_variables, clippy::needless_pass_by_ref_mut))]
pub(crate) fn set_nonblocking(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NONBLOCK.union(rustix::fs::OFlags::NOCTTY).bits();
        let flags = i32::from_ne_bytes(flags.to_ne_bytes());
        cap_std::fs::OpenOptionsExt::custom_flags(options, flags);
    }
}
