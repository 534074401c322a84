//! What differs between systems, each with a fallback that is slower or blinder but right.

#[cfg_attr(unix, path = "attributes/mod.rs")]
#[cfg_attr(not(unix), path = "no_attributes.rs")]
mod attributes;
mod directories;
mod permissions;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions};
use serde::{Deserialize, Serialize};

pub(crate) use self::attributes::Attributes;
#[cfg(all(test, unix))]
pub(crate) use self::attributes::acl_bytes;
pub(crate) use self::directories::{
    DirectoryId, OpenFor, directory_id, is_removed, open_dir, open_without_links, parent_id,
    sync_dir, sync_directory,
};
#[cfg(unix)]
use self::permissions::writers_by;
pub(crate) use self::permissions::{
    Umask, has_other_names, have_same_owner, is_about_mode, is_executable, is_owned_by_us,
    owner_only, owner_only_dir, readers, restrict_to_owner, set_executable, with_mode, writers,
};

/// Names one run of one kernel: what was in its page cache is there as long as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// The id of the kernel that runs this process; `None` where the system does not tell.
    #[must_use]
    pub fn current() -> Option<Self> {
        // No process lives through a reboot, so it is read once.
        #[cfg(target_os = "linux")]
        {
            static CURRENT: std::sync::LazyLock<Option<BootId>> = std::sync::LazyLock::new(|| {
                // /proc may be absent in a container, then everything is verified.
                BootId::parse(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?)
            });
            *CURRENT
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    #[cfg(any(target_os = "linux", test))]
    fn parse(text: &str) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|&c| c != '-').collect();
        let well_formed = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(&digits, 16).ok()?;
        well_formed.then_some(Self(number.to_be_bytes()))
    }
}

/// What tells `file` from another that has its number, on this mount of its file system or on another:
/// which mount it is, and when the file was made. All zeros where the system does not tell.
pub(crate) fn mount_and_birth(file: &File) -> [u64; 3] {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, StatxFlags};

        // STATX_MNT_ID_UNIQUE, since Linux 6.8: an id that no later mount gets. Where the kernel does
        // not know it, it tells the other one, which the next mount may get again.
        let unique = StatxFlags::from_bits_retain(0x4000);
        let mounts = StatxFlags::MNT_ID | unique;
        if let Ok(told) =
            rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, mounts | StatxFlags::BTIME)
        {
            let is_told = |what: StatxFlags| told.stx_mask & what.bits() != 0;
            let mount = if is_told(mounts) { told.stx_mnt_id } else { 0 };
            let born = Some(told.stx_btime).filter(|_| is_told(StatxFlags::BTIME));
            let (secs, nanos) = born.map_or((0, 0), |born| (born.tv_sec, born.tv_nsec));
            return [mount, secs.cast_unsigned(), nanos.into()];
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
    [0; 3]
}

/// Whether `name` in `dir` is the root of a mount, so that no other file can take its place; `false`
/// where the system does not tell. A link is not followed.
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

/// Seconds since 1970 by the system's clock.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Whether the process, or the system, has no descriptor or memory left: others may give some back.
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

/// Whether `dir` was removed, or the path that it was opened by leads to another directory now. One
/// that was moved away, so that nothing has its path, is still itself.
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

/// Passes if names can be given and taken in `dir`, as far as the system tells beforehand.
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

/// How many bytes may still be written in the file system that holds `dir`; `u64::MAX` where the
/// system does not tell.
///
/// # Errors
/// Those of asking the system.
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

/// Asks the system to forget what it has cached of `file`, so that reading tells what the disk
/// holds. A request only: where it is not granted, reading may still be told from the cache.
pub(crate) fn forget_cached(file: &File) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed) {
        tracing::debug!(%error, "the page cache was not dropped before verifying");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Gives `from` in `dir` the name `to` in `to_dir` if nothing has it; both are single components.
pub(crate) fn rename_exclusive(dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::RenameFlags;
        use rustix::io::Errno;

        match rustix::fs::renameat_with(dir, from, to_dir, to, RenameFlags::NOREPLACE) {
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return Ok(renamed?),
        }
    }
    link_and_remove(dir, from, to_dir, to)
}

/// Gives `from` in `dir` the name `to` in `to_dir`, which nothing had a moment ago; both are single
/// components. What has it by now stays, where the system can tell.
pub(crate) fn rename_new(dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::RenameFlags;
        use rustix::io::Errno;

        match rustix::fs::renameat_with(dir, from, to_dir, to, RenameFlags::NOREPLACE) {
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return Ok(renamed?),
        }
    }
    dir.rename(from, to_dir, to)
}

/// A link never replaces anything. A crash between the two steps leaves the file with both names,
/// which [`LockedFile`](crate::staging::locked_file::LockedFile) looks for: the staging goes on in a copy then.
fn link_and_remove(dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    dir.hard_link(from, to_dir, to)?;
    dir.remove_file(from).inspect_err(|_| {
        // Whoever goes on with the staging must not write to a published file.
        let _ = to_dir.remove_file(to);
    })
}

/// Where the next bytes of `file` are that are not a hole, from `at` to its end at `len`; holes count as
/// bytes where the system does not tell. Moves the position of the file.
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

/// Has opening a pipe not wait for a writer, and a terminal not become the process's own. With regular
/// files it makes no difference, neither here nor when they are read.
#[cfg_attr(not(unix), expect(unused_variables, clippy::needless_pass_by_ref_mut))]
pub(crate) fn set_nonblocking(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NONBLOCK.union(rustix::fs::OFlags::NOCTTY).bits();
        let flags = i32::from_ne_bytes(flags.to_ne_bytes());
        cap_std::fs::OpenOptionsExt::custom_flags(options, flags);
    }
}

/// Whether `file` lies on a file system where a store through a mapping moves the file's times unless
/// its page has been dirty since the last sync.
pub(crate) fn protects_written_pages(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        let kind = rustix::fs::fstatfs(file).map(|stat| u32::try_from(stat.f_type));
        matches!(kind, Ok(Ok(EXT | XFS | BTRFS)))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        false
    }
}

/// What `statfs` calls file systems.
#[cfg(target_os = "linux")]
const EXT: u32 = 0xef53;
#[cfg(target_os = "linux")]
const XFS: u32 = 0x5846_5342;
#[cfg(target_os = "linux")]
const BTRFS: u32 = 0x9123_683e;
#[cfg(target_os = "linux")]
const F2FS: u32 = 0xf2f5_2010;
#[cfg(target_os = "linux")]
const TMPFS: u32 = 0x0102_1994;

/// Writes back all that is dirty in the file system that `dir`, opened before it became so, is in;
/// `false` where there is no such call, or where it is not known to do so.
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

/// Whether `syncfs` writes back all files of a file system of this kind, and tells what could not be.
/// Others say yes and do less: FUSE passes it on to few of its servers, and a layer above another file
/// system need not tell of that one's failures.
#[cfg(target_os = "linux")]
fn syncs_all(kind: u32) -> bool {
    // On tmpfs there is nothing to write back.
    matches!(kind, EXT | XFS | BTRFS | F2FS | TMPFS)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::{BootId, available_bytes, link_and_remove, rename_exclusive, sync_dir};

    #[test]
    fn boot_ids_are_parsed() {
        let id = BootId::parse("c0075f36-a10d-4cf7-b280-1cd19ee3ab1f\n").unwrap();
        assert_eq!(id.0[..4], [0xc0, 0x07, 0x5f, 0x36]);
        for bad in ["", "c0075f36", "+0075f36-a10d-4cf7-b280-1cd19ee3ab1f"] {
            assert_eq!(BootId::parse(bad), None, "{bad}");
        }
        assert_eq!(BootId::current(), BootId::current());
    }

    #[test]
    fn a_directory_can_be_measured_and_synced() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.create_dir("sub").unwrap();
        // A directory opened through another is a handle of another kind.
        for dir in [&dir, &dir.open_dir("sub").unwrap()] {
            assert!(available_bytes(dir).unwrap() > 0);
            sync_dir(dir).unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_what_syncs_all_it_holds_is_synced_as_a_whole() {
        use super::{sync_file_system, syncs_all};

        assert!(!sync_file_system(&std::fs::File::open("/proc").unwrap()).unwrap());
        // FUSE, NFS, overlayfs, CIFS.
        for other in [0x6573_5546, 0x6969, 0x794c_7630, 0xff53_4d42, 0] {
            assert!(!syncs_all(other));
        }
        assert!(syncs_all(0xef53));
    }

    #[test]
    fn an_exclusive_name_is_given_once() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.create_dir("sub").unwrap();
        let sub = dir.open_dir("sub").unwrap();
        for (name, give) in [("a", rename_exclusive as fn(_, _, _, _) -> _), ("b", link_and_remove)]
        {
            dir.write("from", "first").unwrap();
            give(&dir, Path::new("from"), &sub, Path::new(name)).unwrap();
            assert!(!dir.exists("from"));
            dir.write("from", "second").unwrap();
            let refused: std::io::Result<()> = give(&dir, Path::new("from"), &sub, Path::new(name));
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
            assert_eq!(sub.read_to_string(name).unwrap(), "first");
            assert_eq!(dir.read_to_string("from").unwrap(), "second");
        }
    }
}
