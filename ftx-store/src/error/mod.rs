//! Errors of file operations, classified by the caller's possible reactions.

mod classify;
mod kind;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use self::kind::{Side, StoreErrorKind};

/// The failure of a disk operation, naming the file it concerns.
///
/// Paths are as the caller gave them: relative to the directory handle that was used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file has the name already and must not be replaced.
    #[error("cannot {op} {path:?}: the file exists already; remove it or choose another name")]
    AlreadyExists {
        /// The operation, a verb.
        op: &'static str,
        /// The file that is in the way.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A name is not a single component, or a path does not stay below its directory.
    #[error("{path:?} is not a usable name here; use plain names without `.`, `..` or a root")]
    BadName {
        /// The name in question.
        path: PathBuf,
    },
    /// The caller's callback stopped the work; the disk is untouched.
    #[error("work on {path:?} was stopped; start it again to resume")]
    Cancelled {
        /// The file being read.
        path: PathBuf,
    },
    /// The file changed during the work on it.
    #[error("{path:?} changed while it was being read; start again with the current version")]
    Changed {
        /// The file that changed.
        path: PathBuf,
    },
    /// One of ftx's own files is damaged.
    #[error("{path:?} is damaged: {detail}; remove it")]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// The nature of the damage.
        detail: String,
    },
    /// An earlier sync failed, so the state of this staging on the disk is unknown.
    #[error("{path:?} could not be made durable earlier; drop this staging and recover it")]
    Failed {
        /// The staging's data file.
        path: PathBuf,
    },
    /// A partial file that other users could have written is in the way and cannot be removed.
    #[error("other users can write to {path:?}; remove it or choose another directory")]
    Foreign {
        /// The file that is in the way.
        path: PathBuf,
        /// The system's reason against removing it.
        source: io::Error,
    },
    /// Some blocks of the file have not arrived.
    #[error("{path:?} cannot be published: {missing} of its blocks are missing; send them first")]
    Incomplete {
        /// The name of the staging.
        path: PathBuf,
        /// How many blocks are missing.
        missing: u64,
    },
    /// Another staging, here or in another process, holds the lock on the file.
    #[error("{path:?} is in use by another transfer; try again when that transfer has ended")]
    InUse {
        /// The locked file.
        path: PathBuf,
    },
    /// The process or the system has no descriptor or memory left.
    #[error(
        "cannot {op} {path:?}: the system has run out of descriptors or memory; try again later"
    )]
    Exhausted {
        /// The operation, a verb.
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is the root of a mount, as a file passed into a container is.
    #[error(
        "cannot {op} {path:?}: it is a mount point, which cannot be replaced; unmount it, mount its directory instead, or choose another name"
    )]
    MountPoint {
        /// The operation, a verb.
        op: &'static str,
        /// The mount point.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The root directory was removed, or another directory has its place.
    #[error(
        "cannot use {path:?}: the directory that is served was removed or replaced; restart the server"
    )]
    RootGone {
        /// The requested path.
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
        "{path:?} is the partial file of another download; finish that download, or remove the file and its journal"
    )]
    PartOfAnother {
        /// The requested name.
        path: PathBuf,
    },
    /// The path leads out of its directory, or to the private directory in it.
    #[error("cannot {op} {path:?}: it leads out of the permitted directory; choose another path")]
    Outside {
        /// The operation, a verb.
        op: &'static str,
        /// The path.
        path: PathBuf,
        /// The reason, as found by following links.
        source: io::Error,
    },
    /// The server's private directory was removed while the server runs.
    #[error(
        "the server's private directory {path:?} was removed while the server is running; restart the server"
    )]
    OwnDirectoryGone {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// All possible names for a partial file belong to files that are not ftx's.
    #[error(
        "all names for a partial file of {path:?} are taken; remove the files with these names"
    )]
    PartNamesTaken {
        /// The file to be stored.
        path: PathBuf,
    },
    /// Another server serves the root.
    #[error("another server serves {path:?} already; stop that one, or choose another root")]
    RootInUse {
        /// The root.
        path: PathBuf,
    },
    /// The file has reached the size limit of the process or the file system.
    #[error(
        "cannot {op} {path:?}: it exceeds the size limit for files here; raise the limit, or choose another file system"
    )]
    TooLarge {
        /// The operation, a verb.
        op: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file's readable bytes are more or fewer than its reported size, as in `/proc`.
    #[error(
        "{path:?} does not contain exactly the {size} bytes that the system reports; send a copy of it"
    )]
    UnknownSize {
        /// The file.
        path: PathBuf,
        /// The reported size.
        size: u64,
    },
    /// The partial file was removed or replaced while it was being written.
    #[error(
        "the partial file of {path:?} was removed or replaced during the transfer; start again"
    )]
    Vanished {
        /// The partial file.
        path: PathBuf,
    },
    /// A running program cannot be written to.
    #[error("cannot {op} {path:?}: it is a running program; stop it first")]
    Running {
        /// The operation, a verb.
        op: &'static str,
        /// The program.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Any failure without a variant of its own.
    #[error("cannot {op} {path:?}")]
    Io {
        /// The operation, a verb.
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A directory stands where a file is needed.
    #[error("cannot {op} {path:?}: it is a directory; choose another name")]
    IsDirectory {
        /// The operation, a verb.
        op: &'static str,
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The disk or the quota is full.
    #[error("cannot {op} {path:?}: no space is left; free some space and try again")]
    NoSpace {
        /// The operation, a verb.
        op: &'static str,
        /// The file that does not fit.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file stands where a directory is needed.
    #[error("cannot {op} {path:?}: a part of it is a file, not a directory; choose another name")]
    NotDirectory {
        /// The operation, a verb.
        op: &'static str,
        /// The path with the file in it.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The name belongs to neither a file nor a directory, but to a pipe, socket or device.
    #[error("cannot use {path:?}: it is {kind}, not a regular file; choose another one")]
    NotRegular {
        /// The name.
        path: PathBuf,
        /// The type of the object, for the message.
        kind: &'static str,
    },
    /// The file does not exist.
    #[error("cannot {op} {path:?}: there is no such file; check the name")]
    NotFound {
        /// The operation, a verb.
        op: &'static str,
        /// The missing file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The process lacks permission.
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
