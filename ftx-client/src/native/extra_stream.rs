//! Extra connections of an attempt, each on its own thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ftx_core::native::StreamId;
use ftx_core::native::wire::Token;
use ftx_io::{Executor, panic_text};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tracing::debug;

use super::channel::Handshake;
use super::hello::{SessionRequest, greet};
use super::workload::Workload;
use crate::connect::Endpoint;
use crate::{ClientConfig, TransferError};

/// An extra connection and its thread.
pub(super) struct ExtraStream<T> {
    pub(super) endpoint: Endpoint,
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
