//! Permits bound the slow jobs of the whole server, so that short ones always find a thread.
//!
//! A job that may take long, because it waits for a disk or for another job, takes a permit before it
//! takes a thread. So a disk on which writes are slow leaves threads to jobs that take no permit, such as
//! a `stat` or a read from the page cache. Permits belong to the server, threads to a worker.

use std::sync::Arc;
use std::time::Instant;

use ftx_io::{Executor, WorkPanicked};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Metrics;

/// Kinds of slow work, each with the limit of concurrent jobs over all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlowJob {
    /// Hashes large files. Each job uses all cores; more of them would only take longer each.
    Hash,
    /// Reads directories and small amounts of data.
    Read,
    /// Waits for an fsync, or for a name lock, whose holder may wait for one. Many together cost a disk
    /// little more than one.
    Sync,
    /// Waits for the disk to accept a write, or for another writer of the same staging.
    Write,
}

/// Slow jobs of all kinds at a time.
pub(crate) const MAX_LONG_JOBS: usize =
    SlowJob::Hash.limit() + SlowJob::Read.limit() + SlowJob::Sync.limit() + SlowJob::Write.limit();

impl SlowJob {
    const fn limit(self) -> usize {
        match self {
            Self::Hash => 4,
            Self::Read => 8,
            Self::Sync | Self::Write => 16,
        }
    }
}

/// The permits of a server.
#[derive(Debug)]
pub(super) struct JobPermits {
    hash: Arc<Semaphore>,
    read: Arc<Semaphore>,
    sync: Arc<Semaphore>,
    write: Arc<Semaphore>,
    metrics: Metrics,
}

/// A permit for one slow job, until it is dropped.
#[derive(Debug)]
pub(super) struct JobPermit {
    /// `None` if the semaphore was closed, which never happens.
    _permit: Option<OwnedSemaphorePermit>,
}

impl JobPermits {
    pub(super) fn new(metrics: Metrics) -> Self {
        let permits = |slow: SlowJob| Arc::new(Semaphore::new(slow.limit()));
        Self {
            hash: permits(SlowJob::Hash),
            read: permits(SlowJob::Read),
            sync: permits(SlowJob::Sync),
            write: permits(SlowJob::Write),
            metrics,
        }
    }

    /// Waits for a permit in first-come order. The holder of one must not wait for another of its kind.
    pub(super) async fn take(&self, slow: SlowJob) -> JobPermit {
        let permits = self.of(slow);
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return JobPermit { _permit: Some(permit) };
        }
        let start = Instant::now();
        let permit = Arc::clone(permits).acquire_owned().await.ok();
        self.metrics.waited_for_permit(start.elapsed());
        JobPermit { _permit: permit }
    }

    /// Runs short work of this kind. It needs no permit on a thread that serves a single connection.
    ///
    /// # Errors
    /// The errors of `work`; it panicked.
    pub(super) async fn run<T, E>(
        &self,
        executor: &Executor,
        slow: SlowJob,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<WorkPanicked> + Send + 'static,
    {
        if executor.is_inline() { work() } else { self.run_long(executor, slow, work).await }
    }

    /// Runs work of this kind that may take long, on another thread and with a permit.
    ///
    /// # Errors
    /// The errors of `work`; it panicked.
    pub(super) async fn run_long<T, E>(
        &self,
        executor: &Executor,
        slow: SlowJob,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<WorkPanicked> + Send + 'static,
    {
        let permit = self.take(slow).await;
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        executor.run_long(work).await?
    }

    /// Waits for a permit, unless the calling thread serves a single connection and does the work itself.
    pub(super) async fn take_unless_inline(
        &self,
        executor: &Executor,
        slow: SlowJob,
    ) -> Option<JobPermit> {
        if executor.is_inline() { None } else { Some(self.take(slow).await) }
    }

    /// The semaphore of a kind, for callers that take a permit for each piece of work.
    pub(super) fn of(&self, slow: SlowJob) -> &Arc<Semaphore> {
        match slow {
            SlowJob::Hash => &self.hash,
            SlowJob::Read => &self.read,
            SlowJob::Sync => &self.sync,
            SlowJob::Write => &self.write,
        }
    }
}
