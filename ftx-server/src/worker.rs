//! Reactor threads.
//!
//! Each worker is one thread with a single-threaded runtime that owns many connections, as the original's
//! reactor threads do. Nothing on it may block: the [`Store`] runs disk and hash work on other threads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ftx_io::DetachedTransport;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error};

use crate::descriptors::DescriptorShare;
use crate::dispatch::{DEDICATED_THREADS, Dispatcher};
use crate::limits::Refusing;
use crate::monitor::ActiveGuard;
use crate::store::{MAX_LONG_JOBS, Store};

/// Threads of one worker for short jobs, none of which waits long for a thread.
const MAX_SHORT_JOBS: usize = 16;

/// Blocking threads of one worker. Long jobs and dedicated connections need a permit, and there are threads
/// for all permits.
pub(crate) const BLOCKING_THREADS: usize = MAX_SHORT_JOBS + MAX_LONG_JOBS + DEDICATED_THREADS;

/// How long an idle blocking thread is kept.
const IDLE_THREAD_TTL: Duration = Duration::from_secs(5);

/// The time between two jobs that keep one blocking thread. If the system refuses another thread, as under
/// a limit of threads, jobs wait for an existing one, so the last one must not end. Idle threads take turns
/// with the jobs, so two of them are not kept if this is more than half of [`IDLE_THREAD_TTL`].
const KEEP_THREAD_INTERVAL: Duration = Duration::from_secs(3);

/// A connection on its way to the worker that will own it.
pub(crate) struct Handover {
    pub(crate) transport: DetachedTransport,
    pub(crate) peer: SocketAddr,
    /// Set if a limit keeps the client out, who is to be told.
    pub(crate) refusing: Option<Refusing>,
    pub(crate) active: ActiveGuard,
    pub(crate) descriptor: DescriptorShare,
}

/// A running reactor thread. It ends when this is dropped and its last connection has ended.
pub(crate) struct Worker {
    queue: mpsc::UnboundedSender<Handover>,
    thread: JoinHandle<()>,
    /// Closed when the thread has no more connections.
    works: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refuses a thread or an event queue.
    pub(crate) fn start<S: Store>(
        index: usize,
        dispatcher: Arc<Dispatcher<S>>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_keep_alive(IDLE_THREAD_TTL)
            .thread_name(format!("ftx-disk-{index}"))
            .build()?;
        // The first blocking thread starts here, where a refusal is an error: later it would be a panic.
        std::thread::Builder::new().spawn(|| ())?;
        drop(runtime.spawn_blocking(|| ()));
        // Unbounded, but the acceptor limits the number of connections.
        let (queue, handovers) = mpsc::unbounded_channel();
        let (working, works) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new();
        let thread = thread.name(format!("ftx-worker-{index}")).spawn(move || {
            runtime.spawn(keep_a_blocking_thread());
            runtime.block_on(run(index, handovers, dispatcher));
            drop(runtime);
            drop(working);
        })?;
        Ok(Self { queue, thread, works })
    }

    /// Hands a connection over. If the worker's thread has ended, the connection is closed.
    pub(crate) fn give(&self, handover: Handover) {
        if self.queue.send(handover).is_err() {
            error!("a reactor thread has ended; its connection is closed");
        }
    }

    /// Accepts no more connections, and waits for the end of the present ones.
    pub(crate) async fn ended(self) {
        let Self { queue, thread, works } = self;
        drop(queue);
        // Nothing is ever sent: the sender is dropped at the end of the thread, or by a panic.
        let _ = works.await;
        if thread.join().is_err() {
            error!("a reactor thread panicked");
        }
    }
}

/// Ends with the runtime.
async fn keep_a_blocking_thread() {
    loop {
        tokio::time::sleep(KEEP_THREAD_INTERVAL).await;
        let _ = tokio::task::spawn_blocking(|| ()).await;
    }
}

async fn run<S: Store>(
    index: usize,
    mut handovers: mpsc::UnboundedReceiver<Handover>,
    dispatcher: Arc<Dispatcher<S>>,
) {
    let tasks = TaskTracker::new();
    let threads = dispatcher.worker_threads();
    while let Some(handover) = handovers.recv().await {
        let Handover { transport, peer, refusing, active, descriptor } = handover;
        let transport = match transport.attach() {
            Ok(transport) => transport,
            Err(error) => {
                error!(%error, %peer, "a connection cannot be registered");
                continue;
            }
        };
        let (dispatcher, threads) = (Arc::clone(&dispatcher), threads.clone());
        let origin = dispatcher.origin(peer);
        let span = origin.span(index);
        tasks.spawn(
            async move {
                dispatcher.serve(transport, origin, refusing, threads).await;
                debug!("closed");
                drop((descriptor, active));
            }
            .instrument(span),
        );
    }
    tasks.close();
    tasks.wait().await;
}
