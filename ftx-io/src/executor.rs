//! Where blocking work runs: on the calling thread, or on a runtime's blocking threads.
//!
//! A reactor thread serves many connections and must not block, so its disk and hash work goes to other
//! threads. Handing a job over costs a wake-up, which takes longer than the work on a small file. A
//! thread that serves a single connection therefore does short work itself. Long work leaves even such a
//! thread, because the connection must send heartbeats and see a cancellation meanwhile.
//!
//! The caller knows which kind of thread it is on and passes an [`Executor`] down, so that each function
//! that may block its thread says so in its signature.

use std::io;

use ftx_store::StoreError;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

/// Runs blocking work for one connection; clones run it in the same place.
///
/// An executor belongs to the thread that it was made for: a connection that moves to another thread
/// gets another executor. Nothing keeps one beyond a call, except a [`StagingWriter`](crate::StagingWriter):
/// a connection does not move while it writes a staging.
#[derive(Clone, Debug)]
pub struct Executor {
    /// The runtime whose blocking threads take the work.
    pool: Handle,
    /// The calling thread serves a single connection, and does short work itself.
    is_inline: bool,
}

/// The work panicked, or its runtime was shut down. The panic hook has printed the panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a disk thread failed")]
pub struct WorkPanicked;

impl Executor {
    /// For a thread that serves several connections: all work goes to the blocking threads of the current
    /// runtime.
    ///
    /// # Panics
    /// The caller is in no runtime.
    #[must_use]
    pub fn pool() -> Self {
        Self { pool: Handle::current(), is_inline: false }
    }

    /// For a thread that serves a single connection: it does short work itself, and long work goes to the
    /// blocking threads of the current runtime.
    ///
    /// # Panics
    /// The caller is in no runtime.
    #[must_use]
    pub fn inline() -> Self {
        Self::inline_lent_by(Handle::current())
    }

    /// As [`inline`](Self::inline), for a thread lent by another runtime, whose blocking threads take the
    /// long work: a runtime with a single connection has none, and would panic if the system could not
    /// create any.
    #[must_use]
    pub fn inline_lent_by(lender: Handle) -> Self {
        Self { pool: lender, is_inline: true }
    }

    /// Whether the calling thread serves a single connection, so that it may wait for a disk.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        self.is_inline
    }

    /// Runs short work where it stalls no other connection.
    ///
    /// # Errors
    /// The work panicked on another thread. On this one, the panic continues.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkPanicked> {
        if self.is_inline { Ok(work()) } else { self.run_long(work).await }
    }

    /// Runs work that may take long, always on another thread.
    ///
    /// # Errors
    /// The work panicked.
    pub async fn run_long<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkPanicked> {
        Ok(self.spawn(work).await?)
    }

    /// Starts work on another thread, for a caller that does something else meanwhile.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.pool.spawn_blocking(work)
    }
}

impl From<JoinError> for WorkPanicked {
    fn from(_: JoinError) -> Self {
        Self
    }
}

impl From<WorkPanicked> for io::Error {
    fn from(error: WorkPanicked) -> Self {
        Self::other(error)
    }
}

impl From<WorkPanicked> for StoreError {
    fn from(error: WorkPanicked) -> Self {
        Self::io("use", "a file", error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use tokio::runtime::{Builder, Runtime};

    use super::{Executor, WorkPanicked};

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    fn this_thread() -> ThreadId {
        thread::current().id()
    }

    #[test]
    fn short_work_stays_on_a_thread_with_a_single_connection() {
        runtime().block_on(async {
            assert_eq!(Executor::inline().run(this_thread).await, Ok(this_thread()));
            assert_ne!(Executor::pool().run(this_thread).await, Ok(this_thread()));
        });
    }

    #[test]
    fn long_work_always_leaves() {
        runtime().block_on(async {
            for executor in [Executor::inline(), Executor::pool()] {
                assert_ne!(executor.run_long(this_thread).await, Ok(this_thread()));
            }
        });
    }

    #[test]
    fn long_work_of_a_lent_thread_goes_to_its_lender() {
        let lender = Builder::new_current_thread().thread_name("lender").build().unwrap();
        runtime().block_on(async {
            let executor = Executor::inline_lent_by(lender.handle().clone());
            let name = executor.run_long(|| thread::current().name().map(str::to_owned)).await;
            assert_eq!(name, Ok(Some("lender".to_owned())));
        });
    }

    #[test]
    fn a_panic_on_another_thread_is_an_error() {
        runtime().block_on(async {
            let failed = Executor::pool().run(|| assert_eq!(1, 2)).await;
            assert_eq!(failed, Err(WorkPanicked));
        });
    }
}
