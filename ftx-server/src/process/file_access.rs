//! The access of a server's user to the files of its configuration.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::SystemUser;

/// A file or directory that a server uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededFile {
    /// The path.
    pub path: PathBuf,
    /// Its use.
    pub usage: FileUsage,
}

/// The use of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileUsage {
    /// A file that is read, also on a reload.
    Read,
    /// A directory in which files are made and replaced.
    Write,
    /// The same, which no other user owns.
    Own,
}

/// A user lacks the access that a server needs.
#[derive(Debug, thiserror::Error)]
pub struct FileAccessError {
    /// The file or directory that is needed.
    pub path: PathBuf,
    user: String,
    fault: AccessFault,
}

#[derive(Debug)]
enum AccessFault {
    /// A directory on the way is closed.
    Closed(PathBuf),
    Foreign {
        owner: u32,
    },
    Refused {
        usage: FileUsage,
        source: io::Error,
    },
}

impl NeededFile {
    /// The files to which this process, which runs as `user`, lacks access. Of a directory and the files in it, the
    /// directory alone is returned.
    #[must_use]
    pub fn faults(files: &[Self], user: &SystemUser) -> Vec<FileAccessError> {
        let mut faults: Vec<FileAccessError> = Vec::new();
        for file in files {
            if !faults.iter().any(|fault| file.path.starts_with(&fault.path)) {
                faults.extend(file.check(user).err());
            }
        }
        faults
    }

    /// Checks whether this process, which runs as `user`, has the access. Missing files are no fault of it.
    ///
    /// # Errors
    /// It has not; the error says what to do.
    pub fn check(&self, user: &SystemUser) -> Result<(), FileAccessError> {
        let fault = |fault| {
            let (path, user) = (self.path.clone(), user.name().to_owned());
            Err(FileAccessError { path, user, fault })
        };
        if let Some(closed) = first_closed_directory(&self.path) {
            return fault(AccessFault::Closed(closed.to_owned()));
        }
        let Ok(metadata) = self.path.metadata() else { return Ok(()) };
        if let Some(owner) = other_owner(&metadata).filter(|_| self.usage == FileUsage::Own) {
            return fault(AccessFault::Foreign { owner });
        }
        match self.try_access() {
            Ok(()) => Ok(()),
            Err(source) => fault(AccessFault::Refused { usage: self.usage, source }),
        }
    }

    #[cfg(unix)]
    fn try_access(&self) -> io::Result<()> {
        use rustix::fs::{Access, AtFlags, CWD, accessat};

        match self.usage {
            FileUsage::Read => std::fs::File::open(&self.path).map(drop),
            FileUsage::Write | FileUsage::Own => {
                let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
                Ok(accessat(CWD, &self.path, all, AtFlags::EACCESS)?)
            }
        }
    }

    #[cfg(not(unix))]
    fn try_access(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The owner, if it is not this process's user.
#[cfg(unix)]
fn other_owner(metadata: &std::fs::Metadata) -> Option<u32> {
    let owner = std::os::unix::fs::MetadataExt::uid(metadata);
    (owner != rustix::process::geteuid().as_raw()).then_some(owner)
}

#[cfg(not(unix))]
fn other_owner(_: &std::fs::Metadata) -> Option<u32> {
    None
}

/// The first directory on the way to the file that this process cannot pass through.
fn first_closed_directory(path: &Path) -> Option<&Path> {
    let mut above: Vec<_> = path.ancestors().skip(1).collect();
    above.reverse();
    let is_closed = |dir: &&Path| {
        let probe = match dir.as_os_str().is_empty() {
            true => Path::new("./.").to_owned(),
            false => dir.join("."),
        };
        let probed = probe.symlink_metadata();
        probed.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    above.into_iter().find(is_closed)
}

impl fmt::Display for FileAccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, user, fault } = self;
        let path = path.display();
        match fault {
            AccessFault::Closed(dir) => {
                let dir = dir.display();
                write!(f, "{path} is out of reach of the user {user}, which may not enter {dir}")?;
                write!(f, "; `chmod o+x {dir}` lets it")
            }
            AccessFault::Foreign { owner } => {
                write!(f, "{path} belongs to the user {owner}, and the server runs as {user}")?;
                write!(f, "; `chown -R {user} {path}` gives it to that user")
            }
            AccessFault::Refused { usage: FileUsage::Read, source } => {
                write!(f, "{path} cannot be read by the user {user}: {source}")?;
                write!(f, "; `chown {user} {path}` gives it to that user")
            }
            AccessFault::Refused { source, .. } => {
                write!(f, "{path} cannot be written by the user {user}: {source}")?;
                write!(f, "; `chown {user} {path}` gives it to that user")
            }
        }
    }
}
