//! Extra connections of an attempt, each on its own thread, and their number.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use ftx_core::native::StreamId;
use ftx_core::native::wire::Token;
use ftx_io::{Executor, panic_text};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::channel::Handshake;
use super::hello::{SessionRequest, greet};
use super::stream_count::StreamCount;
use super::workload::Workload;
use crate::connect::Endpoint;
use crate::{ClientConfig, TransferError};

/// The extra connections of an attempt.
pub(super) struct ExtraStreams<'a, T> {
    endpoint: &'a Endpoint,
    config: &'a ClientConfig,
    session: Token,
    workload: &'a Arc<T>,
    /// Each ends with its connection.
    spawned: Vec<oneshot::Receiver<()>>,
    next_stream: StreamId,
}

impl<'a, T: Workload> ExtraStreams<'a, T> {
    pub(super) fn new(
        endpoint: &'a Endpoint,
        config: &'a ClientConfig,
        session: Token,
        workload: &'a Arc<T>,
    ) -> Self {
        Self { endpoint, config, session, workload, spawned: Vec::new(), next_stream: 1 }
    }

    /// Opens connections until there are `count` with the first one, side by side; or lets those above it
    /// end their work.
    pub(super) fn set_count(&mut self, count: usize) {
        self.workload.attempt().set_stream_count(count);
        while usize::try_from(self.next_stream).is_ok_and(|next| next < count) {
            let stream = ExtraStream {
                endpoint: self.endpoint.clone(),
                config: self.config.clone(),
                session: self.session,
                stream: self.next_stream,
                workload: Arc::clone(self.workload),
            };
            self.spawned.extend(stream.spawn());
            self.next_stream += 1;
        }
    }

    /// Follows the speed of the line. Never returns.
    pub(super) async fn adapt(&mut self, mut streams: StreamCount) -> Infallible {
        let begun = Instant::now();
        let attempt = self.workload.attempt();
        // Kept when a large file begins: files may begin more often than it comes.
        let mut look = pin!(next_look(&streams));
        loop {
            let before = streams.count();
            tokio::select! {
                () = look.as_mut() => {
                    streams.on_delivered(begun.elapsed(), attempt.delivered_bytes());
                    look.set(next_look(&streams));
                }
                () = attempt.large_file() => streams.on_large_file(),
            }
            if streams.count() != before {
                debug!(before, count = streams.count(), "connections");
                self.set_count(streams.count());
            }
        }
    }

    /// Waits until all have ended.
    pub(super) async fn ended(self) {
        for has_ended in self.spawned {
            let _ = has_ended.await;
        }
    }
}

/// Waits for the next look at the speed, for ever if the number of connections stays.
fn next_look(streams: &StreamCount) -> impl Future<Output = ()> + use<> {
    let interval = streams.interval();
    async move {
        match interval {
            Some(interval) => sleep(interval).await,
            None => pending().await,
        }
    }
}

/// An extra connection and its thread.
struct ExtraStream<T> {
    endpoint: Endpoint,
    config: ClientConfig,
    session: Token,
    stream: StreamId,
    workload: Arc<T>,
}

impl<T: Workload> ExtraStream<T> {
    /// Starts the thread, and returns a receiver that ends with it. `None` if there is no thread: the
    /// transfer then takes longer.
    fn spawn(self) -> Option<oneshot::Receiver<()>> {
        let (end, has_ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(format!("ftx-stream-{}", self.stream));
        let workload = Arc::clone(&self.workload);
        workload.attempt().extra_begins();
        let spawned = thread.spawn(move || {
            let _end = end;
            let workload = Arc::clone(&self.workload);
            self.run();
            workload.attempt().extra_ends();
        });
        match spawned {
            Ok(_) => Some(has_ended),
            Err(error) => {
                workload.attempt().extra_ends();
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
            runtime.block_on(self.work());
        }));
        if let Err(panic) = worked {
            // Its files stay taken until the attempt ends.
            workload.attempt().fail(TransferError::internal(panic_text(&*panic)));
        }
    }

    async fn work(self) {
        let Self { endpoint, config, session, stream, workload } = self;
        let cancel = workload.attempt().cancel().clone();
        let joined =
            greet(&endpoint, &config, &cancel, SessionRequest::Join(session), config.timeout);
        let mut channel = match joined.await {
            Ok(Handshake::Native(channel)) => *channel,
            Ok(Handshake::Legacy(_)) => return,
            // The attempt continues without it.
            Err(error) => {
                debug!(%error, "no extra connection");
                return;
            }
        };
        channel.set_activity(workload.attempt().activity());
        let mut report = || {};
        let work = Arc::clone(&workload).work(channel, stream, Executor::inline(), &mut report);
        if let Err(error) = work.await {
            workload.attempt().fail(error);
        }
    }
}
