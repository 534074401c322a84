//! Dedicated threads: a busy connection moves from its reactor to a thread that serves it alone.
//!
//! For a small file, handing work to a disk thread and being woken by it takes longer than the work. A
//! client that sends or requests one small file after another would spend most of its time on that. So
//! its connection moves, while it stays busy, to a blocking thread with a runtime of its own, where disk
//! work needs no other thread: a slow disk delays only this client there. Dedicated threads are taken
//! from a worker's blocking threads, which its other connections need too, so their number is limited by
//! a semaphore; a connection that gets no permit stays on the reactor.
//!
//! This module knows no dialect: a handler that can move implements [`Movable`].

use std::future::Future;
use std::io;
use std::sync::Arc;

use ftx_io::{Executor, WorkPanicked};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Span, debug};

use crate::metrics::Metrics;

/// The dedicated threads that connections of one dialect may use on one worker; clones share them.
#[derive(Clone)]
pub(crate) struct DedicatedThreads {
    free: Arc<Semaphore>,
    metrics: Metrics,
}

impl DedicatedThreads {
    pub(crate) fn new(count: usize, metrics: Metrics) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), metrics }
    }

    /// A permit for one thread, if one is free, for a connection that moves there.
    pub(crate) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok();
        match permit {
            Some(_) => self.metrics.dedicated(),
            None => self.metrics.without_dedicated(),
        }
        permit
    }
}

/// The thread that serves a connection.
#[derive(Clone, Copy)]
pub(crate) enum Placement<'a> {
    /// A reactor thread. A busy connection takes a permit for one of these threads.
    Reactor(&'a DedicatedThreads),
    /// A dedicated thread, which the connection leaves when its client pauses.
    Dedicated,
}

/// Why a handler returned between two requests.
pub(crate) enum Yield {
    /// The client pauses.
    Idle,
    /// The client moves many files, and there is a permit for a dedicated thread.
    Busy(OwnedSemaphorePermit),
    /// The connection has ended.
    Closed,
}

/// A connection handler that can move from one runtime to another, between two requests.
pub(crate) trait Movable: Send + Sized + 'static {
    /// The client's byte stream, registered with a runtime.
    type Stream: Send;
    /// The stream without a runtime.
    type Detached: Send + 'static;
    /// Why a connection ended early.
    type Error: From<io::Error> + From<WorkPanicked> + Send + 'static;

    /// Removes the stream from its runtime.
    fn detach(stream: Self::Stream) -> io::Result<Self::Detached>;

    /// Registers the stream with the current runtime, which serves other connections too.
    fn attach(detached: Self::Detached) -> io::Result<Self::Stream>;

    /// Registers the stream with the current runtime, which serves no other connection.
    fn attach_dedicated(detached: Self::Detached) -> io::Result<Self::Stream> {
        Self::attach(detached)
    }

    /// The connection has moved to another thread, whose blocking work this executor runs.
    fn set_executor(&mut self, executor: Executor);

    /// Serves the client until there is a reason to yield.
    fn run(
        &mut self,
        stream: &mut Self::Stream,
        placement: Placement<'_>,
    ) -> impl Future<Output = Result<Yield, Self::Error>> + Send;

    /// The system gave no runtime for a dedicated thread: do not ask for one until the client has paused.
    fn stay(&mut self);
}

/// Serves a connection until it ends, on the reactor or on one of `threads`. The handler was made with the
/// executor of the reactor.
pub(crate) async fn serve<M: Movable>(
    mut handler: M,
    mut stream: M::Stream,
    threads: &DedicatedThreads,
) -> Result<(), M::Error> {
    loop {
        match handler.run(&mut stream, Placement::Reactor(threads)).await? {
            Yield::Closed => return Ok(()),
            Yield::Idle => {}
            Yield::Busy(permit) => match run_dedicated(handler, stream, permit).await? {
                Some(back) => (handler, stream) = back,
                None => return Ok(()),
            },
        }
    }
}

/// Serves a busy connection on a dedicated thread until its client pauses; `None` when it has ended.
async fn run_dedicated<M: Movable>(
    mut handler: M,
    stream: M::Stream,
    permit: OwnedSemaphorePermit,
) -> Result<Option<(M, M::Stream)>, M::Error> {
    let detached = M::detach(stream)?;
    let (span, lender) = (Span::current(), Handle::current());
    let serve = move || -> Result<_, M::Error> {
        let _entered = span.enter();
        let _permit = permit;
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                debug!(%error, "a busy connection stays on its reactor");
                handler.stay();
                return Ok(Some((handler, detached)));
            }
        };
        handler.set_executor(Executor::inline_lent_by(lender));
        runtime.block_on(async {
            let mut stream = M::attach_dedicated(detached)?;
            match handler.run(&mut stream, Placement::Dedicated).await? {
                Yield::Closed => Ok(None),
                Yield::Idle | Yield::Busy(_) => Ok(Some((handler, M::detach(stream)?))),
            }
        })
    };
    let reactor = Executor::pool();
    match reactor.run_long(serve).await?? {
        Some((mut handler, detached)) => {
            handler.set_executor(reactor);
            Ok(Some((handler, M::attach(detached)?)))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::DedicatedThreads;
    use crate::metrics::Metrics;

    #[test]
    fn one_workers_threads_are_not_anothers() {
        let metrics = Metrics::default();
        let [one, other] = [(); 2].map(|()| DedicatedThreads::new(2, metrics.clone()));
        let taken: Vec<_> = std::iter::from_fn(|| one.clone().permit()).collect();
        assert_eq!(taken.len(), 2);
        assert!(other.permit().is_some());
        drop(taken);
        assert!(one.permit().is_some());
        let counts = metrics.snapshot(Vec::new());
        assert_eq!((counts.dedicated, counts.without_dedicated), (4, 1));
    }
}
