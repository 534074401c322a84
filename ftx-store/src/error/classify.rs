//! Building a [`StoreError`] from the system's error, changing its path, and taking it apart.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::sys;

impl StoreError {
    /// Classifies the system's error. `op` is a verb for the message ("open", "write"), `path` the
    /// affected file.
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
            // An error with text but without a system code comes from our own resolution of links.
            ErrorKind::PermissionDenied
                if source.raw_os_error().is_none() && source.get_ref().is_some() =>
            {
                Self::Outside { op, path, source }
            }
            ErrorKind::PermissionDenied => Self::PermissionDenied { op, path, source },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { op, path, source },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace { op, path, source },
            ErrorKind::FileTooLarge => Self::TooLarge { op, path, source },
            // Every read here knows how many bytes to expect.
            ErrorKind::UnexpectedEof => Self::Changed { path },
            ErrorKind::WouldBlock if op == "lock" => Self::InUse { path },
            // Renaming or removing a file reports "busy" only for a mount point.
            ErrorKind::ResourceBusy if matches!(op, "rename" | "remove" | "replace") => {
                Self::MountPoint { op, path, source }
            }
            ErrorKind::ExecutableFileBusy => Self::Running { op, path, source },
            _ => Self::Io { op, path, source },
        }
    }

    /// Replaces the path by `file`, the path that the user knows, where the error concerns one of ftx's own
    /// files.
    #[must_use]
    pub fn with_path(mut self, file: impl AsRef<Path>) -> Self {
        // This one concerns a directory, whichever file was requested.
        if !matches!(self, Self::OwnDirectoryGone { .. }) {
            *self.path_mut() = file.as_ref().to_path_buf();
        }
        self
    }

    /// Prefixes the path, which is relative to a directory handle, with `dir`, the path by which
    /// the handle was opened.
    #[must_use]
    pub fn beneath(mut self, dir: impl AsRef<Path>) -> Self {
        let path = self.path_mut();
        *path = dir.as_ref().join(&path);
        self
    }

    /// Whether the failure concerns the server or the machine, independent of the requested file.
    #[must_use]
    pub fn is_general(&self) -> bool {
        matches!(self, Self::Exhausted { .. } | Self::RootGone { .. })
    }

    /// Whether the message includes everything that the system's reason would add.
    #[must_use]
    pub fn names_cause(&self) -> bool {
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
            // A quota is a different cause, and the system's text says so.
            Self::NoSpace { source, .. } => {
                is_plain(source) && source.kind() == ErrorKind::StorageFull
            }
            // EPERM is a different cause than a file's mode.
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
}

/// Whether a system error carries no text of its own.
fn is_plain(error: &io::Error) -> bool {
    error.get_ref().is_none()
}
