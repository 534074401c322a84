//! What can go wrong with files, by what the caller can do about it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use ftx_core::Status;

use crate::sys;

/// Why something on the disk could not be done. Each names the file it concerns.
///
/// Paths are as the caller gave them: relative to the directory handle that was used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file has the name already, and was not to be replaced.
    #[error("cannot {op} {path:?}: there is such a file already; remove it or choose another name")]
    AlreadyExists {
        /// The operation, a verb.
        op: &'static str,
        /// The file that is in the way.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A name that must be a single component, or a path that must stay below its directory, is not.
    #[error("{path:?} is not usable as a name here; use plain names without `.`, `..` or a root")]
    BadName {
        /// The name in question.
        path: PathBuf,
    },
    /// The caller's callback said to stop; what is on the disk is untouched.
    #[error("work on {path:?} was stopped; start it again to go on")]
    Cancelled {
        /// The file being read.
        path: PathBuf,
    },
    /// The file is not what it was when the work on it began.
    #[error("{path:?} changed while it was being read; start over with the present version")]
    Changed {
        /// The file that changed.
        path: PathBuf,
    },
    /// The contents of one of our own files make no sense.
    #[error("{path:?} is damaged: {detail}; remove it")]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// An earlier sync failed, so nobody knows what the disk holds of this staging.
    #[error("{path:?} could not be made durable earlier; drop this staging and recover it")]
    Failed {
        /// The staging's data file.
        path: PathBuf,
    },
    /// A partial file that others can have written is in the way, and cannot be removed.
    #[error("{path:?} is not this user's alone; remove it or choose another directory")]
    Foreign {
        /// The file that is in the way.
        path: PathBuf,
        /// Why it cannot be removed.
        source: io::Error,
    },
    /// Not all blocks of a file have arrived.
    #[error("{path:?} cannot be published: {missing} of its blocks are missing; send them first")]
    Incomplete {
        /// The name of the staging.
        path: PathBuf,
        /// How many blocks are missing.
        missing: u64,
    },
    /// Another staging, here or in another process, holds the file.
    #[error("{path:?} is in use by another transfer; try again when that one has ended")]
    InUse {
        /// The file that is held.
        path: PathBuf,
    },
    /// The process, or the system, has no descriptor or memory left.
    #[error(
        "cannot {op} {path:?}: the system is out of descriptors or memory just now; try again later"
    )]
    Exhausted {
        /// The operation, a verb.
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is the root of a mount, as one that is passed to a container is.
    #[error(
        "cannot {op} {path:?}: it is a mount point, which nothing can replace; unmount it, mount the directory that it is in instead, or choose another name"
    )]
    MountPoint {
        /// The operation, a verb.
        op: &'static str,
        /// The mount point.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The directory that all names lie in was removed, or another one has its place.
    #[error(
        "cannot use {path:?}: the directory that is served was removed or replaced; restart the server"
    )]
    RootGone {
        /// What was asked for in it.
        path: PathBuf,
    },
    /// A symbolic link stands where links are not followed.
    #[error(
        "{path:?} is a symbolic link, and links are not followed here; remove it or choose another path"
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The name is that of another file's partial file.
    #[error(
        "{path:?} holds what has arrived of another file; finish that download, or remove it with its journal"
    )]
    PartOfAnother {
        /// The name in question.
        path: PathBuf,
    },
    /// The path leads out of its directory, or to what is private there.
    #[error("cannot {op} {path:?}: it leads to where no name may lead; choose another one")]
    Outside {
        /// The operation, a verb.
        op: &'static str,
        /// The path.
        path: PathBuf,
        /// Where it leads.
        source: io::Error,
    },
    /// A directory that the server keeps for itself is gone while it runs.
    #[error(
        "the server's own directory {path:?} was removed while the server runs; restart the server"
    )]
    OwnDirectoryGone {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// All names that a partial file can have are those of files that are not ours.
    #[error("all names for a partial file of {path:?} are taken; remove files that are called so")]
    PartNamesTaken {
        /// The file that is to be stored.
        path: PathBuf,
    },
    /// Another server serves the root.
    #[error("another server serves {path:?} already; stop that one, or choose another root")]
    RootInUse {
        /// The root.
        path: PathBuf,
    },
    /// A file has grown as large as the process, or the file system, lets it.
    #[error(
        "cannot {op} {path:?}: it is larger than a file may be here; raise the limit, or choose another file system"
    )]
    TooLarge {
        /// The operation, a verb.
        op: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of which more can be read than the system says, or less, as of those of `/proc`.
    #[error(
        "{path:?} does not have the {size} bytes that the system tells of, but others; send a copy of it"
    )]
    UnknownSize {
        /// The file.
        path: PathBuf,
        /// What the system tells.
        size: u64,
    },
    /// Somebody removed a partial file, or put another one in its place, while it was written.
    #[error("what had arrived of {path:?} was removed or replaced meanwhile; start again")]
    Vanished {
        /// The partial file.
        path: PathBuf,
    },
    /// A program that runs just now cannot be written to.
    #[error("cannot {op} {path:?}: it is a program that is running; end it first")]
    Running {
        /// The operation, a verb.
        op: &'static str,
        /// The program.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Anything the other variants do not tell apart.
    #[error("cannot {op} {path:?}")]
    Io {
        /// The operation, a verb.
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A directory stands where a file is wanted.
    #[error("cannot {op} {path:?}: it is a directory; choose another name")]
    IsDirectory {
        /// The operation, a verb.
        op: &'static str,
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The disk, the quota or the greatest file size is used up.
    #[error("cannot {op} {path:?}: no space is left for it; free some and try again")]
    NoSpace {
        /// The operation, a verb.
        op: &'static str,
        /// The file that did not fit.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file stands where a directory is wanted.
    #[error("cannot {op} {path:?}: a part of it is a file, not a directory; choose another name")]
    NotDirectory {
        /// The operation, a verb.
        op: &'static str,
        /// The path with the file in it.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Something stands there that is neither a file nor a directory: a pipe, a device.
    #[error("cannot use {path:?}: it is {kind}, not a regular file; choose another one")]
    NotRegular {
        /// What stands there.
        path: PathBuf,
        /// What it is, for people.
        kind: &'static str,
    },
    /// There is no such file.
    #[error("cannot {op} {path:?}: there is no such file; check the name")]
    NotFound {
        /// The operation, a verb.
        op: &'static str,
        /// The missing file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The process may not do that, or the path leads out of its directory.
    #[error("cannot {op} {path:?}: permission denied; check its owner and mode")]
    PermissionDenied {
        /// The operation, a verb.
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file system is mounted read-only.
    #[error("cannot {op} {path:?}: the file system is read-only; mount it writable")]
    ReadOnly {
        /// The operation, a verb.
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl StoreError {
    /// Tells apart by the system's reason. `op` is a verb ("open", "write") that ends up in the
    /// message, `path` the file it was done to.
    #[must_use]
    pub fn io(op: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        if let Some(Self::RootGone { .. }) = source.get_ref().and_then(|own| own.downcast_ref()) {
            return Self::RootGone { path };
        }
        if sys::is_exhausted(&source) {
            return Self::Exhausted { op, path, source };
        }
        match source.kind() {
            ErrorKind::AlreadyExists => Self::AlreadyExists { op, path, source },
            ErrorKind::NotFound => Self::NotFound { op, path, source },
            ErrorKind::IsADirectory => Self::IsDirectory { op, path, source },
            ErrorKind::NotADirectory => Self::NotDirectory { op, path, source },
            // What the system does not say is said by who looks where a path leads.
            ErrorKind::PermissionDenied
                if source.raw_os_error().is_none() && source.get_ref().is_some() =>
            {
                Self::Outside { op, path, source }
            }
            ErrorKind::PermissionDenied => Self::PermissionDenied { op, path, source },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { op, path, source },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace { op, path, source },
            ErrorKind::FileTooLarge => Self::TooLarge { op, path, source },
            // Reads here always know how much there should be.
            ErrorKind::UnexpectedEof => Self::Changed { path },
            ErrorKind::WouldBlock if op == "lock" => Self::InUse { path },
            // Of files, nothing else is busy for who renames or removes them.
            ErrorKind::ResourceBusy if matches!(op, "rename" | "remove" | "replace") => {
                Self::MountPoint { op, path, source }
            }
            ErrorKind::ExecutableFileBusy => Self::Running { op, path, source },
            _ => Self::Io { op, path, source },
        }
    }

    /// The same error, told of another file: of the one that its user knows, where the file that it
    /// concerns is one of ours.
    #[must_use]
    pub fn about(mut self, file: impl AsRef<Path>) -> Self {
        // That is about no file.
        if !matches!(self, Self::OwnDirectoryGone { .. }) {
            *self.path_mut() = file.as_ref().to_path_buf();
        }
        self
    }

    /// The same error with the path as the user knows it, where it is relative to a directory handle:
    /// `dir` is the path that the handle was opened by.
    #[must_use]
    pub fn beneath(mut self, dir: impl AsRef<Path>) -> Self {
        let path = self.path_mut();
        *path = dir.as_ref().join(&path);
        self
    }

    /// Whether it is the server, or the machine, that is in trouble, whatever file is asked for.
    #[must_use]
    pub fn is_general(&self) -> bool {
        matches!(self, Self::Exhausted { .. } | Self::RootGone { .. })
    }

    /// Whether its text says all that the system's reason would.
    #[must_use]
    pub fn tells_cause(&self) -> bool {
        match self {
            Self::AlreadyExists { source, .. }
            | Self::IsDirectory { source, .. }
            | Self::MountPoint { source, .. }
            | Self::NotDirectory { source, .. }
            | Self::NotFound { source, .. }
            | Self::OwnDirectoryGone { source, .. }
            | Self::ReadOnly { source, .. }
            | Self::Running { source, .. }
            | Self::TooLarge { source, .. } => is_plain(source),
            // A quota is another cause, and has a text of its own.
            Self::NoSpace { source, .. } => {
                is_plain(source) && source.kind() == ErrorKind::StorageFull
            }
            // What is not permitted to anybody is another cause than a mode.
            Self::PermissionDenied { source, .. } => {
                source.raw_os_error().map_or_else(|| is_plain(source), sys::is_about_mode)
            }
            _ => false,
        }
    }

    fn path_mut(&mut self) -> &mut PathBuf {
        match self {
            Self::AlreadyExists { path, .. }
            | Self::BadName { path }
            | Self::Cancelled { path }
            | Self::Changed { path }
            | Self::Corrupt { path, .. }
            | Self::Failed { path }
            | Self::Foreign { path, .. }
            | Self::Incomplete { path, .. }
            | Self::InUse { path }
            | Self::Exhausted { path, .. }
            | Self::RootGone { path }
            | Self::Link { path }
            | Self::MountPoint { path, .. }
            | Self::Outside { path, .. }
            | Self::OwnDirectoryGone { path, .. }
            | Self::PartNamesTaken { path }
            | Self::RootInUse { path }
            | Self::Running { path, .. }
            | Self::TooLarge { path, .. }
            | Self::UnknownSize { path, .. }
            | Self::Vanished { path }
            | Self::PartOfAnother { path }
            | Self::Io { path, .. }
            | Self::IsDirectory { path, .. }
            | Self::NoSpace { path, .. }
            | Self::NotDirectory { path, .. }
            | Self::NotRegular { path, .. }
            | Self::NotFound { path, .. }
            | Self::PermissionDenied { path, .. }
            | Self::ReadOnly { path, .. } => path,
        }
    }

    /// The system's reason, or the error itself where there is none.
    #[must_use]
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::AlreadyExists { source, .. }
            | Self::Exhausted { source, .. }
            | Self::Foreign { source, .. }
            | Self::Io { source, .. }
            | Self::IsDirectory { source, .. }
            | Self::MountPoint { source, .. }
            | Self::NoSpace { source, .. }
            | Self::NotDirectory { source, .. }
            | Self::NotFound { source, .. }
            | Self::Outside { source, .. }
            | Self::OwnDirectoryGone { source, .. }
            | Self::PermissionDenied { source, .. }
            | Self::ReadOnly { source, .. }
            | Self::Running { source, .. }
            | Self::TooLarge { source, .. } => source,
            other => io::Error::other(other),
        }
    }

    /// The status that tells a peer or a caller of the C API about it.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            // The code of that name tells the sender that its very file is there.
            Self::AlreadyExists { .. }
            | Self::BadName { .. }
            | Self::PartOfAnother { .. }
            | Self::Cancelled { .. }
            | Self::Changed { .. }
            | Self::Corrupt { .. }
            | Self::Exhausted { .. }
            | Self::RootGone { .. }
            | Self::Foreign { .. }
            | Self::InUse { .. }
            | Self::IsDirectory { .. }
            | Self::Link { .. }
            | Self::MountPoint { .. }
            | Self::NotDirectory { .. }
            | Self::NotFound { .. }
            | Self::NotRegular { .. }
            | Self::Outside { .. }
            | Self::PartNamesTaken { .. }
            | Self::PermissionDenied { .. }
            | Self::ReadOnly { .. }
            | Self::RootInUse { .. }
            | Self::Running { .. }
            | Self::UnknownSize { .. } => Status::OpenError,
            Self::Failed { .. }
            | Self::Incomplete { .. }
            | Self::NoSpace { .. }
            | Self::OwnDirectoryGone { .. }
            | Self::TooLarge { .. }
            | Self::Vanished { .. } => Status::WriteError,
            // An unreadable file cannot be used, which the codes call "cannot be opened".
            Self::Io { op, .. } if matches!(*op, "open" | "read" | "stat") => Status::OpenError,
            Self::Io { .. } => Status::WriteError,
        }
    }
}

impl From<&StoreError> for Status {
    fn from(error: &StoreError) -> Self {
        error.status()
    }
}

/// Whether it says no more than its kind.
fn is_plain(error: &io::Error) -> bool {
    error.get_ref().is_none()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io::{self, ErrorKind};

    use ftx_core::Status;

    use super::StoreError;

    #[test]
    fn kinds_are_told_apart_and_have_a_status() {
        for (kind, op, variant, status) in [
            (ErrorKind::AlreadyExists, "rename", "AlreadyExists", Status::OpenError),
            (ErrorKind::NotFound, "open", "NotFound", Status::OpenError),
            (ErrorKind::IsADirectory, "rename", "IsDirectory", Status::OpenError),
            (ErrorKind::NotADirectory, "open", "NotDirectory", Status::OpenError),
            (ErrorKind::PermissionDenied, "create", "PermissionDenied", Status::OpenError),
            (ErrorKind::ReadOnlyFilesystem, "create", "ReadOnly", Status::OpenError),
            (ErrorKind::StorageFull, "write", "NoSpace", Status::WriteError),
            (ErrorKind::QuotaExceeded, "write", "NoSpace", Status::WriteError),
            (ErrorKind::FileTooLarge, "write", "TooLarge", Status::WriteError),
            (ErrorKind::ResourceBusy, "rename", "MountPoint", Status::OpenError),
            (ErrorKind::ResourceBusy, "open", "Io", Status::OpenError),
            (ErrorKind::ExecutableFileBusy, "open", "Running", Status::OpenError),
            (ErrorKind::WouldBlock, "read", "Io", Status::OpenError),
            (ErrorKind::UnexpectedEof, "read", "Changed", Status::OpenError),
            (ErrorKind::WouldBlock, "lock", "InUse", Status::OpenError),
            (ErrorKind::Other, "open", "Io", Status::OpenError),
            (ErrorKind::Other, "sync", "Io", Status::WriteError),
        ] {
            let error = StoreError::io(op, "a/b", io::Error::from(kind));
            assert!(format!("{error:?}").starts_with(variant), "{kind}: {error:?}");
            assert_eq!(error.status(), status, "{error}");
            assert!(error.to_string().contains("\"a/b\""), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_concerns_every_file_is_told_apart_and_stays_so_on_its_way() {
        for code in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOMEM] {
            let error = StoreError::io("open", "a", code.into());
            assert!(matches!(error, StoreError::Exhausted { .. }) && error.is_general());
            let error = StoreError::io("list", "b", error.into_io());
            assert!(matches!(error, StoreError::Exhausted { .. }), "{error:?}");
        }
        let gone = StoreError::RootGone { path: "a".into() };
        let error = StoreError::io("list", "b", gone.into_io());
        assert!(matches!(error, StoreError::RootGone { .. }) && error.is_general(), "{error:?}");
        assert!(!StoreError::io("open", "a", ErrorKind::NotFound.into()).is_general());
    }

    #[test]
    fn it_can_be_told_of_another_file() {
        let error = StoreError::io("write", ".ftx/x", io::Error::from(ErrorKind::StorageFull));
        assert!(error.about("a/b").to_string().contains("cannot write \"a/b\""));
    }

    #[test]
    fn it_can_be_told_with_the_path_that_the_user_knows() {
        let error = StoreError::Link { path: "a/b".into() }.beneath("out");
        assert!(error.to_string().contains("\"out/a/b\" is a symbolic link"), "{error}");
        assert_eq!(error.status(), Status::OpenError);
    }

    #[test]
    fn the_systems_reason_is_kept() {
        let error = StoreError::io("write", "x", io::Error::from_raw_os_error(28));
        assert!(matches!(error, StoreError::NoSpace { .. }));
        assert!(error.source().unwrap().to_string().contains("28"));
    }
}
