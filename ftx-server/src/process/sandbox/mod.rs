//! The sandbox of a server: the kernel denies it all files but those that it serves or needs, and all
//! connections that it did not accept.
//!
//! It is built on Landlock, which restricts a thread and the threads that it makes later. So a sandbox is entered
//! before there are threads.
//!
//! ```text
//! SandboxRules ── enter(SandboxMode) ──▶ Sandbox ── status(), allows_reading(path)
//! ```

#[cfg(target_os = "linux")]
mod landlocked;

use std::fmt;
use std::path::{Path, PathBuf};

/// Whether a server enters a sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SandboxMode {
    /// As far as the kernel can.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// With files and network, or the server does not start.
    Require,
}

/// The files of a server. Everything else is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxRules {
    /// Directories in which files are made, changed, moved and removed.
    pub writable: Vec<PathBuf>,
    /// Files that are read. Their directories can be read as a whole, so that a file may be replaced by
    /// renaming another one.
    pub read: Vec<PathBuf>,
}

/// The sandbox that a process is in, or its absence.
#[derive(Debug)]
pub struct Sandbox {
    status: SandboxStatus,
    /// Without links; empty if nothing is enforced.
    readable: Vec<PathBuf>,
    /// A directory of `/proc` is another one for the kernel once it was forgotten.
    #[cfg(target_os = "linux")]
    _pinned: Vec<landlock::PathFd>,
}

/// Enforced restrictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SandboxStatus {
    /// None, as it was asked for.
    Off,
    /// None, for this reason.
    NotAvailable(String),
    /// Those that this version of Landlock has.
    Landlock {
        /// The version of the kernel's interface.
        abi: u32,
    },
}

/// A sandbox cannot be entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A directory is needed and cannot be opened.
    #[error("a directory for the sandbox cannot be opened: {0}")]
    Directory(String),
    /// The sandbox is required, and the kernel lacks it or a part of it.
    #[error(
        "--sandbox require: files and network cannot both be restricted here ({0}); \
         that needs Linux 6.7 with Landlock, or --sandbox auto"
    )]
    Required(SandboxStatus),
}

/// What a version of Landlock brought, each with the version.
const PARTS: [(u32, &str); 4] =
    [(3, "truncation"), (4, "network"), (5, "devices"), (6, "signals and abstract sockets")];

/// The version that restricts files and network.
const REQUIRED_ABI: u32 = 4;

impl SandboxRules {
    /// Enters a sandbox with these rules, for ever. This thread is in it, and all threads and programs that it
    /// starts from now on.
    ///
    /// # Errors
    /// A writable directory cannot be opened, or the sandbox is required and not to be had.
    pub fn enter(&self, mode: SandboxMode) -> Result<Sandbox, SandboxError> {
        if mode == SandboxMode::Off {
            return Ok(Sandbox::none(SandboxStatus::Off));
        }
        let sandbox = self.enter_landlock()?;
        match (&sandbox.status, mode) {
            (SandboxStatus::Landlock { abi }, SandboxMode::Require) if *abi >= REQUIRED_ABI => {}
            (status, SandboxMode::Require) => return Err(SandboxError::Required(status.clone())),
            _ => {}
        }
        Ok(sandbox)
    }

    #[cfg(not(target_os = "linux"))]
    fn enter_landlock(&self) -> Result<Sandbox, SandboxError> {
        Ok(Sandbox::none(SandboxStatus::NotAvailable("this system has no Landlock".to_owned())))
    }
}

impl Sandbox {
    /// No sandbox, for this reason.
    fn none(status: SandboxStatus) -> Self {
        Self {
            status,
            readable: Vec::new(),
            #[cfg(target_os = "linux")]
            _pinned: Vec::new(),
        }
    }

    /// The enforced restrictions.
    #[must_use]
    pub fn status(&self) -> &SandboxStatus {
        &self.status
    }

    /// Whether the sandbox lets the process read this file. One that is missing, or closed to the process by its
    /// permissions, is not denied by the sandbox.
    #[must_use]
    pub fn allows_reading(&self, path: &Path) -> bool {
        let SandboxStatus::Landlock { .. } = self.status else { return true };
        let Ok(path) = path.canonicalize() else { return true };
        self.readable.iter().any(|dir| path.starts_with(dir))
    }
}

impl fmt::Display for SandboxStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::NotAvailable(reason) => write!(f, "not available: {reason}"),
            Self::Landlock { abi } => {
                write!(f, "Landlock ABI {abi}")?;
                let missing = PARTS.iter().filter(|(since, _)| since > abi);
                let missing: Vec<_> = missing.map(|(_, part)| *part).collect();
                match missing.is_empty() {
                    true => Ok(()),
                    false => write!(f, ", partially: without {}", missing.join(", ")),
                }
            }
        }
    }
}
