//! What a command line means, file by file.

use std::path::{Path, PathBuf};

use ftx_client::{Client, EntryKind, RemoteName, TransferError};
use ftx_core::NameError;
use walkdir::WalkDir;

use super::args::{Download, Upload};

/// What is to be transferred, in order.
#[derive(Debug)]
pub(crate) struct Jobs {
    pub(crate) files: Vec<Job>,
    /// Directories that are to be there, whether files are in them or not.
    pub(crate) directories: Directories,
}

/// Where directories are to be.
#[derive(Debug)]
pub(crate) enum Directories {
    There(Vec<RemoteName>),
    Here(Vec<PathBuf>),
}

/// One file to transfer.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) direction: Direction,
    /// The local path.
    pub(crate) path: PathBuf,
    /// The name on the server, or why there is none.
    pub(crate) name: Result<RemoteName, Refused>,
    /// Its bytes, where the server has said so.
    pub(crate) size: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Upload,
    Download,
}

/// What cannot be transferred; told when its turn comes, so that the files before it are done.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    NoName,
    Name(String, NameError),
    Link,
    Unreadable(String),
}

impl Refused {
    pub(crate) fn error(&self, path: &Path) -> TransferError {
        let path = path.to_owned();
        match self {
            Self::NoName => TransferError::NoName { path },
            Self::Name(name, source) => {
                TransferError::Name { name: name.clone(), source: source.clone() }
            }
            Self::Link => TransferError::Link { path },
            Self::Unreadable(detail) => TransferError::Unreadable { path, detail: detail.clone() },
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
}

impl Job {
    /// The name on the server, as far as there is one.
    pub(crate) fn name(&self) -> String {
        match &self.name {
            Ok(name) => name.as_str().to_owned(),
            Err(Refused::Name(name, _)) => name.clone(),
            Err(_) => self.path.to_string_lossy().into_owned(),
        }
    }

    fn upload(path: PathBuf, name: Result<RemoteName, Refused>) -> Self {
        Self { direction: Direction::Upload, path, name, size: None }
    }

    fn download(name: Result<RemoteName, Refused>, path: PathBuf, size: Option<u64>) -> Self {
        Self { direction: Direction::Download, path, name, size }
    }
}

pub(crate) fn parse(name: &str) -> Result<RemoteName, Refused> {
    RemoteName::parse(name).map_err(|error| Refused::Name(name.to_owned(), error))
}

/// The files of an upload, and the directories that nothing is in.
pub(crate) fn to_upload(upload: &Upload) -> Jobs {
    let Upload { paths, name, follow, .. } = upload;
    let (mut jobs, mut empty) = (Vec::new(), Vec::new());
    for path in paths {
        let base = match (name, last_part(path)) {
            (Some(name), _) => Ok(name.clone()),
            (None, Some(last)) => Ok(last),
            (None, None) => Err(Refused::NoName),
        };
        // A path that is named is meant, even if it is a link.
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            tree(path, base, *follow, &mut jobs, &mut empty);
        } else {
            jobs.push(Job::upload(path.clone(), base.and_then(|base| parse(&base))));
        }
    }
    Jobs { files: jobs, directories: Directories::There(empty) }
}

/// The last part of a path, also of one like `.` or `a/..`, which has it only when it is resolved.
fn last_part(path: &Path) -> Option<String> {
    let last = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    last(path).or_else(|| last(&path.canonicalize().ok()?))
}

/// The files in a directory and below, in the order of their names, and the directories without
/// anything in them.
fn tree(
    path: &Path,
    base: Result<String, Refused>,
    follow: bool,
    jobs: &mut Vec<Job>,
    empty: &mut Vec<RemoteName>,
) {
    let base = match base {
        Ok(base) => base,
        Err(refused) => return jobs.push(Job::upload(path.to_owned(), Err(refused))),
    };
    for entry in WalkDir::new(path).follow_links(follow).follow_root_links(true).sort_by_file_name()
    {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(path).to_owned();
                let refused = Refused::Unreadable(error.to_string());
                jobs.push(Job::upload(path, Err(refused)));
                continue;
            }
        };
        let name = || {
            let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
            let below = below.iter().map(|part| part.to_str().ok_or(Refused::NoName));
            let parts: Vec<&str> =
                std::iter::once(Ok(&*base)).chain(below).collect::<Result<_, _>>()?;
            parse(&parts.join("/"))
        };
        if entry.file_type().is_dir() {
            // What cannot be read is told when its turn comes.
            let is_empty =
                std::fs::read_dir(entry.path()).is_ok_and(|mut dir| dir.next().is_none());
            match name() {
                Ok(name) if is_empty => empty.push(name),
                Err(refused) if is_empty => jobs.push(Job::upload(entry.into_path(), Err(refused))),
                Ok(_) | Err(_) => {}
            }
            continue;
        }
        let name = if entry.file_type().is_symlink() { Err(Refused::Link) } else { name() };
        jobs.push(Job::upload(entry.into_path(), name));
    }
}

/// The files of a download, and the directories that they are in or that are without any. The server is
/// asked what is in directories.
pub(crate) async fn to_download(
    client: &mut Client,
    download: &Download,
) -> Result<Jobs, TransferError> {
    let Download { names, output, out_dir, .. } = download;
    let (mut jobs, mut directories) = (Vec::new(), Vec::new());
    for name in names {
        let Some(directory) = name.strip_suffix('/') else {
            let path = output.clone().unwrap_or_else(|| out_dir.join(name));
            jobs.push(Job::download(parse(name), path, None));
            continue;
        };
        let parsed = match parse(directory) {
            Ok(parsed) => Some(parsed),
            // A slash alone is the root.
            Err(_) if directory.is_empty() => None,
            Err(refused) => {
                jobs.push(Job::download(Err(refused), out_dir.join(directory), None));
                continue;
            }
        };
        let root = output.as_ref().unwrap_or(out_dir);
        let strip = match (&output, &parsed) {
            // The directory itself gets that name.
            (Some(_), Some(parsed)) => parsed.as_str().len() + 1,
            _ => 0,
        };
        match &parsed {
            Some(_) if output.is_some() => directories.push(root.clone()),
            Some(parsed) => directories.push(root.join(parsed.as_str())),
            None => {}
        }
        client
            .list(parsed.as_ref(), true, |entry| {
                // All names of the listing are below the directory.
                let path = root.join(entry.name.as_str().get(strip..).unwrap_or_default());
                match entry.kind {
                    EntryKind::Directory => directories.push(path),
                    EntryKind::File => {
                        jobs.push(Job::download(Ok(entry.name), path, Some(entry.size)));
                    }
                }
            })
            .await?;
    }
    Ok(Jobs { files: jobs, directories: Directories::Here(directories) })
}
