//! Who may read, write and execute a file.

use std::fs::File;
use std::io;

use cap_std::fs::{Dir, DirBuilder, Metadata, OpenOptions};

use crate::private::Writers;

/// Has the file that is made be open to its owner alone.
#[cfg_attr(not(unix), expect(unused_variables, clippy::needless_pass_by_ref_mut))]
pub(crate) fn for_us_alone(options: &mut OpenOptions) {
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(options, 0o600);
}

/// Has the directory that is made be open to its owner alone.
#[cfg_attr(not(unix), expect(unused_variables, clippy::needless_pass_by_ref_mut))]
pub(crate) fn dir_for_us_alone(builder: &mut DirBuilder) {
    #[cfg(unix)]
    cap_std::fs::DirBuilderExt::mode(builder, 0o700);
}

/// Closes a directory of ours to other users.
pub(crate) fn close_to_others(dir: &Dir) -> io::Result<()> {
    #[cfg(unix)]
    {
        use cap_std::fs::{MetadataExt as _, Permissions, PermissionsExt as _};

        let metadata = dir.dir_metadata()?;
        let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
        if is_ours && metadata.mode() & 0o077 != 0 {
            dir.set_permissions(".", Permissions::from_mode(0o700))?;
        }
    }
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Who may have written this file.
pub(crate) fn writers(metadata: &Metadata) -> Writers {
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt as _;

        let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
        let is_our_group = metadata.gid() == rustix::process::getegid().as_raw();
        match (is_ours, metadata.mode() & 0o022) {
            (true, 0) => Writers::Us,
            (true, 0o020) if is_our_group => Writers::OurGroup,
            _ => Writers::Others,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Writers::OurGroup
    }
}

/// Whether the system's error `code` says that owner and mode of a file are in the way, not that
/// nobody may do that.
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

/// The permissions of a file that is made without any wish of its own, as the process's mask says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewFileMode(#[cfg_attr(not(unix), expect(dead_code))] u32);

impl NewFileMode {
    pub(crate) fn current() -> Self {
        Self(0o666 & !umask())
    }

    /// Gives these permissions to a file that was made for us alone.
    pub(crate) fn apply(self, file: &File, executable: bool) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;

            let mode = if executable { self.0 | (self.0 & 0o444) >> 2 } else { self.0 };
            file.set_permissions(std::fs::Permissions::from_mode(mode))
        }
        #[cfg(not(unix))]
        {
            let _ = (file, executable);
            Ok(())
        }
    }
}

/// The process's mask for new files.
#[cfg(unix)]
#[allow(clippy::useless_conversion, reason = "a mode has fewer bits on some systems")]
fn umask() -> u32 {
    // Where it can be read, without changing it for other threads.
    #[cfg(target_os = "linux")]
    if let Some(mask) = std::fs::read_to_string("/proc/thread-self/status")
        .ok()
        .and_then(|status| parse_umask(&status))
    {
        return mask;
    }
    // For a moment new files are open to nobody else.
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

/// Lets everybody execute `file` who may read it, or nobody.
pub(crate) fn set_executable(file: &File, executable: bool) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let mut permissions = file.metadata()?.permissions();
        let mode = permissions.mode();
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

/// Whether the file has more names than one; `false` where the system does not tell.
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
    use super::{NewFileMode, parse_umask};

    #[test]
    fn the_mask_is_read_from_the_status_of_the_thread() {
        assert_eq!(parse_umask("Name:\tftx\nUmask:\t0027\nState:\tR\n"), Some(0o27));
        assert_eq!(parse_umask("Name:\tftx\n"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_gets_the_mode_of_a_new_one() {
        use std::os::unix::fs::PermissionsExt as _;

        let temp = tempfile::tempdir().unwrap();
        let [new, private] =
            ["new", "private"].map(|name| std::fs::File::create(temp.path().join(name)).unwrap());
        let mode = |file: &std::fs::File| file.metadata().unwrap().permissions().mode() & 0o777;
        private.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
        NewFileMode::current().apply(&private, false).unwrap();
        assert_eq!(mode(&private), mode(&new));
        NewFileMode::current().apply(&private, true).unwrap();
        super::set_executable(&new, true).unwrap();
        assert_eq!(mode(&private), mode(&new));
    }
}
