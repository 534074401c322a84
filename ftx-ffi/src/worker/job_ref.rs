//! References to the jobs of a client: each method takes a step of the job under the client's lock.

use std::fs::Metadata;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ftx_client::{Cancel, Digest, Listed};

use super::SharedClient;
use crate::event::JobEvent;
use crate::failure::Failure;
use crate::job::{
    Effects, FileOutcome, Job, JobFile, JobKind, Phase, Settings, Stop, Work, cancelled,
};
use crate::process::OwnerPid;
use crate::totals::JobTotals;

/// A reference to a job of a client. If the job was freed meanwhile, it answers as for a cancelled one.
#[derive(Clone, Debug)]
pub(crate) struct JobRef {
    pub(super) client: Arc<SharedClient>,
    pub(crate) id: u64,
}

/// The caller's handle of a job, which releases it at its end.
#[derive(Debug)]
pub(crate) struct JobHandle {
    job: JobRef,
    pub(crate) owner: OwnerPid,
}

impl JobHandle {
    pub(super) fn new(job: JobRef) -> Self {
        Self { job, owner: OwnerPid::this() }
    }
}

impl Deref for JobHandle {
    type Target = JobRef;

    fn deref(&self) -> &JobRef {
        &self.job
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        // In a child process, the lock may stay locked for ever.
        if self.owner.is_this() {
            self.job.step(Job::release);
        }
    }
}

/// Steps of the caller.
impl JobRef {
    /// Identifies the client.
    pub(crate) fn client_id(&self) -> u64 {
        self.client.id
    }

    pub(crate) fn add(&self, path: PathBuf, name: &str) -> Result<(), Failure> {
        self.with(|job| job.add(path, name))?
    }

    pub(crate) fn tell_size(&self, index: usize, size: u64) -> Result<(), Failure> {
        self.with(|job| job.tell_size(index, size))?
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) -> Result<(), Failure> {
        self.with(|job| job.set(change))?
    }

    pub(crate) fn set_user_data(&self, user_data: usize) -> Result<(), Failure> {
        self.with(|job| job.set_user_data(user_data))
    }

    pub(crate) fn start(&self) -> Result<(), Failure> {
        let mut state = self.client.state();
        let accepts = self.client.take_thread(&mut state);
        self.client.take(&mut state, self.id, |job| job.start(accepts))
    }

    /// Stops the job for good.
    pub(crate) fn cancel(&self, stop: Stop) {
        self.step(|job| job.cancel(stop));
    }

    pub(crate) fn pause(&self) -> Result<(), Failure> {
        self.client.take(&mut self.client.state(), self.id, Job::pause)
    }

    pub(crate) fn resume(&self) -> Result<(), Failure> {
        let mut state = self.client.state();
        let accepts = self.client.take_thread(&mut state);
        self.client.take(&mut state, self.id, |job| job.resume(accepts))
    }

    /// Waits until the job has ended; for ever without a `limit`.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Result<(), Failure> {
        // A deadline that the clock cannot represent means for ever.
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let Self { client, id } = self.clone();
        let mut state = client.state();
        client.take(&mut state, id, |job| Ok(job.begin_wait()))?;
        while state.jobs.get(&id).is_some_and(|slot| !slot.job.has_ended()) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            state = match left {
                None => client.progress.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => {
                    let waited = client.progress.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        let job = &mut state.jobs.get_mut(&id).ok_or_else(cancelled)?.job;
        job.end_wait();
        job.outcome()
    }

    /// The next entry of a listing; `None` when all were taken.
    pub(crate) fn next_entry(&self) -> Result<Option<Listed>, Failure> {
        let mut taken = None;
        self.client.take(&mut self.client.state(), self.id, |job| {
            let (entry, effects) = job.next_entry()?;
            taken = entry;
            Ok(effects)
        })?;
        Ok(taken)
    }

    /// The result of the job, or `Pending` if it has not ended.
    pub(crate) fn outcome(&self) -> Result<(), Failure> {
        self.with(|job| job.outcome())?
    }

    pub(crate) fn kind(&self) -> Result<JobKind, Failure> {
        self.with(|job| job.kind())
    }

    pub(crate) fn phase(&self) -> Result<Phase, Failure> {
        self.with(|job| job.phase())
    }

    pub(crate) fn totals(&self) -> Result<JobTotals, Failure> {
        self.with(|job| job.totals())
    }

    pub(crate) fn file_count(&self) -> Result<usize, Failure> {
        self.with(|job| job.file_count())
    }

    pub(crate) fn file(&self, index: usize) -> Result<JobFile, Failure> {
        self.with(|job| job.file(index))?
    }

    /// The first failure of the job, or that of one file.
    pub(crate) fn failure(&self, index: Option<usize>) -> Result<Option<Failure>, Failure> {
        self.with(|job| job.failure(index))?
    }

    /// Whether the server speaks the native dialect, if the job has found that out.
    pub(crate) fn native(&self) -> Result<Option<bool>, Failure> {
        self.with(|job| job.native())
    }

    /// Reads the sizes of the files to upload, so that the first event has the total. A file whose
    /// size cannot be read fails when the job reaches it.
    pub(crate) fn look_at_sizes(&self) {
        for batch in 0.. {
            let Ok(Some(paths)) = self.with(|job| job.unsized_paths(batch)) else { return };
            let sizes =
                paths.into_iter().filter_map(|(index, path)| Some((index, size_of_file(&path)?)));
            let sizes: Vec<_> = sizes.collect();
            self.step(|job| job.set_sizes(&sizes));
        }
    }
}

/// Steps of the client's thread. They do nothing if the caller has freed the job meanwhile.
impl JobRef {
    /// Begins the job if it must still run.
    pub(crate) fn begin(&self) -> Option<(Cancel, Work)> {
        let mut state = self.client.state();
        let job = &mut state.jobs.get_mut(&self.id)?.job;
        let work = job.begin().then(|| job.work())?;
        let cancel = Cancel::new();
        state.running = Some((self.id, cancel.clone()));
        Some((cancel, work))
    }

    pub(crate) fn finish(&self, result: Result<(), Failure>) {
        self.leave(|job| job.finish(result));
    }

    /// Ends the job because of an internal error.
    pub(crate) fn give_up(&self, failure: Failure) {
        self.leave(|job| job.give_up(failure));
    }

    /// Takes the step after which the job does not run.
    fn leave(&self, step: impl FnOnce(&mut Job) -> Effects) {
        let mut state = self.client.state();
        state.running = None;
        let _ = self.client.take(&mut state, self.id, |job| Ok(step(job)));
    }

    pub(crate) fn tell(&self, event: JobEvent) {
        self.step(|job| job.tell(event));
    }

    /// Reads the size of a local file, unless it has become known.
    pub(crate) fn look_at_size(&self, index: usize, path: &Path) {
        if let Some(size) = size_of_file(path) {
            self.step(|job| job.set_sizes(&[(index, size)]));
        }
    }

    pub(crate) fn file_ended(&self, index: usize, result: Result<FileOutcome, Failure>) {
        self.step(|job| job.file_ended(index, result));
    }

    pub(crate) fn set_digest(&self, index: usize, digest: Digest) {
        let _ = self.with(|job| job.set_digest(index, digest));
    }

    pub(crate) fn set_native(&self, native: bool) {
        let _ = self.with(|job| job.set_native(native));
    }

    /// Queues an entry for the caller; blocks while too many entries are queued.
    pub(crate) fn put_entry(&self, entry: Listed) {
        let mut state = self.client.state();
        while state.jobs.get(&self.id).is_some_and(|slot| slot.job.is_full()) {
            state = self.client.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let _ = self.client.take(&mut state, self.id, |job| Ok(job.put_entry(entry)));
    }

    fn step(&self, step: impl FnOnce(&mut Job) -> Effects) {
        let _ = self.client.take(&mut self.client.state(), self.id, |job| Ok(step(job)));
    }

    /// Reads or changes the job without effects.
    fn with<T>(&self, access: impl FnOnce(&mut Job) -> T) -> Result<T, Failure> {
        let mut state = self.client.state();
        let slot = state.jobs.get_mut(&self.id).ok_or_else(cancelled)?;
        Ok(access(&mut slot.job))
    }
}

fn size_of_file(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().filter(Metadata::is_file).map(|metadata| metadata.len())
}
