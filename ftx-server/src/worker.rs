//! Reactor threads.
//!
//! Each worker is one thread with a single-threaded runtime that owns many connections, as the
//! original's reactor threads do. Nothing on it may block: whatever waits for a disk or hashes goes
//! through the [`Store`](crate::store::Store), which has threads of its own for that.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error, info_span};

use crate::descriptors::DescriptorShare;
use crate::dispatch::{DEDICATED_THREADS, Dispatcher, WorkerThreads};
use crate::monitor::ActiveGuard;
use crate::store::{MAX_LONG_JOBS, Store};

/// Threads of one worker for work that is short: none of it waits long for its turn.
const MAX_SHORT_JOBS: usize = 16;

/// Blocking threads of one worker. What takes one for longer needs a permit, or a place, and there are
/// no more of these than threads.
pub(crate) const BLOCKING_THREADS: usize = MAX_SHORT_JOBS + MAX_LONG_JOBS + DEDICATED_THREADS;

/// How long a thread without work stays. Once there is one the system can refuse another, as under a
/// limit of threads: what is to be done waits for that one, then. So the last never goes.
const STAYS: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A connection on its way to the worker that will own it.
pub(crate) struct Handover {
    /// In non-blocking mode.
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) active: ActiveGuard,
    pub(crate) descriptor: DescriptorShare,
}

/// A running reactor thread. It ends when this is dropped and its last connection has ended.
pub(crate) struct Worker {
    queue: mpsc::UnboundedSender<Handover>,
    thread: JoinHandle<()>,
    /// Ends with the thread's work.
    works: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread or no event queue.
    pub(crate) fn start<S: Store>(
        index: usize,
        dispatcher: Arc<Dispatcher<S>>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_keep_alive(STAYS)
            .thread_name(format!("ftx-disk-{index}"))
            .build()?;
        // The first one is made here, where the system's refusal is an error: later it would be a panic.
        std::thread::Builder::new().spawn(|| ())?;
        drop(runtime.spawn_blocking(|| ()));
        // Unbounded, but the acceptor limits how many connections there are.
        let (queue, handovers) = mpsc::unbounded_channel();
        let (working, works) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new();
        let thread = thread.name(format!("ftx-worker-{index}")).spawn(move || {
            runtime.block_on(run(index, handovers, dispatcher));
            drop(runtime);
            drop(working);
        })?;
        Ok(Self { queue, thread, works })
    }

    /// Hands a connection over. It is closed if the worker is gone.
    pub(crate) fn give(&self, handover: Handover) {
        if self.queue.send(handover).is_err() {
            error!("a reactor thread is gone; its connection is closed");
        }
    }

    /// Takes no more connections, and waits for those it has.
    pub(crate) async fn ended(self) {
        let Self { queue, thread, works } = self;
        drop(queue);
        // Nothing is ever sent: it is dropped, by a panic, too.
        let _ = works.await;
        if thread.join().is_err() {
            error!("a reactor thread panicked");
        }
    }
}

async fn run<S: Store>(
    index: usize,
    mut handovers: mpsc::UnboundedReceiver<Handover>,
    dispatcher: Arc<Dispatcher<S>>,
) {
    let tasks = TaskTracker::new();
    let threads = WorkerThreads::new();
    while let Some(Handover { stream, peer, active, descriptor }) = handovers.recv().await {
        let stream = match tokio::net::TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                error!(%error, %peer, "a connection cannot be registered");
                continue;
            }
        };
        let (dispatcher, threads) = (Arc::clone(&dispatcher), threads.clone());
        let span = info_span!("connection", %peer, thread = index);
        tasks.spawn(
            async move {
                dispatcher.serve(stream, threads).await;
                debug!("closed");
                drop((descriptor, active));
            }
            .instrument(span),
        );
    }
    tasks.close();
    tasks.wait().await;
}
