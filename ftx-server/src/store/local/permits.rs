//! Permits: no more slow jobs at a time than there are threads for, with some left for short ones.
//!
//! Whatever may take long, because it waits for a disk or for another job, takes a permit before it takes
//! a thread. So a disk that is slow for those who write leaves others their threads: to look at a file,
//! or to read what is in memory, takes none. Permits are for the whole server, threads belong to a
//! worker.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::Refusal;

/// Slow work, by what it waits for, with how many jobs of all clients may do so at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slow {
    /// For bytes of large files that are hashed. Each job uses all cores; more of them would only take
    /// longer each.
    Hash,
    /// For directories and small amounts of data to be read.
    Read,
    /// For the disk to have everything, or for a turn with a name, whose holder may wait for that. Many
    /// together cost a disk little more than one.
    Sync,
    /// For the disk to take more, or for others who write to the same staging.
    Write,
}

/// Slow jobs of all kinds at a time.
pub(crate) const LONG_JOBS: usize =
    Slow::Hash.most() + Slow::Read.most() + Slow::Sync.most() + Slow::Write.most();

impl Slow {
    const fn most(self) -> usize {
        match self {
            Self::Hash => 4,
            Self::Read => 8,
            Self::Sync | Self::Write => 16,
        }
    }
}

/// The permits of a server.
#[derive(Debug)]
pub(super) struct Permits {
    hash: Arc<Semaphore>,
    read: Arc<Semaphore>,
    sync: Arc<Semaphore>,
    write: Arc<Semaphore>,
}

/// Leave for one slow job, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    /// `None` if the semaphore was closed, which nobody does.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Permits {
    fn default() -> Self {
        let permits = |slow: Slow| Arc::new(Semaphore::new(slow.most()));
        Self {
            hash: permits(Slow::Hash),
            read: permits(Slow::Read),
            sync: permits(Slow::Sync),
            write: permits(Slow::Write),
        }
    }
}

impl Permits {
    /// Waits for a permit, behind those who wait already. Whoever has one must not wait for another of
    /// its kind.
    pub(super) async fn take(&self, slow: Slow) -> Permit {
        Permit { _permit: Arc::clone(self.of(slow)).acquire_owned().await.ok() }
    }

    /// As [`take`](Self::take), unless the calling thread serves a single connection and does the work
    /// itself.
    pub(super) async fn take_unless_dedicated(&self, slow: Slow) -> Option<Permit> {
        if ftx_io::is_dedicated() { None } else { Some(self.take(slow).await) }
    }

    /// The permits of a kind, for those who take one for each piece of work.
    pub(super) fn of(&self, slow: Slow) -> &Arc<Semaphore> {
        match slow {
            Slow::Hash => &self.hash,
            Slow::Read => &self.read,
            Slow::Sync => &self.sync,
            Slow::Write => &self.write,
        }
    }
}

/// Runs slow work on another thread in any case: meanwhile somebody is told that it goes on, or that it
/// is to stop.
pub(super) async fn at_length<T: Send + 'static>(
    permit: Permit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let failed = |_| Refusal::new(ftx_core::native::Reason::Internal, "a disk thread failed");
    let work = move || {
        let done = work();
        drop(permit);
        done
    };
    ftx_io::spawn_blocking(work).await.map_err(failed)
}
