//! A download of directories, whose files begin while the server still lists them.

use std::slice::Iter;
use std::sync::Arc;

use ftx_client::{
    Client, DownloadSource, Durability, EntryKind, FileDownload, Listed, LocalPath, LocalTree,
    Observer, TransferError, Transferred, TreeWatch, Watch,
};

use super::args::DownloadArgs;
use super::exit::Exit;
use super::job::{Direction, FileJob, parse};
use super::jobs::Directories;
use super::report::Report;
use super::skipped::Skipped;
use super::transfer::TransferView;

/// Downloads the named files and directories in order, many files at a time. All directories are created, with
/// or without files in them.
pub(crate) async fn run(
    keep_going: bool,
    client: &mut Client,
    download: &DownloadArgs,
    durability: Durability,
    report: &Report,
) -> Exit {
    client.set_observer(report.searching());
    let DownloadArgs { names, output, out_dir, .. } = download;
    let mut tree = TreeDownload {
        keep_going,
        view: TransferView::new(report, Vec::new(), Vec::new()),
        names: names.iter(),
        // Every name of the server is resolved beneath this directory.
        tree: LocalTree::at(output.as_ref().unwrap_or(out_dir)),
        has_output: output.is_some(),
        strip: 0,
        root: None,
        directories: Vec::new(),
        skipped: 0,
    };
    if let Err(error) = client.download_trees(keep_going, &mut tree).await {
        tree.view.not_reached(&error);
    }
    let TreeDownload { view, directories, skipped, .. } = tree;
    let directories = Directories::Here(directories, durability);
    let summary = view.into_summary(keep_going);
    summary.end(Direction::Download, client, &directories, skipped, report).await
}

/// The files that have been found, and the names that have not been looked at.
struct TreeDownload<'a> {
    keep_going: bool,
    view: TransferView<'a>,
    names: Iter<'a, String>,
    tree: Arc<LocalTree>,
    /// The only name has a local path of its own, which is that of the tree.
    has_output: bool,
    /// The bytes of the names of the current listing that are no part of the local path.
    strip: usize,
    /// The local directory of the current listing, until the server has shown that it has one.
    root: Option<LocalPath>,
    /// Directories to create.
    directories: Vec<LocalPath>,
    /// The number of entries that cannot be transferred.
    skipped: usize,
}

impl TreeDownload<'_> {
    /// Adds a file, and returns it if its name is usable.
    fn push(&mut self, job: FileJob) -> Option<FileDownload> {
        self.view.report.found(job.size);
        self.view.report.expect_file(&job);
        let name = job.name.as_ref().ok().cloned();
        let file = name.map(|name| FileDownload { name, path: job.path.clone(), size: job.size });
        self.view.push(job);
        file
    }

    /// The source of a name of the command line.
    fn source(&mut self, name: &str) -> Option<DownloadSource> {
        let Some(directory) = name.strip_suffix('/') else {
            let job = FileJob::download(parse(name), LocalPath::beneath(&self.tree, name));
            return self.push(job).map(DownloadSource::File);
        };
        if directory.is_empty() {
            self.strip = 0;
            return Some(DownloadSource::Directory(None));
        }
        match parse(directory) {
            Ok(parsed) => {
                // `--output` names the directory itself.
                self.strip = if self.has_output { parsed.as_str().len() + 1 } else { 0 };
                let below = if self.has_output { "" } else { parsed.as_str() };
                self.root = Some(LocalPath::beneath(&self.tree, below));
                Some(DownloadSource::Directory(Some(parsed)))
            }
            Err(refused) => {
                let path = LocalPath::beneath(&self.tree, directory);
                self.push(FileJob::download(Err(refused), path)).map(DownloadSource::File)
            }
        }
    }
}

impl Watch for TreeDownload<'_> {
    fn begin(&mut self, file: usize) -> Observer {
        self.view.begin(file)
    }

    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>) {
        self.view.end(file, result);
    }
}

impl TreeWatch for TreeDownload<'_> {
    fn next_source(&mut self) -> Option<DownloadSource> {
        // The listing before has ended, perhaps without an entry.
        self.directories.extend(self.root.take());
        while let Some(name) = self.names.next() {
            let source = self.source(name);
            if source.is_some() {
                return source;
            }
            // The files before an unusable name are transferred first.
            if !self.keep_going {
                break;
            }
        }
        self.view.report.all_expected();
        None
    }

    fn listed(&mut self, entry: Listed) -> Option<FileDownload> {
        self.directories.extend(self.root.take());
        let entry = match entry {
            Listed::Entry(entry) => entry,
            Listed::Untransferable(found) => {
                self.skipped += 1;
                self.view.report.skipped(&Skipped::listed(&found));
                return None;
            }
        };
        // The client checked that every name lies below the directory.
        let below = entry.name.as_str().get(self.strip..).unwrap_or_default();
        let path = LocalPath::beneath(&self.tree, below);
        match entry.kind {
            EntryKind::Directory => {
                self.directories.push(path);
                None
            }
            EntryKind::File => self.push(FileJob::listed(entry, path)),
        }
    }

    fn listing_failed(&mut self, error: &TransferError) {
        self.root = None;
        self.view.gave_up(error);
    }
}
