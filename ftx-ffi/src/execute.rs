//! Runs one job with the client.

use std::sync::Arc;

use ftx_client::{
    Client, FileDownload, FileUpload, Listed, Observer, RemoteName, TransferError, Transferred,
    Watch,
};

use crate::api::entry::FtxEntry;
use crate::event::JobEvent;
use crate::failpoint::{self, FailPoint};
use crate::failure::Failure;
use crate::job::{FileOutcome, Job, JobFile, JobKind};

/// Runs the unfinished files of a job, and reports the result of each to the job.
pub(crate) async fn run(client: &mut Client, job: &Arc<Job>) -> Result<(), Failure> {
    failpoint::point(job.id, FailPoint::Begin);
    let todo = job.todo();
    // Events before the first file begins are attributed to it.
    let first = todo.first().map_or(0, |(index, _)| *index);
    client.set_observer(observer(job, first));
    match job.kind {
        JobKind::Upload | JobKind::Download => transfer(client, job, todo).await,
        JobKind::List => list(client, job, todo).await,
        JobKind::Stat | JobKind::Digest | JobKind::Remove => ask(client, job, todo).await,
        JobKind::Dialect => {
            let native = client.is_native().await.map_err(|error| Failure::from(&error))?;
            job.set_native(native);
            Ok(())
        }
    }
}

async fn transfer(
    client: &mut Client,
    job: &Arc<Job>,
    todo: Vec<(usize, JobFile)>,
) -> Result<(), Failure> {
    if job.settings().sizes {
        job.look_at_sizes();
    }
    let keep_going = job.settings().keep_going;
    // The files before an invalid one are transferred first.
    let refused = todo.iter().position(|(_, file)| file.name.is_err()).filter(|_| !keep_going);
    let now = todo.get(..refused.unwrap_or(todo.len())).unwrap_or_default();
    let usable: Vec<(usize, &JobFile, RemoteName)> = now
        .iter()
        .filter_map(|(index, file)| Some((*index, file, file.name.clone().ok()?)))
        .collect();
    if !usable.is_empty() {
        let indices = usable.iter().map(|(index, ..)| *index).collect();
        let mut watch = Watching { job, indices, failure: None };
        let reached = if job.kind == JobKind::Upload {
            let upload = |(_, file, name): (usize, &JobFile, RemoteName)| FileUpload {
                path: file.path.clone().into(),
                name,
            };
            let files: Vec<FileUpload> = usable.into_iter().map(upload).collect();
            client.upload_all(&files, keep_going, &mut watch).await
        } else {
            let download = |(_, file, name): (usize, &JobFile, RemoteName)| FileDownload {
                name,
                path: file.path.clone().into(),
                size: file.size,
            };
            let files: Vec<FileDownload> = usable.into_iter().map(download).collect();
            client.download_all(&files, keep_going, &mut watch).await
        };
        if let Err(error) = reached {
            watch.end(0, Err(error));
        }
        if let Some(failure) = watch.failure.filter(|failure| !keep_going || failure.is_cancel()) {
            return Err(failure);
        }
    }
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

async fn list(
    client: &mut Client,
    job: &Arc<Job>,
    todo: Vec<(usize, JobFile)>,
) -> Result<(), Failure> {
    let recursive = job.settings().recursive;
    let (index, directory) = match todo.into_iter().next() {
        Some((index, file)) => (Some(index), Some(file.name?)),
        None => (None, None),
    };
    let mut refused = None;
    let put = |entry| match FtxEntry::check(&entry) {
        Ok(()) => job.put_entry(entry),
        Err(failure) => refused = Some(failure),
    };
    let listed = client.list(directory.as_ref(), recursive, put).await;
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

async fn ask(
    client: &mut Client,
    job: &Arc<Job>,
    todo: Vec<(usize, JobFile)>,
) -> Result<(), Failure> {
    for (index, file) in todo {
        let result = match file.name {
            Ok(name) => ask_about(client, job, index, &name).await,
            Err(failure) => Err(failure),
        };
        let failure = result.as_ref().err().cloned();
        job.file_ended(index, result.map(|()| FileOutcome::default()));
        match failure {
            Some(failure) if failure.is_cancel() || !job.settings().keep_going => {
                return Err(failure);
            }
            _ => {}
        }
    }
    Ok(())
}

async fn ask_about(
    client: &mut Client,
    job: &Arc<Job>,
    index: usize,
    name: &RemoteName,
) -> Result<(), Failure> {
    if client.cancel().is_cancelled() {
        return Err(TransferError::cancelled().into());
    }
    match job.kind {
        JobKind::Stat => {
            let entry = Listed::Entry(client.stat(name).await?);
            FtxEntry::check(&entry)?;
            job.put_entry(entry);
        }
        JobKind::Digest => job.set_digest(index, client.digest(name).await?),
        _ => client.remove(name).await?,
    }
    Ok(())
}

fn observer(job: &Arc<Job>, file: usize) -> Observer {
    let job = Arc::clone(job);
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
    job: &'a Arc<Job>,
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
