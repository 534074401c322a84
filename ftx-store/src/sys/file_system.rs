//! Facts about file systems: free space, mount points, and which ones sync as a whole.

use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::fs::Dir;

/// Returns the free bytes of the file system that holds `dir`; `u64::MAX` where the system does not
/// report them.
///
/// # Errors
/// Failures to query the system.
pub fn available_bytes(dir: &Dir) -> io::Result<u64> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::fstatvfs(dir)?;
        // The blocks that only root may use are not counted.
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        Ok(u64::MAX)
    }
}

/// Whether `name` in `dir` is the root of a mount, so that no other file can replace it; `false`
/// where the system does not report that. A link is not followed.
#[must_use]
pub fn is_mount_point(dir: &Dir, name: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, StatxFlags};

        // STATX_ATTR_MOUNT_ROOT, since Linux 5.8.
        const MOUNT_ROOT: u64 = 0x2000;
        let told = rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
        told.is_ok_and(|told| told.stx_attributes.bits() & MOUNT_ROOT != 0)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (dir, name);
        false
    }
}

/// Whether `file` lies on a file system where a store through a mapping changes the file's times
/// unless its page has been dirty since the last sync.
pub(crate) fn protects_written_pages(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        let kind = rustix::fs::fstatfs(file).map(|stat| u32::try_from(stat.f_type));
        matches!(kind, Ok(Ok(EXT_MAGIC | XFS_MAGIC | BTRFS_MAGIC)))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        false
    }
}

/// Whether the system may copy between these files by sharing their data on the disk.
pub(crate) fn may_share_data(source: &File, target: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        let kind = |file: &File| {
            let kind = rustix::fs::fstatfs(file).ok()?.f_type;
            u32::try_from(kind).ok().filter(|kind| SHARING_MAGICS.contains(kind))
        };
        kind(source).is_some_and(|source| kind(target) == Some(source))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (source, target);
        false
    }
}

/// The file systems by their number in `statfs`.
#[cfg(target_os = "linux")]
const EXT_MAGIC: u32 = 0xef53;
#[cfg(target_os = "linux")]
const XFS_MAGIC: u32 = 0x5846_5342;
#[cfg(target_os = "linux")]
const BTRFS_MAGIC: u32 = 0x9123_683e;
#[cfg(target_os = "linux")]
const F2FS_MAGIC: u32 = 0xf2f5_2010;
#[cfg(target_os = "linux")]
const TMPFS_MAGIC: u32 = 0x0102_1994;
#[cfg(target_os = "linux")]
const BCACHEFS_MAGIC: u32 = 0xca45_1a4e;

/// The file systems whose files can share data (`FICLONE`).
#[cfg(target_os = "linux")]
const SHARING_MAGICS: [u32; 3] = [XFS_MAGIC, BTRFS_MAGIC, BCACHEFS_MAGIC];

/// Writes back all dirty pages of the file system of `dir`, which must have been opened before they
/// became dirty. `false` where there is no such call, or where it is not known to be complete.
pub(crate) fn sync_file_system(dir: &File) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        let kind = rustix::fs::fstatfs(dir)?.f_type;
        if !u32::try_from(kind).is_ok_and(syncs_all) {
            return Ok(false);
        }
        rustix::fs::syncfs(dir)?;
        Ok(true)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = dir;
        Ok(false)
    }
}

/// Whether `syncfs` writes back all files of a file system of this kind and reports failures. Other
/// file systems claim success and do less: FUSE passes the call on to few of its servers, and a
/// layered file system need not report failures of the one below.
#[cfg(target_os = "linux")]
fn syncs_all(kind: u32) -> bool {
    // On tmpfs there is nothing to write back.
    matches!(kind, EXT_MAGIC | XFS_MAGIC | BTRFS_MAGIC | F2FS_MAGIC | TMPFS_MAGIC)
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::available_bytes;
    use crate::sys::sync_dir;

    #[test]
    fn a_directory_can_be_measured_and_synced() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.create_dir("sub").unwrap();
        // A directory opened through another has another kind of handle.
        for dir in [&dir, &dir.open_dir("sub").unwrap()] {
            assert!(available_bytes(dir).unwrap() > 0);
            sync_dir(dir).unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_file_systems_that_sync_all_data_are_synced_as_a_whole() {
        use super::{sync_file_system, syncs_all};

        assert!(!sync_file_system(&std::fs::File::open("/proc").unwrap()).unwrap());
        // FUSE, NFS, overlayfs, CIFS.
        for other in [0x6573_5546, 0x6969, 0x794c_7630, 0xff53_4d42, 0] {
            assert!(!syncs_all(other));
        }
        assert!(syncs_all(0xef53));
    }
}
