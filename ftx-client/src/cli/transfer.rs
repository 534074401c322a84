//! Runs the files of an upload or a download.

use ftx_client::{Client, Download, Observer, TransferError, Transferred, Upload, Watch};

use super::Exit;
use super::jobs::{Direction, Directories, Job, Jobs};
use super::report::Report;

/// Transfers files in their order; many at a time, where the server allows that.
pub(crate) async fn run(
    keep_going: bool,
    client: &mut Client,
    jobs: &Jobs,
    report: &Report,
) -> Exit {
    let files = run_files(keep_going, client, &jobs.files, report).await;
    if files != Exit::Done && !keep_going {
        return files;
    }
    files.max(make_directories(client, &jobs.directories, report).await)
}

/// Makes the directories that no file has brought.
async fn make_directories(client: &mut Client, directories: &Directories, report: &Report) -> Exit {
    let mut exit = Exit::Done;
    match directories {
        Directories::There(names) => {
            for name in names {
                match client.make_directory(name).await {
                    Ok(_) => {}
                    Err(TransferError::NotNative) => {
                        let text = "the server has no way to be asked for empty directories";
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

async fn run_files(keep_going: bool, client: &mut Client, jobs: &[Job], report: &Report) -> Exit {
    report.expect(jobs.len());
    // Those before one that cannot be transferred are done first.
    let refused = jobs.iter().position(|job| job.name.is_err()).filter(|_| !keep_going);
    let now = jobs.get(..refused.unwrap_or(jobs.len())).unwrap_or_default();
    let usable = now.iter().enumerate().filter(|(_, job)| job.name.is_ok());
    let indices = usable.map(|(index, _)| index).collect();
    let begun = vec![None; jobs.len()];
    let mut show = Show { report, jobs, indices, begun, worst: Exit::Done };
    show.transfer(keep_going, client).await;
    let stopped = show.worst != Exit::Done && !keep_going;
    for (index, job) in jobs.iter().enumerate().filter(|_| !stopped) {
        if let Err(refused) = &job.name {
            show.fail(index, &refused.error(job.path.path()));
            if !keep_going {
                break;
            }
        }
    }
    report.end();
    show.worst
}

/// Shows what becomes of files.
struct Show<'a> {
    report: &'a Report,
    jobs: &'a [Job],
    /// Which jobs the client's files are.
    indices: Vec<usize>,
    begun: Vec<Option<Observer>>,
    worst: Exit,
}

impl Show<'_> {
    async fn transfer(&mut self, keep_going: bool, client: &mut Client) {
        let files = self.indices.iter().filter_map(|index| self.jobs.get(*index));
        let files: Vec<_> =
            files.filter_map(|job| Some((job, job.name.as_ref().ok()?.clone()))).collect();
        let Some(&(first, _)) = files.first() else { return };
        let direction = first.direction;
        // What happens before the first file is begun happens to it.
        client.set_observer(self.begin(0));
        let reached = match direction {
            Direction::Upload => {
                let files = files.into_iter().map(|(job, name)| {
                    let path = job.path.clone();
                    Upload { path, name }
                });
                client.upload_all(&files.collect::<Vec<_>>(), keep_going, self).await
            }
            Direction::Download => {
                let files = files.into_iter().map(|(job, name)| {
                    let (path, size) = (job.path.clone(), job.size);
                    Download { name, path, size }
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
    }
}

impl Watch for Show<'_> {
    fn begin(&mut self, file: usize) -> Observer {
        let index = self.indices.get(file).copied().unwrap_or(file);
        let (Some(job), Some(begun)) = (self.jobs.get(index), self.begun.get_mut(index)) else {
            return Observer::default();
        };
        begun.get_or_insert_with(|| self.report.begin(index, job)).clone()
    }

    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>) {
        let index = self.indices.get(file).copied().unwrap_or(file);
        match (result, self.jobs.get(index)) {
            (Ok(transferred), Some(job)) => self.report.finished(index, job, transferred),
            (Err(error), _) => self.fail(index, &error),
            (Ok(_), None) => {}
        }
        // Done with, so it shall take no memory.
        if let Some(begun) = self.begun.get_mut(index).filter(|begun| begun.is_some()) {
            *begun = Some(Observer::default());
        }
    }
}
