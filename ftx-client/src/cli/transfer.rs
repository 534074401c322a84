//! Runs the jobs of an upload or a download.

use ftx_client::{Client, FileDownload, FileUpload, Observer, TransferError, Transferred, Watch};

use super::exit::Exit;
use super::job::{Direction, FileJob};
use super::jobs::{Directories, JobList};
use super::report::Report;

/// Transfers files in order, many at a time if the server supports it.
pub(crate) async fn run(
    keep_going: bool,
    client: &mut Client,
    jobs: JobList,
    report: &Report,
) -> Exit {
    for skipped in &jobs.skipped {
        report.skipped(skipped);
    }
    let JobList { direction, files, directories, skipped } = jobs;
    let ran = run_files(keep_going, client, files, report).await;
    ran.end(direction, client, &directories, skipped.len(), report).await
}

/// The outcome of a list of files.
pub(super) struct RunSummary {
    pub(super) exit: Exit,
    /// A failure stopped it before the last file.
    pub(super) is_stopped: bool,
    /// Number of files that vanished.
    pub(super) vanished: usize,
}

impl RunSummary {
    /// Creates the directories, and reports the totals. `skipped` entries could not be transferred.
    pub(super) async fn end(
        self,
        direction: Direction,
        client: &mut Client,
        directories: &Directories,
        skipped: usize,
        report: &Report,
    ) -> Exit {
        let mut exit = self.exit;
        if !self.is_stopped {
            exit = exit.max(make_directories(client, directories, report).await);
        }
        report.end(direction);
        let left_out = skipped + self.vanished;
        if left_out > 0 {
            report.incomplete(left_out as u64);
            exit = exit.max(Exit::Failed);
        }
        exit
    }
}

/// Creates the directories that no file created.
async fn make_directories(client: &mut Client, directories: &Directories, report: &Report) -> Exit {
    let mut exit = Exit::Done;
    match directories {
        Directories::There(names) => {
            for name in names {
                match client.make_directory(name).await {
                    Ok(_) => {}
                    Err(error) if error.is_not_native() => {
                        let text = "the server cannot create empty directories";
                        report.message(&format!("{text}; they are left out"));
                        break;
                    }
                    Err(error) => exit = exit.max(report.gave_up(&error)),
                }
            }
        }
        Directories::Here(paths, durability) => {
            for path in paths {
                if let Err(error) = path.create_directory(*durability) {
                    exit = exit.max(report.gave_up(&error));
                }
            }
        }
    }
    exit
}

async fn run_files(
    keep_going: bool,
    client: &mut Client,
    jobs: Vec<FileJob>,
    report: &Report,
) -> RunSummary {
    report.expect(&jobs);
    // The files before an unusable one are transferred first.
    let refused = jobs.iter().position(|job| job.name.is_err()).filter(|_| !keep_going);
    let now = jobs.get(..refused.unwrap_or(jobs.len())).unwrap_or_default();
    let usable = now.iter().enumerate().filter(|(_, job)| job.name.is_ok());
    let indices = usable.map(|(index, _)| index).collect();
    let mut show = TransferView::new(report, jobs, indices);
    while !show.indices.is_empty() {
        let vanished = show.vanished;
        show.transfer(keep_going, client).await;
        if keep_going || show.has_failed || show.vanished == vanished {
            break;
        }
        // It stopped at a vanished file, which must not keep the rest from being transferred.
        let TransferView { indices, ended, .. } = &mut show;
        indices.retain(|index| ended.get(*index).is_some_and(|ended| !ended));
    }
    show.into_summary(keep_going)
}

/// Reports the files of one call of the client.
pub(super) struct TransferView<'a> {
    pub(super) report: &'a Report,
    jobs: Vec<FileJob>,
    /// The job of each of the client's files.
    indices: Vec<usize>,
    begun: Vec<Option<Observer>>,
    ended: Vec<bool>,
    worst: Exit,
    /// A file failed, other than by vanishing.
    has_failed: bool,
    vanished: usize,
}

impl<'a> TransferView<'a> {
    pub(super) fn new(report: &'a Report, jobs: Vec<FileJob>, indices: Vec<usize>) -> Self {
        let (begun, ended) = (vec![None; jobs.len()], vec![false; jobs.len()]);
        let (worst, has_failed, vanished) = (Exit::Done, false, 0);
        Self { report, jobs, indices, begun, ended, worst, has_failed, vanished }
    }

    /// Adds a file. If its name is usable, it is the client's next one.
    pub(super) fn push(&mut self, job: FileJob) {
        if job.name.is_ok() {
            self.indices.push(self.jobs.len());
        }
        self.jobs.push(job);
        self.begun.push(None);
        self.ended.push(false);
    }

    /// Counts a failure that is no file's.
    pub(super) fn gave_up(&mut self, error: &TransferError) {
        self.worst = self.worst.max(self.report.gave_up(error));
        self.has_failed = true;
    }

    /// Reports the files without usable names, and sums up.
    pub(super) fn into_summary(mut self, keep_going: bool) -> RunSummary {
        let mut is_stopped = self.has_failed && !keep_going;
        for index in 0..self.jobs.len() {
            let job = self.jobs.get(index).filter(|_| !is_stopped);
            let Some(FileJob { name: Err(refused), path, .. }) = job else { continue };
            let error = refused.error(path.path());
            self.fail(index, &error);
            is_stopped = !keep_going;
        }
        RunSummary { exit: self.worst, is_stopped, vanished: self.vanished }
    }
}

impl TransferView<'_> {
    async fn transfer(&mut self, keep_going: bool, client: &mut Client) {
        let jobs = || self.indices.iter().filter_map(|index| self.jobs.get(*index));
        let Some(direction) = jobs().next().map(|job| job.direction) else { return };
        let files = jobs().filter_map(|FileJob { name, path, size, .. }| {
            let (name, path) = (name.as_ref().ok()?.clone(), path.clone());
            Some(FileDownload { name, path, size: *size })
        });
        let files: Vec<_> = files.collect();
        // Events before the first file begins are reported for that file.
        client.set_observer(self.begin(0));
        let reached = match direction {
            Direction::Upload => {
                let files = files.into_iter();
                let files = files.map(|FileDownload { name, path, .. }| FileUpload { path, name });
                client.upload_all(&files.collect::<Vec<_>>(), keep_going, self).await
            }
            Direction::Download => client.download_all(&files, keep_going, self).await,
        };
        if let Err(error) = reached {
            self.not_reached(&error);
        }
    }

    /// The server could not be reached, which its first file reports.
    pub(super) fn not_reached(&mut self, error: &TransferError) {
        match self.indices.first().copied() {
            Some(first) => self.fail(first, error),
            None => self.gave_up(error),
        }
    }

    fn fail(&mut self, index: usize, error: &TransferError) {
        let Some(job) = self.jobs.get(index) else { return };
        if self.begun.get(index).is_some_and(Option::is_none) {
            self.report.begin(index, job);
        }
        self.report.failed(index, job, error);
        self.worst = self.worst.max(Exit::of(error));
        if job.has_vanished(error) {
            self.vanished += 1;
        } else {
            self.has_failed = true;
        }
    }
}

impl Watch for TransferView<'_> {
    fn begin(&mut self, file: usize) -> Observer {
        let index = self.indices.get(file).copied().unwrap_or(file);
        let (Some(job), Some(begun)) = (self.jobs.get(index), self.begun.get_mut(index)) else {
            return Observer::default();
        };
        begun.get_or_insert_with(|| self.report.begin(index, job)).clone()
    }

    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>) {
        let index = self.indices.get(file).copied().unwrap_or(file);
        if let Some(ended) = self.ended.get_mut(index) {
            *ended = true;
        }
        match result {
            Ok(transferred) => {
                if let Some(job) = self.jobs.get(index) {
                    self.report.finished(index, job, transferred);
                }
            }
            Err(error) => self.fail(index, &error),
        }
        // Frees the observer of a finished file.
        if let Some(begun) = self.begun.get_mut(index).filter(|begun| begun.is_some()) {
            *begun = Some(Observer::default());
        }
    }
}
