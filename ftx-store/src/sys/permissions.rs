//! Permissions to read, write and execute files.

use std::fs::File;
use std::io;

use cap_std::fs::{Dir, DirBuilder, Metadata, OpenOptions};
use ftx_core::native::wire::Readers;

/// The possible writers of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    /// Only this user.
    Us,
    /// This user, and members of the user's own group.
    OurGroup,
    /// Other users.
    Others,
}

impl Writers {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        if metadata.is_file() { writers(metadata) } else { Self::Others }
    }

    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::of(&Metadata::from_file(file)?))
    }
}

/// Restricts a new file to its owner.
pub(crate) fn owner_only(options: &mut OpenOptions) {
    with_mode(options, 0o600);
}

/// Creates a new file with this mode, reduced by the process's umask.
#[cfg_attr(not(unix), expect(unused_variables, clippy::needless_pass_by_ref_mut))]
pub(crate) fn with_mode(options: &mut OpenOptions, mode: u32) {
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(options, mode);
}

/// Restricts a new directory to its owner.
#[cfg_attr(not(unix), expect(unused_variables, clippy::needless_pass_by_ref_mut))]
pub(crate) fn owner_only_dir(builder: &mut DirBuilder) {
    #[cfg(unix)]
    cap_std::fs::DirBuilderExt::mode(builder, 0o700);
}

/// Closes a directory of this user to other users.
pub(crate) fn restrict_to_owner(dir: &Dir) -> io::Result<()> {
    #[cfg(unix)]
    {
        use cap_std::fs::{MetadataExt as _, Permissions, PermissionsExt as _};

        let metadata = dir.dir_metadata()?;
        if is_owned_by_us(&metadata) && metadata.mode() & 0o077 != 0 {
            dir.set_permissions(".", Permissions::from_mode(0o700))?;
        }
    }
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Whether this process's user owns it; `true` where the system does not report owners.
pub(crate) fn is_owned_by_us(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt as _;

        metadata.uid() == rustix::process::geteuid().as_raw()
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        true
    }
}

/// Whether both have the same owner; `true` where the system does not report owners.
pub(crate) fn have_same_owner(one: &Metadata, other: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt as _;

        one.uid() == other.uid()
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        true
    }
}

/// Returns the possible writers of this file.
pub(crate) fn writers(metadata: &Metadata) -> Writers {
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt as _;

        writers_by(metadata.uid(), metadata.gid(), metadata.mode())
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Writers::OurGroup
    }
}

/// Returns the possible writers of a file with this owner, group and mode.
#[cfg(unix)]
pub(crate) fn writers_by(owner: u32, group: u32, mode: u32) -> Writers {
    let is_ours = owner == rustix::process::geteuid().as_raw();
    let is_our_group = group == rustix::process::getegid().as_raw();
    match (is_ours, mode & 0o022) {
        (true, 0) => Writers::Us,
        (true, 0o020) if is_our_group => Writers::OurGroup,
        _ => Writers::Others,
    }
}

/// Whether the system's error `code` blames the owner and mode of a file, rather than an operation
/// that is never permitted.
pub(crate) fn is_about_mode(code: i32) -> bool {
    #[cfg(unix)]
    {
        code == rustix::io::Errno::ACCESS.raw_os_error()
    }
    #[cfg(not(unix))]
    {
        let _ = code;
        true
    }
}

/// The permission bits that the process's umask takes from new files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Umask(#[cfg_attr(not(unix), expect(dead_code))] u32);

impl Umask {
    pub(crate) fn current() -> Self {
        Self(umask())
    }

    #[cfg(unix)]
    pub(crate) fn bits(self) -> u32 {
        self.0
    }
}

/// Returns the process's umask.
#[cfg(unix)]
#[allow(clippy::useless_conversion, reason = "a mode has fewer bits on some systems")]
fn umask() -> u32 {
    // Reads it where possible, without changing it for other threads.
    #[cfg(target_os = "linux")]
    if let Some(mask) = std::fs::read_to_string("/proc/thread-self/status")
        .ok()
        .and_then(|status| parse_umask(&status))
    {
        return mask;
    }
    // For a moment new files are closed to all other users.
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.as_raw_mode().into()
}

#[cfg(not(unix))]
fn umask() -> u32 {
    0
}

#[cfg(any(target_os = "linux", test))]
fn parse_umask(status: &str) -> Option<u32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(mask.trim(), 8).ok()
}

/// Whether the owner may execute the file.
pub(crate) fn is_executable(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use cap_std::fs::PermissionsExt as _;

        metadata.permissions().mode() & 0o100 != 0
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        false
    }
}

/// Returns the users that may read the file.
pub(crate) fn readers(metadata: &Metadata) -> Readers {
    #[cfg(unix)]
    {
        use cap_std::fs::PermissionsExt as _;

        match metadata.permissions().mode() & 0o044 {
            0o044 => Readers::All,
            0o040 => Readers::Group,
            _ => Readers::Owner,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Readers::All
    }
}

/// Lets everyone who may read `file` execute it, or no one. Removes set-user and set-group bits.
pub(crate) fn set_executable(file: &File, executable: bool) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let mut permissions = file.metadata()?.permissions();
        let mode = permissions.mode() & 0o777;
        let mode = if executable { mode | (mode & 0o444) >> 2 } else { mode & !0o111 };
        permissions.set_mode(mode);
        file.set_permissions(permissions)
    }
    #[cfg(not(unix))]
    {
        let _ = (file, executable);
        Ok(())
    }
}

/// Whether the file has more than one name; `false` where the system does not report that.
pub(crate) fn has_other_names(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    {
        cap_std::fs::MetadataExt::nlink(metadata) > 1
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::parse_umask;

    #[test]
    fn the_mask_is_read_from_the_status_of_the_thread() {
        assert_eq!(parse_umask("Name:\tftx\nUmask:\t0027\nState:\tR\n"), Some(0o27));
        assert_eq!(parse_umask("Name:\tftx\n"), None);
    }
}
