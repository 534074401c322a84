//! The parts of a job: its kind, phase, files and options.

use std::path::PathBuf;

use ftx_client::{Digest, Overwrite, RemoteName};

use crate::failure::Failure;

/// The kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobKind {
    Upload,
    Download,
    List,
    Stat,
    Digest,
    Remove,
    Dialect,
}

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    New,
    Queued,
    Running,
    Paused,
    Ended,
}

/// A file of a job, or merely a remote name.
#[derive(Clone, Debug)]
pub(crate) struct JobFile {
    pub(crate) path: PathBuf,
    /// The name on the server. A refused name fails when the job reaches it.
    pub(crate) name: Result<RemoteName, Failure>,
    /// Transferred bytes.
    pub(crate) done: u64,
    /// Size in bytes, once known.
    pub(crate) size: Option<u64>,
    pub(crate) digest: Option<Digest>,
    pub(crate) outcome: Option<Result<FileOutcome, Failure>>,
}

/// The result of a file that is done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FileOutcome {
    /// Bytes that the last attempt transferred.
    pub(crate) moved: u64,
    pub(crate) already_there: bool,
}

/// Options of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) keep_going: bool,
    pub(crate) recursive: bool,
    /// Defaults to the setting of the client.
    pub(crate) retries: Option<u32>,
    /// As for `retries`.
    pub(crate) overwrite: Option<Overwrite>,
    /// The client's thread reads the sizes of all files to upload first.
    pub(crate) sizes: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keep_going: false, recursive: false, retries: None, overwrite: None, sizes: true }
    }
}
