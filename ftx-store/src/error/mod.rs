//! What can go wrong with files, by what the caller can do about it.

mod classify;
mod kind;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use self::kind::{Side, StoreErrorKind};

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
