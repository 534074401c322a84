//! Partial files: created for this user alone, and resumed only if no other user could have written
//! them.
//!
//! A download may go to a shared directory such as `/tmp`. A partial file or link put there by
//! another user must be neither resumed nor written through.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, DirBuilder, Metadata, OpenOptions};

use crate::StoreError;
use crate::sys::{self, Writers};

/// Creates a file that no other user can open. An existing file or link of that name is an error.
pub(crate) fn create(dir: &Dir, path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    sys::owner_only(&mut options);
    Ok(dir.open_with(path, &options)?.into_std())
}

/// Opens the directory `name` in `dir`, creates it if missing, and closes it to other users.
///
/// # Errors
/// [`StoreError::Link`], [`StoreError::PermissionDenied`] if it belongs to another user, and
/// failures to create and open it.
pub fn open_private_dir(dir: &Dir, name: &Path) -> Result<Dir, StoreError> {
    let mut builder = DirBuilder::new();
    sys::owner_only_dir(&mut builder);
    match dir.create_dir_with(name, &builder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.map_err(|error| StoreError::io("create", name, error))?,
    }
    if dir.symlink_metadata(name).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(StoreError::Link { path: name.to_path_buf() });
    }
    let opened =
        dir.open_dir_nofollow(name).map_err(|error| StoreError::io("open", name, error))?;
    if belongs_to_other(&opened).map_err(|error| StoreError::io("look at", name, error))? {
        let text = "it belongs to another user; give it to this one (chown -R), or remove it";
        let source = io::Error::new(ErrorKind::PermissionDenied, text);
        return Err(StoreError::PermissionDenied { op: "use", path: name.to_path_buf(), source });
    }
    if let Err(error) = sys::restrict_to_owner(&opened) {
        tracing::warn!(%error, ?name, "the directory cannot be closed to other users");
    }
    Ok(opened)
}

/// Whether another user owns the directory, and so could replace its contents.
fn belongs_to_other(dir: &Dir) -> io::Result<bool> {
    if sys::is_owned_by_us(&dir.dir_metadata()?) {
        return Ok(false);
    }
    // A network file system may show one owner for everything.
    let probe = Path::new("owner");
    let Ok(file) = create(dir, probe) else { return Ok(true) };
    let is_ours_shown_so = sys::have_same_owner(&Metadata::from_file(&file)?, &dir.dir_metadata()?);
    dir.remove_file(probe)?;
    Ok(!is_ours_shown_so)
}

/// The object under the name of a partial file.
#[derive(Debug)]
pub(crate) enum PartialFile {
    Missing,
    /// A file that may be resumed.
    Ours(File),
    /// A link, or a file that other users could have written.
    Foreign,
}

/// Opens a partial file for reading and, with `write`, for writing.
pub(crate) fn open(dir: &Dir, path: &Path, write: bool) -> io::Result<PartialFile> {
    let mut options = OpenOptions::new();
    options.read(true).write(write).follow(FollowSymlinks::No);
    sys::set_nonblocking(&mut options);
    let file = match dir.open_with(path, &options) {
        Ok(file) => file.into_std(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(PartialFile::Missing),
        Err(error) => {
            return if is_foreign(dir, path)? { Ok(PartialFile::Foreign) } else { Err(error) };
        }
    };
    let metadata = Metadata::from_file(&file)?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    Ok(match Writers::of(&metadata) {
        Writers::Us | Writers::OurGroup => PartialFile::Ours(file),
        Writers::Others => PartialFile::Foreign,
    })
}

/// Whether `path` is a link, or a file that other users could have written.
pub(crate) fn is_foreign(dir: &Dir, path: &Path) -> io::Result<bool> {
    match dir.symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        metadata => {
            let metadata = metadata?;
            Ok(!metadata.is_dir() && Writers::of(&metadata) == Writers::Others)
        }
    }
}

/// Removes a file; a missing file is no error.
pub(crate) fn remove(dir: &Dir, path: &Path) -> Result<(), StoreError> {
    match dir.remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // In a directory such as `/tmp`, files of other users cannot be removed.
        Err(error)
            if error.kind() == ErrorKind::PermissionDenied
                && is_foreign(dir, path).unwrap_or(false) =>
        {
            Err(StoreError::Foreign { path: path.to_path_buf(), source: error })
        }
        removed => removed.map_err(|error| StoreError::io("remove", path, error)),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::{Dir, Permissions, PermissionsExt as _};

    use super::{PartialFile, create, open, open_private_dir};
    use crate::StoreError;

    #[test]
    fn a_private_directory_is_closed_to_others_and_no_link() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let mode = || dir.metadata("own").unwrap().permissions().mode() & 0o777;
        for _ in 0..2 {
            open_private_dir(&dir, Path::new("own")).unwrap().write("file", "").unwrap();
            assert_eq!(mode(), 0o700);
            dir.set_permissions("own", Permissions::from_mode(0o755)).unwrap();
        }
        dir.symlink("own", "link").unwrap();
        let refused = open_private_dir(&dir, Path::new("link"));
        assert!(matches!(refused, Err(StoreError::Link { .. })), "{refused:?}");
    }

    /// Only root can give a directory to another user.
    #[test]
    fn a_private_directory_of_another_user_is_not_used() {
        if !rustix::process::geteuid().is_root() {
            println!("not run: only root can give a directory to another user");
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.create_dir("own").unwrap();
        std::os::unix::fs::chown(temp.path().join("own"), Some(65534), None).unwrap();
        let refused = open_private_dir(&dir, Path::new("own")).unwrap_err();
        assert!(matches!(refused, StoreError::PermissionDenied { .. }), "{refused:?}");
        assert_eq!(dir.read_dir("own").unwrap().count(), 0);
    }

    #[test]
    fn only_a_file_of_our_own_is_resumed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let part = Path::new("part");
        assert!(matches!(open(&dir, part, true).unwrap(), PartialFile::Missing));
        create(&dir, part).unwrap();
        let mode = |mode| dir.set_permissions(part, Permissions::from_mode(mode)).unwrap();
        assert_eq!(dir.metadata(part).unwrap().permissions().mode() & 0o777, 0o600);
        for (bits, is_ours) in [(0o600, true), (0o644, true), (0o664, true), (0o666, false)] {
            mode(bits);
            assert_eq!(matches!(open(&dir, part, true).unwrap(), PartialFile::Ours(_)), is_ours);
        }
        mode(0o600);
        dir.symlink("part", "link").unwrap();
        dir.create_dir("dir").unwrap();
        assert!(matches!(open(&dir, Path::new("link"), true).unwrap(), PartialFile::Foreign));
        for write in [false, true] {
            assert!(open(&dir, Path::new("dir"), write).is_err());
        }
        for other in ["link", "dir"] {
            assert!(create(&dir, Path::new(other)).is_err());
        }
    }
}
