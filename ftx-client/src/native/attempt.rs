//! One attempt: the connections that work on the queue together, and fail together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ftx_core::native::StreamId;
use ftx_core::native::wire::Token;
use ftx_io::{dedicate_thread, panic_text};
use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};
use tracing::debug;

use super::channel::{Channel, Handshake, SessionRequest};
use super::queue::{TransferQueue, lock};
use super::workload::Workload;
use crate::connect::connect;
use crate::{Cancel, ClientConfig, ServerAddr, TransferError, Transferred};

/// The state that the connections of one attempt share.
pub(super) struct Attempt {
    /// Wakes the connections that wait for one another.
    pub(super) changed: Notify,
    is_over: AtomicBool,
    error: Mutex<Option<TransferError>>,
    next_request: AtomicU32,
    /// Ends the waits of the extra connections.
    cancel: Cancel,
}

impl Attempt {
    pub(super) fn new(first_request: u32, cancel: &Cancel) -> Self {
        Self {
            cancel: cancel.child(),
            changed: Notify::new(),
            is_over: AtomicBool::new(false),
            error: Mutex::default(),
            next_request: AtomicU32::new(first_request),
        }
    }

    /// Records how a file ended. An error that does not concern the file ends the attempt instead, and
    /// the next attempt resumes the file.
    pub(super) fn finish<J>(
        &self,
        queue: &TransferQueue<J>,
        job: usize,
        result: Result<Transferred, TransferError>,
    ) {
        match result {
            Err(error) if error.is_about_connection() || error.is_cancelled() => self.fail(error),
            Err(error) if error.is_transient() => queue.postpone(job, error),
            result => queue.finish(job, result),
        }
        if queue.is_over() {
            self.changed.notify_waiters();
        }
    }

    /// A new request id.
    pub(super) fn new_request(&self) -> u32 {
        self.next_request.fetch_add(1, Relaxed)
    }

    /// Ends the attempt on all connections. The first error counts.
    pub(super) fn fail(&self, error: TransferError) {
        lock(&self.error).get_or_insert(error);
        self.is_over.store(true, Relaxed);
        self.cancel.cancel();
        self.changed.notify_waiters();
    }

    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// # Errors
    /// The attempt is over, or the caller stopped it.
    pub(super) fn check(&self) -> Result<(), TransferError> {
        // In this order: the end of an attempt also cancels its extra connections.
        if self.is_over.load(Relaxed) {
            return Err(TransferError::closed());
        }
        if self.cancel.is_cancelled() {
            return Err(TransferError::cancelled());
        }
        Ok(())
    }

    /// The error that ended the attempt, if one did, and the next request id.
    pub(super) fn end(&self) -> (Option<TransferError>, u32) {
        let error = lock(&self.error).take();
        (error, self.next_request.load(Relaxed))
    }
}

/// Fails the attempt when its future is dropped halfway, so that no extra connection outlives it.
pub(super) struct AbortOnDrop<'a>(Option<&'a Attempt>);

impl<'a> AbortOnDrop<'a> {
    pub(super) fn new(attempt: &'a Attempt) -> Self {
        Self(Some(attempt))
    }

    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for AbortOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(attempt) = self.0 {
            attempt.fail(TransferError::cancelled());
        }
    }
}

/// An extra connection, on a thread of its own.
pub(super) struct ExtraStream<T> {
    pub(super) address: ServerAddr,
    pub(super) config: ClientConfig,
    pub(super) session: Token,
    pub(super) stream: StreamId,
    pub(super) workload: Arc<T>,
}

impl<T: Workload> ExtraStream<T> {
    /// Starts the thread, and returns a receiver that ends with it. `None` if there is no thread: the
    /// transfer then takes longer.
    pub(super) fn spawn(self) -> Option<oneshot::Receiver<()>> {
        let (end, has_ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(format!("ftx-stream-{}", self.stream));
        let spawned = thread.spawn(move || {
            let _end = end;
            self.run();
        });
        match spawned {
            Ok(_) => Some(has_ended),
            Err(error) => {
                debug!(%error, "no thread for an extra connection");
                None
            }
        }
    }

    fn run(self) {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                debug!(%error, "no runtime for an extra connection");
                return;
            }
        };
        let workload = Arc::clone(&self.workload);
        let worked = catch_unwind(AssertUnwindSafe(|| {
            dedicate_thread(|| runtime.block_on(self.work()));
        }));
        if let Err(panic) = worked {
            // Its files stay taken until the attempt ends.
            workload.attempt().fail(TransferError::internal(panic_text(&*panic)));
        }
    }

    async fn work(self) {
        let Self { address, config, session, stream, workload } = self;
        let cancel = workload.attempt().cancel().clone();
        let joined = async {
            let stream = connect(&address, config.timeout, &cancel).await?;
            Channel::handshake(stream, &config, &cancel, SessionRequest::Join(session)).await
        };
        let channel = match joined.await {
            Ok(Handshake::Native(channel)) => *channel,
            Ok(Handshake::Legacy(_)) => return,
            // The attempt continues without it.
            Err(error) => {
                debug!(%error, "no extra connection");
                return;
            }
        };
        if let Err(error) = Arc::clone(&workload).work(channel, stream, &mut || {}).await {
            workload.attempt().fail(error);
        }
    }
}
