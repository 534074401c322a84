//! The parts of a job: its kind, phase, files and options.

use std::path::PathBuf;

use ftx_client::options::{self, OptionError};
use ftx_client::{ClientConfig, Digest, RemoteName};

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

/// The work that a job begins with.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) kind: JobKind,
    pub(crate) settings: Settings,
    /// The unfinished files, with their indices.
    pub(crate) todo: Vec<(usize, JobFile)>,
}

/// Options of a job.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) keep_going: bool,
    pub(crate) recursive: bool,
    /// The options of the client that differ for this job, in the order in which they were set.
    pub(crate) overrides: Vec<Override>,
    /// The client's thread reads the sizes of all files to upload first.
    pub(crate) sizes: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keep_going: false, recursive: false, overrides: Vec::new(), sizes: true }
    }
}

impl Settings {
    /// The settings of the client for this job.
    pub(crate) fn over(&self, config: &ClientConfig) -> ClientConfig {
        let mut config = config.clone();
        for change in &self.overrides {
            // It was tried when it was set.
            let _ = change.apply(&mut config);
        }
        config
    }
}

/// An option of the client, by its number, and its value for a job.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    pub(crate) number: u32,
    pub(crate) input: OptionInput,
}

/// The value of an option, as C gives it.
#[derive(Clone, Debug)]
pub(crate) enum OptionInput {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Override {
    pub(crate) fn apply(&self, config: &mut ClientConfig) -> Result<(), OptionError> {
        match &self.input {
            OptionInput::Number(value) => options::set_number(config, self.number, *value),
            OptionInput::Bytes(value) => options::set_bytes(config, self.number, value),
        }
    }
}
