//! What a command line means, file by file.

use std::path::{Path, PathBuf};

use ftx_client::{RemoteName, TransferError};
use ftx_core::NameError;

use super::args::{Command, Download, Upload};

/// One file to transfer.
#[derive(Debug)]
pub(crate) enum Job {
    Upload { path: PathBuf, name: Result<RemoteName, Refused> },
    Download { name: String, path: PathBuf },
}

/// A name that cannot be used; told when its turn comes, so that the files before it are done.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    None,
    Name(String, NameError),
}

impl Refused {
    pub(crate) fn error(&self, path: &Path) -> TransferError {
        match self {
            Self::None => TransferError::NoName { path: path.to_owned() },
            Self::Name(name, source) => {
                TransferError::Name { name: name.clone(), source: source.clone() }
            }
        }
    }
}

impl Job {
    pub(crate) fn direction(&self) -> &'static str {
        match self {
            Self::Upload { .. } => "upload",
            Self::Download { .. } => "download",
        }
    }

    /// The local path.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Upload { path, .. } | Self::Download { path, .. } => path,
        }
    }

    /// The name on the server, as far as there is one.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Upload { name: Ok(name), .. } => name.as_str().to_owned(),
            Self::Upload { path, .. } => path.to_string_lossy().into_owned(),
            Self::Download { name, .. } => name.clone(),
        }
    }
}

pub(crate) fn parse(name: &str) -> Result<RemoteName, Refused> {
    RemoteName::parse(name).map_err(|error| Refused::Name(name.to_owned(), error))
}

/// The files of a command, in order.
pub(crate) fn of(command: &Command) -> Vec<Job> {
    match command {
        Command::Upload(Upload { paths, name, .. }) => paths
            .iter()
            .map(|path| Job::Upload {
                path: path.clone(),
                name: match (name, path.file_name().and_then(|name| name.to_str())) {
                    (Some(name), _) => parse(name),
                    (None, Some(last)) => parse(last),
                    (None, None) => Err(Refused::None),
                },
            })
            .collect(),
        Command::Download(Download { names, output, out_dir, .. }) => names
            .iter()
            .map(|name| Job::Download {
                name: name.clone(),
                path: output.clone().unwrap_or_else(|| out_dir.join(name)),
            })
            .collect(),
    }
}
