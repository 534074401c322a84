//! Renames that do not replace another file.

use std::io;
use std::path::Path;

use cap_std::fs::Dir;

/// Renames `from` in `dir` to `to` in `to_dir` unless that name is taken; both are single
/// components.
pub(crate) fn rename_exclusive(dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::RenameFlags;
        use rustix::io::Errno;

        match rustix::fs::renameat_with(dir, from, to_dir, to, RenameFlags::NOREPLACE) {
            // Some file systems do not support it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return Ok(renamed?),
        }
    }
    link_and_remove(dir, from, to_dir, to)
}

/// Renames `from` in `dir` to `to` in `to_dir`, a name that was free a moment ago; both are single
/// components. Where the system can detect it, a new file of that name stays.
pub(crate) fn rename_new(dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::RenameFlags;
        use rustix::io::Errno;

        match rustix::fs::renameat_with(dir, from, to_dir, to, RenameFlags::NOREPLACE) {
            // Some file systems do not support it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return Ok(renamed?),
        }
    }
    dir.rename(from, to_dir, to)
}

/// A link never replaces anything. A crash between the two steps leaves the file with both names,
/// which [`LockedFile`](crate::staging::locked_file::LockedFile) detects: the staging then resumes
/// in a copy.
fn link_and_remove(dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    dir.hard_link(from, to_dir, to)?;
    dir.remove_file(from).inspect_err(|_| {
        // A resumed staging must not write to a published file.
        let _ = to_dir.remove_file(to);
    })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::{link_and_remove, rename_exclusive};

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
