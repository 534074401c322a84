//! Expands the paths and names of a command line into jobs.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::Path;

use ftx_client::{Durability, LocalPath, LocalTree, RemoteName};
use ftx_core::{NameError, escaped_bytes};
use walkdir::{DirEntry, WalkDir};

use super::args::{DownloadArgs, UploadArgs};
use super::job::{Direction, FileJob, JobRefusal, name_of, parse};
use super::report::Report;
use super::skipped::{self, SkipReason, Skipped};

/// The files and directories to transfer, in order.
#[derive(Debug)]
pub(crate) struct JobList {
    pub(crate) direction: Direction,
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
pub(crate) fn to_upload(upload: &UploadArgs, report: &Report) -> JobList {
    let UploadArgs { paths, name, follow, .. } = upload;
    let mut found = TreeScan { report, files: Vec::new(), empty: Vec::new(), skipped: Vec::new() };
    for path in paths {
        let base = match name {
            Some(name) => Ok(name.clone()),
            None => last_part(path),
        };
        // A link on the command line is followed.
        let metadata = std::fs::metadata(path).ok();
        if metadata.as_ref().is_some_and(Metadata::is_dir) {
            tree(path, base, *follow, &mut found);
        } else {
            let job = FileJob::upload(path.as_path(), base.and_then(|base| parse(&base)));
            found.push(job.with_size(metadata.map(|metadata| metadata.len())));
        }
    }
    let TreeScan { files, empty, skipped, .. } = found;
    JobList { direction: Direction::Upload, files, directories: Directories::There(empty), skipped }
}

/// The result of walking local trees.
struct TreeScan<'a> {
    report: &'a Report,
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
fn tree(path: &Path, base: Result<String, JobRefusal>, follow: bool, found: &mut TreeScan<'_>) {
    let opened = || LocalTree::open(path).map_err(|error| unreadable(&ftx_io::ErrorChain(&error)));
    let tree = if follow { Ok(None) } else { opened().map(Some) };
    let base = base.and_then(|base| parse(&base).map(|_| base));
    let (base, tree) = match (base, tree) {
        (Ok(base), Ok(tree)) => (base, tree),
        (Err(refused), _) | (_, Err(refused)) => {
            return found.push(FileJob::upload(path, Err(refused)));
        }
    };
    let walk = WalkDir::new(path).follow_links(follow).follow_root_links(true).sort_by_file_name();
    let mut walk = walk.into_iter();
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.walk_failed(path, &error);
                continue;
            }
        };
        let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
        if let Some(obstacle) = skipped::obstacle(&entry, &base, below) {
            found.skipped.push(Skipped::local(entry.path(), SkipReason::Obstacle(obstacle)));
            if entry.file_type().is_dir() {
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
        found.add(&entry, local, name);
    }
}

impl TreeScan<'_> {
    fn push(&mut self, job: FileJob) {
        self.report.found(job.size);
        self.files.push(job);
    }

    fn add(&mut self, entry: &DirEntry, local: LocalPath, name: RemoteName) {
        if !entry.file_type().is_dir() {
            // It costs a system call, and only the display needs it.
            let size = || entry.metadata().ok().map(|metadata| metadata.len());
            let size = if self.report.draws() { size() } else { None };
            self.push(FileJob::found(local, name).with_size(size));
        } else if local.is_empty_directory().unwrap_or(false) {
            // Checked beneath the tree: the walk goes by paths, and a link may have led it elsewhere. The
            // walk reports unreadable directories itself.
            self.empty.push(name);
        }
    }

    /// Records a failure of the walk through the tree at `root`.
    fn walk_failed(&mut self, root: &Path, error: &walkdir::Error) {
        let path = error.path().unwrap_or(root);
        match skipped::not_looked_at(error) {
            Some(why) => self.skipped.push(Skipped::local(path, why)),
            None => self.push(FileJob::upload(path, Err(unreadable(error)))),
        }
    }
}

fn unreadable(error: &impl std::fmt::Display) -> JobRefusal {
    JobRefusal::Unreadable(error.to_string())
}

/// The files of a download that names no directory.
pub(crate) fn to_download(download: &DownloadArgs, report: &Report) -> JobList {
    let DownloadArgs { names, output, out_dir, .. } = download;
    let tree = LocalTree::at(out_dir);
    let files = names.iter().map(|name| {
        let path = match output {
            Some(output) => output.as_path().into(),
            None => LocalPath::beneath(&tree, name),
        };
        FileJob::download(parse(name), path)
    });
    let files: Vec<_> = files.inspect(|job| report.found(job.size)).collect();
    let directories = Directories::There(Vec::new());
    JobList { direction: Direction::Download, files, directories, skipped: Vec::new() }
}
