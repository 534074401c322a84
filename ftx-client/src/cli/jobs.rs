//! What a command line means, file by file.

use std::ffi::OsStr;
use std::path::Path;

use ftx_client::{
    Client, Durability, Entry, EntryKind, Listed, LocalPath, LocalTree, Reason, RemoteName,
    TransferError,
};
use ftx_core::{NameError, escaped_bytes};
use walkdir::WalkDir;

use super::args::{Download, Upload};
use super::skipped::{self, Skipped, Why};

/// What is to be transferred, in order.
#[derive(Debug)]
pub(crate) struct Jobs {
    pub(crate) files: Vec<Job>,
    /// Directories that are to be there, whether files are in them or not.
    pub(crate) directories: Directories,
    /// What was found and cannot be transferred.
    pub(crate) skipped: Vec<Skipped>,
}

/// Where directories are to be.
#[derive(Debug)]
pub(crate) enum Directories {
    There(Vec<RemoteName>),
    Here(Vec<LocalPath>, Durability),
}

/// One file to transfer.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) direction: Direction,
    /// The local path.
    pub(crate) path: LocalPath,
    /// The name on the server, or why there is none.
    pub(crate) name: Result<RemoteName, Refused>,
    /// Its bytes, where the server has said so.
    pub(crate) size: Option<u64>,
    /// It was found in a directory, and may have vanished since.
    pub(crate) is_found: bool,
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
    Unreadable(String),
}

impl Refused {
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
}

impl Job {
    /// The name on the server, as far as there is one.
    pub(crate) fn name(&self) -> String {
        match &self.name {
            Ok(name) => name.as_str().to_owned(),
            Err(Refused::Name(name, _)) => name.clone(),
            Err(_) => self.path.path().to_string_lossy().into_owned(),
        }
    }

    /// Whether it fails with this only because it is no longer where it was found.
    pub(crate) fn has_vanished(&self, error: &TransferError) -> bool {
        let missing = match self.direction {
            Direction::Upload => Reason::LocalNotFound,
            Direction::Download => Reason::NotFound,
        };
        self.is_found && error.reason() == missing
    }

    fn upload(path: impl Into<LocalPath>, name: Result<RemoteName, Refused>) -> Self {
        let direction = Direction::Upload;
        Self { direction, path: path.into(), name, size: None, is_found: false }
    }

    /// A file in a tree.
    fn found(path: LocalPath, name: RemoteName) -> Self {
        Self { is_found: true, ..Self::upload(path, Ok(name)) }
    }

    fn download(name: Result<RemoteName, Refused>, path: impl Into<LocalPath>) -> Self {
        let direction = Direction::Download;
        Self { direction, path: path.into(), name, size: None, is_found: false }
    }

    /// A file in a listing.
    fn listed(entry: Entry, path: LocalPath) -> Self {
        let size = Some(entry.size);
        Self { size, is_found: true, ..Self::download(Ok(entry.name), path) }
    }
}

pub(crate) fn parse(name: &str) -> Result<RemoteName, Refused> {
    RemoteName::parse(name).map_err(|error| Refused::Name(name.to_owned(), error))
}

/// The files of an upload, and the directories that nothing is in.
pub(crate) fn to_upload(upload: &Upload) -> Jobs {
    let Upload { paths, name, follow, .. } = upload;
    let mut found = Found::default();
    for path in paths {
        let base = match name {
            Some(name) => Ok(name.clone()),
            None => last_part(path),
        };
        // A path that is named is meant, even if it is a link.
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            tree(path, base, *follow, &mut found);
        } else {
            found.files.push(Job::upload(path.as_path(), base.and_then(|base| parse(&base))));
        }
    }
    let Found { files, empty, skipped } = found;
    Jobs { files, directories: Directories::There(empty), skipped }
}

/// What there is to upload.
#[derive(Default)]
struct Found {
    files: Vec<Job>,
    /// Directories without anything in them.
    empty: Vec<RemoteName>,
    skipped: Vec<Skipped>,
}

/// The last part of a path, also of one like `.` or `a/..`, which has it only when it is resolved.
fn last_part(path: &Path) -> Result<String, Refused> {
    let resolved = || path.canonicalize().ok()?.file_name().map(OsStr::to_owned);
    let last = path.file_name().map(OsStr::to_owned).or_else(resolved).ok_or(Refused::NoName)?;
    last.into_string().map_err(|last| {
        let shown = escaped_bytes(last.as_encoded_bytes()).to_string();
        Refused::Name(shown, NameError::NotUnicode)
    })
}

/// The files in a directory and below, in the order of their names, and the directories without
/// anything in them. What is found is opened beneath the directory later, so that what has become a link
/// by then is refused, too; unless links are to be followed.
fn tree(path: &Path, base: Result<String, Refused>, follow: bool, found: &mut Found) {
    let opened = || LocalTree::open(path).map_err(|error| unreadable(&ftx_io::ErrorChain(&error)));
    let tree = if follow { Ok(None) } else { opened().map(Some) };
    let base = base.and_then(|base| parse(&base).map(|_| base));
    let (base, tree) = match (base, tree) {
        (Ok(base), Ok(tree)) => (base, tree),
        (Err(refused), _) | (_, Err(refused)) => {
            return found.files.push(Job::upload(path, Err(refused)));
        }
    };
    let walk = WalkDir::new(path).follow_links(follow).follow_root_links(true).sort_by_file_name();
    let mut walk = walk.into_iter();
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(path);
                match skipped::not_looked_at(&error) {
                    Some(why) => found.skipped.push(Skipped::local(path, why)),
                    None => found.files.push(Job::upload(path, Err(unreadable(&error)))),
                }
                continue;
            }
        };
        let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
        let is_dir = entry.file_type().is_dir();
        if let Some(obstacle) = skipped::obstacle(&entry, &base, below) {
            found.skipped.push(Skipped::local(entry.path(), Why::Obstacle(obstacle)));
            if is_dir {
                // Nothing below it has a name either.
                walk.skip_current_dir();
            }
            continue;
        }
        let Ok(name) = name_of(&base, below) else { continue };
        let local = match &tree {
            Some(tree) => LocalPath::beneath(tree, below),
            None => entry.path().into(),
        };
        if !is_dir {
            found.files.push(Job::found(local, name));
        } else if local.is_empty_directory().unwrap_or(false) {
            // The walk goes by paths, and may have been led elsewhere; what cannot be read it tells itself.
            found.empty.push(name);
        }
    }
}

fn unreadable(error: &impl std::fmt::Display) -> Refused {
    Refused::Unreadable(error.to_string())
}

/// The name on the server of what has the path `below` in a directory with the name `base`.
pub(crate) fn name_of(base: &str, below: &Path) -> Result<RemoteName, Refused> {
    let below = below.iter().map(|part| part.to_str().ok_or(Refused::NoName));
    let parts: Vec<&str> = std::iter::once(Ok(base)).chain(below).collect::<Result<_, _>>()?;
    parse(&parts.join("/"))
}

/// The files of a download, and the directories that they are in or that are without any. The server is
/// asked what is in directories.
pub(crate) async fn to_download(
    client: &mut Client,
    download: &Download,
) -> Result<Jobs, TransferError> {
    let Download { names, output, out_dir, .. } = download;
    let (mut jobs, mut directories, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    // What the server names lies beneath the directory that is named here.
    let root = output.as_ref().unwrap_or(out_dir);
    let tree = LocalTree::at(root);
    for name in names {
        let Some(directory) = name.strip_suffix('/') else {
            let path = match output {
                Some(output) => output.as_path().into(),
                None => LocalPath::beneath(&tree, name),
            };
            jobs.push(Job::download(parse(name), path));
            continue;
        };
        let parsed = match parse(directory) {
            Ok(parsed) => Some(parsed),
            // A slash alone is the root.
            Err(_) if directory.is_empty() => None,
            Err(refused) => {
                let path = LocalPath::beneath(&tree, directory);
                jobs.push(Job::download(Err(refused), path));
                continue;
            }
        };
        let strip = match (&output, &parsed) {
            // The directory itself gets that name.
            (Some(_), Some(parsed)) => parsed.as_str().len() + 1,
            _ => 0,
        };
        match &parsed {
            Some(_) if output.is_some() => directories.push(LocalPath::beneath(&tree, "")),
            Some(parsed) => directories.push(LocalPath::beneath(&tree, parsed.as_str())),
            None => {}
        }
        client
            .list(parsed.as_ref(), true, |listed| {
                let entry = match listed {
                    Listed::Entry(entry) => entry,
                    Listed::Untransferable(found) => return skipped.push(Skipped::listed(&found)),
                };
                // All names of the listing are below the directory.
                let below = entry.name.as_str().get(strip..).unwrap_or_default();
                let path = LocalPath::beneath(&tree, below);
                match entry.kind {
                    EntryKind::Directory => directories.push(path),
                    EntryKind::File => jobs.push(Job::listed(entry, path)),
                }
            })
            .await?;
    }
    let directories = Directories::Here(directories, download.durability());
    Ok(Jobs { files: jobs, directories, skipped })
}
