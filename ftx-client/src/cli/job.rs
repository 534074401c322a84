//! One file to transfer.

use std::path::Path;

use ftx_client::{Entry, LocalPath, Reason, RemoteName, TransferError};
use ftx_core::NameError;

/// One file to transfer.
#[derive(Debug)]
pub(crate) struct FileJob {
    pub(crate) direction: Direction,
    /// The local path.
    pub(crate) path: LocalPath,
    /// The name on the server, or the reason that there is none.
    pub(crate) name: Result<RemoteName, JobRefusal>,
    /// Size in bytes, if the server listed it, or the walk looked at it.
    pub(crate) size: Option<u64>,
    /// It was found in a directory, and may vanish before its turn.
    pub(crate) is_found: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Upload,
    Download,
}

/// Why a file cannot be transferred. Reported at its turn, after the files before it.
#[derive(Clone, Debug)]
pub(crate) enum JobRefusal {
    NoName,
    Name(String, NameError),
    Unreadable(String),
}

impl JobRefusal {
    pub(crate) fn error(&self, path: &Path) -> TransferError {
        match self {
            Self::NoName => TransferError::no_name(path),
            Self::Name(name, source) => TransferError::name_refused(name).caused_by(source.clone()),
            Self::Unreadable(detail) => TransferError::unreadable(path, detail),
        }
    }
}

impl Direction {
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }

    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Upload => "uploaded",
            Self::Download => "downloaded",
        }
    }
}

impl FileJob {
    /// The name on the server, or else the closest text.
    pub(crate) fn name(&self) -> String {
        match &self.name {
            Ok(name) => name.as_str().to_owned(),
            Err(JobRefusal::Name(name, _)) => name.clone(),
            Err(_) => self.path.path().to_string_lossy().into_owned(),
        }
    }

    /// Its expected size in bytes; `None` if only the server knows it. A local file that cannot be looked at
    /// will fail.
    pub(crate) fn expected_bytes(&self) -> Option<u64> {
        match self.direction {
            Direction::Download if self.name.is_ok() => self.size,
            Direction::Upload | Direction::Download => Some(self.size.unwrap_or(0)),
        }
    }

    /// Whether `error` only means that the file vanished after it was found.
    pub(crate) fn has_vanished(&self, error: &TransferError) -> bool {
        let missing = match self.direction {
            Direction::Upload => Reason::LocalNotFound,
            Direction::Download => Reason::NotFound,
        };
        self.is_found && error.reason() == missing
    }

    pub(super) fn upload(path: impl Into<LocalPath>, name: Result<RemoteName, JobRefusal>) -> Self {
        let direction = Direction::Upload;
        Self { direction, path: path.into(), name, size: None, is_found: false }
    }

    pub(super) fn with_size(self, size: Option<u64>) -> Self {
        Self { size, ..self }
    }

    /// A file in a tree.
    pub(super) fn found(path: LocalPath, name: RemoteName) -> Self {
        Self { is_found: true, ..Self::upload(path, Ok(name)) }
    }

    pub(super) fn download(
        name: Result<RemoteName, JobRefusal>,
        path: impl Into<LocalPath>,
    ) -> Self {
        let direction = Direction::Download;
        Self { direction, path: path.into(), name, size: None, is_found: false }
    }

    /// A file in a listing.
    pub(super) fn listed(entry: Entry, path: LocalPath) -> Self {
        let size = Some(entry.size);
        Self { size, is_found: true, ..Self::download(Ok(entry.name), path) }
    }
}

pub(crate) fn parse(name: &str) -> Result<RemoteName, JobRefusal> {
    RemoteName::parse(name).map_err(|error| JobRefusal::Name(name.to_owned(), error))
}

/// The name on the server of the path `below` in a tree named `base`.
pub(crate) fn name_of(base: &str, below: &Path) -> Result<RemoteName, JobRefusal> {
    let below = below.iter().map(|part| part.to_str().ok_or(JobRefusal::NoName));
    let parts: Vec<&str> = std::iter::once(Ok(base)).chain(below).collect::<Result<_, _>>()?;
    parse(&parts.join("/"))
}
