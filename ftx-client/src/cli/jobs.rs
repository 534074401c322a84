//! Expands the paths and names of a command line into jobs.

use std::ffi::OsStr;
use std::path::Path;

use ftx_client::{
    Client, Durability, EntryKind, Listed, LocalPath, LocalTree, RemoteName, TransferError,
};
use ftx_core::{NameError, escaped_bytes};
use walkdir::WalkDir;

use super::args::{DownloadArgs, UploadArgs};
use super::job::{FileJob, JobRefusal, name_of, parse};
use super::skipped::{self, SkipReason, Skipped};

/// The files and directories to transfer, in order.
#[derive(Debug)]
pub(crate) struct JobList {
    pub(crate) files: Vec<FileJob>,
    /// Directories to create, with or without files in them.
    pub(crate) directories: Directories,
    /// Entries that cannot be transferred.
    pub(crate) skipped: Vec<Skipped>,
}

/// Directories to create, on either side.
#[derive(Debug)]
pub(crate) enum Directories {
    There(Vec<RemoteName>),
    Here(Vec<LocalPath>, Durability),
}

/// The files of an upload, and its empty directories.
pub(crate) fn to_upload(upload: &UploadArgs) -> JobList {
    let UploadArgs { paths, name, follow, .. } = upload;
    let mut found = TreeScan::default();
    for path in paths {
        let base = match name {
            Some(name) => Ok(name.clone()),
            None => last_part(path),
        };
        // A link on the command line is followed.
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            tree(path, base, *follow, &mut found);
        } else {
            found.files.push(FileJob::upload(path.as_path(), base.and_then(|base| parse(&base))));
        }
    }
    let TreeScan { files, empty, skipped } = found;
    JobList { files, directories: Directories::There(empty), skipped }
}

/// The result of walking local trees.
#[derive(Default)]
struct TreeScan {
    files: Vec<FileJob>,
    /// Empty directories.
    empty: Vec<RemoteName>,
    skipped: Vec<Skipped>,
}

/// The last component of a path. A path like `.` or `a/..` is resolved first.
fn last_part(path: &Path) -> Result<String, JobRefusal> {
    let resolved = || path.canonicalize().ok()?.file_name().map(OsStr::to_owned);
    let last = path.file_name().map(OsStr::to_owned).or_else(resolved).ok_or(JobRefusal::NoName)?;
    last.into_string().map_err(|last| {
        let shown = escaped_bytes(last.as_encoded_bytes()).to_string();
        JobRefusal::Name(shown, NameError::NotUnicode)
    })
}

/// Adds the files of a tree, ordered by name, and its empty directories. Unless links are followed, each
/// file is opened beneath the tree later, so that a file replaced by a link meanwhile is refused as well.
fn tree(path: &Path, base: Result<String, JobRefusal>, follow: bool, found: &mut TreeScan) {
    let opened = || LocalTree::open(path).map_err(|error| unreadable(&ftx_io::ErrorChain(&error)));
    let tree = if follow { Ok(None) } else { opened().map(Some) };
    let base = base.and_then(|base| parse(&base).map(|_| base));
    let (base, tree) = match (base, tree) {
        (Ok(base), Ok(tree)) => (base, tree),
        (Err(refused), _) | (_, Err(refused)) => {
            return found.files.push(FileJob::upload(path, Err(refused)));
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
                    None => found.files.push(FileJob::upload(path, Err(unreadable(&error)))),
                }
                continue;
            }
        };
        let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
        let is_dir = entry.file_type().is_dir();
        if let Some(obstacle) = skipped::obstacle(&entry, &base, below) {
            found.skipped.push(Skipped::local(entry.path(), SkipReason::Obstacle(obstacle)));
            if is_dir {
                // Everything below it lacks a name, too.
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
            found.files.push(FileJob::found(local, name));
        } else if local.is_empty_directory().unwrap_or(false) {
            // Checked beneath the tree: the walk goes by paths, and a link may have led it elsewhere. The
            // walk reports unreadable directories itself.
            found.empty.push(name);
        }
    }
}

fn unreadable(error: &impl std::fmt::Display) -> JobRefusal {
    JobRefusal::Unreadable(error.to_string())
}

/// The files of a download, and all their directories. Asks the server for the contents of
/// directories.
pub(crate) async fn to_download(
    client: &mut Client,
    download: &DownloadArgs,
) -> Result<JobList, TransferError> {
    let DownloadArgs { names, output, out_dir, .. } = download;
    let (mut jobs, mut directories, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    // Every name of the server is resolved beneath this directory.
    let root = output.as_ref().unwrap_or(out_dir);
    let tree = LocalTree::at(root);
    for name in names {
        let Some(directory) = name.strip_suffix('/') else {
            let path = match output {
                Some(output) => output.as_path().into(),
                None => LocalPath::beneath(&tree, name),
            };
            jobs.push(FileJob::download(parse(name), path));
            continue;
        };
        let parsed = match parse(directory) {
            Ok(parsed) => Some(parsed),
            // A slash alone is the root.
            Err(_) if directory.is_empty() => None,
            Err(refused) => {
                let path = LocalPath::beneath(&tree, directory);
                jobs.push(FileJob::download(Err(refused), path));
                continue;
            }
        };
        let strip = match (&output, &parsed) {
            // `--output` names the directory itself.
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
                // The client checked that every name lies below the directory.
                let below = entry.name.as_str().get(strip..).unwrap_or_default();
                let path = LocalPath::beneath(&tree, below);
                match entry.kind {
                    EntryKind::Directory => directories.push(path),
                    EntryKind::File => jobs.push(FileJob::listed(entry, path)),
                }
            })
            .await?;
    }
    let directories = Directories::Here(directories, download.durability());
    Ok(JobList { files: jobs, directories, skipped })
}
