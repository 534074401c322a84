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
    jobs: &JobList,
    report: &Report,
) -> Exit {
    for skipped in &jobs.skipped {
        report.skipped(skipped);
    }
    let ran = run_files(keep_going, client, &jobs.files, report).await;
    let mut exit = ran.exit;
    if !ran.is_stopped {
        exit = exit.max(make_directories(client, &jobs.directories, report).await);
    }
    report.end(jobs.direction());
    let left_out = jobs.skipped.len() + ran.vanished;
    if left_out > 0 {
        report.incomplete(left_out as u64);
        exit = exit.max(Exit::Failed);
    }
    exit
}

/// The outcome of a list of files.
struct RunSummary {
    exit: Exit,
    /// A failure stopped it before the last file.
    is_stopped: bool,
    /// Number of files that vanished.
    vanished: usize,
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
    jobs: &[FileJob],
    report: &Report,
) -> RunSummary {
    report.expect(jobs);
    // The files before an unusable one are transferred first.
    let refused = jobs.iter().position(|job| job.name.is_err()).filter(|_| !keep_going);
    let now = jobs.get(..refused.unwrap_or(jobs.len())).unwrap_or_default();
    let usable = now.iter().enumerate().filter(|(_, job)| job.name.is_ok());
    let mut show = TransferView {
        report,
        jobs,
        indices: usable.map(|(index, _)| index).collect(),
        begun: vec![None; jobs.len()],
        ended: vec![false; jobs.len()],
        worst: Exit::Done,
        has_failed: false,
        vanished: 0,
    };
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
    let mut is_stopped = show.has_failed && !keep_going;
    for (index, job) in jobs.iter().enumerate().filter(|_| !is_stopped) {
        if let Err(refused) = &job.name {
            show.fail(index, &refused.error(job.path.path()));
            if !keep_going {
                is_stopped = true;
                break;
            }
        }
    }
    RunSummary { exit: show.worst, is_stopped, vanished: show.vanished }
}

/// Reports the files of one call of the client.
struct TransferView<'a> {
    report: &'a Report,
    jobs: &'a [FileJob],
    /// The job of each of the client's files.
    indices: Vec<usize>,
    begun: Vec<Option<Observer>>,
    ended: Vec<bool>,
    worst: Exit,
    /// A file failed, other than by vanishing.
    has_failed: bool,
    vanished: usize,
}

impl TransferView<'_> {
    async fn transfer(&mut self, keep_going: bool, client: &mut Client) {
        let files = self.indices.iter().filter_map(|index| self.jobs.get(*index));
        let files: Vec<_> =
            files.filter_map(|job| Some((job, job.name.as_ref().ok()?.clone()))).collect();
        let Some(&(first, _)) = files.first() else { return };
        let direction = first.direction;
        // Events before the first file begins are reported for that file.
        client.set_observer(self.begin(0));
        let reached = match direction {
            Direction::Upload => {
                let files = files.into_iter().map(|(job, name)| {
                    let path = job.path.clone();
                    FileUpload { path, name }
                });
                client.upload_all(&files.collect::<Vec<_>>(), keep_going, self).await
            }
            Direction::Download => {
                let files = files.into_iter().map(|(job, name)| {
                    let (path, size) = (job.path.clone(), job.size);
                    FileDownload { name, path, size }
                });
                client.download_all(&files.collect::<Vec<_>>(), keep_going, self).await
            }
        };
        if let Err(error) = reached {
            let first = self.indices.first().copied().unwrap_or(0);
            self.fail(first, &error);
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
        match (result, self.jobs.get(index)) {
            (Ok(transferred), Some(job)) => self.report.finished(index, job, transferred),
            (Err(error), _) => self.fail(index, &error),
            (Ok(_), None) => {}
        }
        // Frees the observer of a finished file.
        if let Some(begun) = self.begun.get_mut(index).filter(|begun| begun.is_some()) {
            *begun = Some(Observer::default());
        }
    }
}
