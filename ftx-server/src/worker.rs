//! Reactor threads.
//!
//! Each worker is one thread with a single-threaded runtime that owns many connections, as the
//! original's reactor threads do. Nothing on it may block: whatever waits for a disk or hashes goes
//! through the [`Store`](crate::store::Store), which has threads of its own for that.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error, info_span};

use crate::connection::{self, Context};
use crate::express::Places;
use crate::monitor::ActiveGuard;
use crate::store::BlockStore;

/// Blocking threads of one worker. More would not make a disk faster; a job is short, so none
/// waits long for its turn.
const BLOCKING_THREADS: usize = 32;

/// A connection on its way to the worker that will own it.
pub(crate) struct Handover {
    /// In non-blocking mode.
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) active: ActiveGuard,
}

/// A running reactor thread. It ends when this is dropped and its last connection has ended.
pub(crate) struct Worker {
    queue: mpsc::UnboundedSender<Handover>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread or no event queue.
    pub(crate) fn start<S: BlockStore>(index: usize, context: Arc<Context<S>>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name(format!("ftx-disk-{index}"))
            .build()?;
        // Unbounded, but the acceptor limits how many connections there are.
        let (queue, handovers) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name(format!("ftx-worker-{index}"))
            .spawn(move || runtime.block_on(run(index, handovers, context)))?;
        Ok(Self { queue, thread })
    }

    /// Hands a connection over. It is closed if the worker is gone.
    pub(crate) fn give(&self, handover: Handover) {
        if self.queue.send(handover).is_err() {
            error!("a reactor thread is gone; its connection is closed");
        }
    }

    /// Takes no more connections, and waits for those it has.
    pub(crate) fn join(self) {
        drop(self.queue);
        if self.thread.join().is_err() {
            error!("a reactor thread panicked");
        }
    }
}

async fn run<S: BlockStore>(
    index: usize,
    mut handovers: mpsc::UnboundedReceiver<Handover>,
    context: Arc<Context<S>>,
) {
    let tasks = TaskTracker::new();
    let places = Places::new();
    while let Some(Handover { stream, peer, active }) = handovers.recv().await {
        let stream = match tokio::net::TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                error!(%error, %peer, "a connection cannot be registered");
                continue;
            }
        };
        let (context, places) = (Arc::clone(&context), places.clone());
        let span = info_span!("connection", %peer, thread = index);
        tasks.spawn(
            async move {
                connection::serve(stream, context, places).await;
                debug!("closed");
                drop(active);
            }
            .instrument(span),
        );
    }
    tasks.close();
    tasks.wait().await;
}
