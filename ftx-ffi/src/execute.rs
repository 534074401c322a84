//! Runs one job with the client.

use ftx_client::{
    Client, Entry, FileDownload, FileUpload, Listed, Observer, RemoteName, TransferError,
    Transferred, Watch,
};

use crate::api::entry::FtxEntry;
use crate::event::JobEvent;
use crate::failpoint::{self, FailPoint};
use crate::failure::Failure;
use crate::job::{FileOutcome, JobFile, JobKind, Work};
use crate::worker::JobRef;

/// Runs the unfinished files of a job, and reports the result of each to the job.
pub(crate) async fn run(client: &mut Client, job: &JobRef, work: Work) -> Result<(), Failure> {
    failpoint::point(job.id, FailPoint::Begin);
    // Events before the first file begins are attributed to it.
    let first = work.todo.first().map_or(0, |(index, _)| *index);
    client.set_observer(observer(job, first));
    match work.kind {
        JobKind::Upload | JobKind::Download => transfer(client, job, work).await,
        JobKind::List => list(client, job, work).await,
        JobKind::Stat => stat(client, job, work).await,
        JobKind::Digest | JobKind::Remove => ask(client, job, work).await,
        JobKind::Dialect => {
            let native = client.is_native().await.map_err(|error| Failure::from(&error))?;
            job.set_native(native);
            Ok(())
        }
    }
}

async fn transfer(client: &mut Client, job: &JobRef, work: Work) -> Result<(), Failure> {
    let Work { kind, settings, todo } = work;
    if settings.sizes {
        job.look_at_sizes();
    }
    let keep_going = settings.keep_going;
    // The files before an invalid one are transferred first.
    let refused = todo.iter().position(|(_, file)| file.name.is_err()).filter(|_| !keep_going);
    let now = todo.get(..refused.unwrap_or(todo.len())).unwrap_or_default();
    let usable =
        now.iter().filter_map(|(index, file)| Some((*index, file, file.name.clone().ok()?)));
    transfer_named(client, job, kind, usable.collect(), keep_going).await?;
    for (index, file) in todo {
        if let Err(failure) = file.name {
            job.file_ended(index, Err(failure.clone()));
            if !keep_going {
                return Err(failure);
            }
        }
    }
    Ok(())
}

/// Transfers files with valid names.
async fn transfer_named(
    client: &mut Client,
    job: &JobRef,
    kind: JobKind,
    files: Vec<(usize, &JobFile, RemoteName)>,
    keep_going: bool,
) -> Result<(), Failure> {
    if files.is_empty() {
        return Ok(());
    }
    let indices = files.iter().map(|(index, ..)| *index).collect();
    let mut watch = Watching { job, indices, failure: None };
    let files = files.into_iter();
    let reached = if kind == JobKind::Upload {
        let files: Vec<_> = files
            .map(|(_, file, name)| FileUpload { path: file.path.clone().into(), name })
            .collect();
        client.upload_all(&files, keep_going, &mut watch).await
    } else {
        let files: Vec<_> = files
            .map(|(_, JobFile { path, size, .. }, name)| FileDownload {
                name,
                path: path.clone().into(),
                size: *size,
            })
            .collect();
        client.download_all(&files, keep_going, &mut watch).await
    };
    if let Err(error) = reached {
        watch.end(0, Err(error));
    }
    let ends = |failure: &Failure| !keep_going || failure.is_cancel();
    watch.failure.filter(ends).map_or(Ok(()), Err)
}

async fn list(client: &mut Client, job: &JobRef, work: Work) -> Result<(), Failure> {
    let (index, directory) = match work.todo.into_iter().next() {
        Some((index, file)) => (Some(index), Some(file.name?)),
        None => (None, None),
    };
    let mut refused = None;
    let put = |entry| match FtxEntry::check(&entry) {
        Ok(()) => job.put_entry(entry),
        Err(failure) => refused = Some(failure),
    };
    let listed = client.list(directory.as_ref(), work.settings.recursive, put).await;
    let listed = match listed {
        // The job did not keep the last entries in this case.
        Ok(()) if client.cancel().is_cancelled() => Err(TransferError::cancelled()),
        listed => listed,
    };
    let result = listed.map_err(|error| Failure::from(&error));
    let result = result.and_then(|()| refused.map_or(Ok(()), Err));
    if let Some(index) = index {
        job.file_ended(index, result.clone().map(|()| FileOutcome::default()));
    }
    result
}

/// Asks about all names at once, as far as they are valid.
async fn stat(client: &mut Client, job: &JobRef, work: Work) -> Result<(), Failure> {
    let mut answers = Answers { job, keep_going: work.settings.keep_going, failure: None };
    let are_valid = |one: &JobFile, next: &JobFile| one.name.is_ok() && next.name.is_ok();
    for page in work.todo.chunk_by(|(_, one), (_, next)| are_valid(one, next)) {
        if let [(index, JobFile { name: Err(failure), .. })] = page {
            if answers.end(*index, Err(failure.clone())) {
                continue;
            }
            break;
        }
        let mut waiting = page.iter().map(|(index, _)| *index);
        let names: Vec<_> = page.iter().filter_map(|(_, file)| file.name.clone().ok()).collect();
        let mut goes_on = true;
        let take = |_, entry: Result<_, TransferError>| {
            let entry = entry.map_err(|error| Failure::from(&error));
            goes_on = waiting.next().is_some_and(|index| answers.end(index, entry));
            goes_on
        };
        if let Err(error) = client.stat_all(&names, take).await {
            // No further name of the page gets an answer.
            goes_on = waiting.all(|index| answers.end(index, Err(Failure::from(&error))));
        }
        if !goes_on {
            break;
        }
    }
    answers.failure.map_or(Ok(()), Err)
}

/// Reports the entries of names to their job.
struct Answers<'a> {
    job: &'a JobRef,
    keep_going: bool,
    failure: Option<Failure>,
}

impl Answers<'_> {
    /// Ends the question about a name. Returns whether the job is to continue.
    fn end(&mut self, index: usize, entry: Result<Entry, Failure>) -> bool {
        let result = entry.and_then(|entry| {
            let entry = Listed::Entry(entry);
            FtxEntry::check(&entry)?;
            self.job.put_entry(entry);
            Ok(FileOutcome::default())
        });
        let failure = result.as_ref().err().cloned();
        self.job.file_ended(index, result);
        let goes_on = failure.as_ref().is_none_or(|it| self.keep_going && !it.is_cancel());
        self.failure = self.failure.take().or(failure);
        goes_on
    }
}

async fn ask(client: &mut Client, job: &JobRef, work: Work) -> Result<(), Failure> {
    for (index, file) in work.todo {
        let result = match file.name {
            Ok(name) => ask_about(client, job, work.kind, index, &name).await,
            Err(failure) => Err(failure),
        };
        let failure = result.as_ref().err().cloned();
        job.file_ended(index, result.map(|()| FileOutcome::default()));
        match failure {
            Some(failure) if failure.is_cancel() || !work.settings.keep_going => {
                return Err(failure);
            }
            _ => {}
        }
    }
    Ok(())
}

async fn ask_about(
    client: &mut Client,
    job: &JobRef,
    kind: JobKind,
    index: usize,
    name: &RemoteName,
) -> Result<(), Failure> {
    if client.cancel().is_cancelled() {
        return Err(TransferError::cancelled().into());
    }
    match kind {
        JobKind::Digest => job.set_digest(index, client.digest(name).await?),
        _ => client.remove(name).await?,
    }
    Ok(())
}

fn observer(job: &JobRef, file: usize) -> Observer {
    let job = job.clone();
    Observer::new(move |told| {
        failpoint::point(job.id, FailPoint::Tell);
        if let Some(event) = JobEvent::of_client_event(file, told) {
            job.tell(event);
        }
    })
}

impl Watching<'_> {
    /// A file that was up to date may have reported neither its begin nor its size.
    fn look_at(&self, index: usize) {
        if let Ok(file) = self.job.file(index)
            && file.size.is_none()
        {
            self.job.look_at_size(index, &file.path);
        }
    }
}

/// Reports events and results of files to their job.
struct Watching<'a> {
    job: &'a JobRef,
    /// The index in the job of each of the client's files.
    indices: Vec<usize>,
    failure: Option<Failure>,
}

impl Watch for Watching<'_> {
    fn begin(&mut self, file: usize) -> Observer {
        let index = self.indices.get(file).copied().unwrap_or(file);
        observer(self.job, index)
    }

    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>) {
        let index = self.indices.get(file).copied().unwrap_or(file);
        let result = result.map_err(|error| Failure::from(&error));
        if result.as_ref().is_ok_and(|done| done.already_there) {
            self.look_at(index);
        }
        if let Err(failure) = &result {
            let first = self.failure.get_or_insert_with(|| failure.clone());
            if failure.is_cancel() {
                *first = failure.clone();
            }
        }
        let outcome = |done: Transferred| FileOutcome {
            moved: done.moved,
            already_there: done.already_there,
        };
        self.job.file_ended(index, result.map(outcome));
    }
}
