//! Heartbeats: `Working` replies to a client that waits for a long request.

use std::future::Future;
use std::time::Duration;

use ftx_core::native::wire::Reply;
use ftx_io::FrameWriter;
use tokio::time::Instant;
use tracing::debug;

use super::error::NativeError;

/// The time between two heartbeats.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// Reports to a client that one of its requests is in progress.
pub(super) struct Heartbeat {
    request: u32,
    last: Instant,
}

impl Heartbeat {
    pub(super) fn new(request: u32) -> Self {
        Self { request, last: Instant::now() }
    }

    /// Waits for `work` and sends heartbeats meanwhile, with the `progress` in bytes done and in all. The caller
    /// pins the work, so that this future, and with it the task of each connection, stays small.
    ///
    /// # Errors
    /// As `work`, and where the client cannot be reached.
    pub(super) async fn during<T, E: From<NativeError>>(
        &mut self,
        mut writer: FrameWriter<'_>,
        progress: impl Fn() -> (u64, u64),
        mut work: impl Future<Output = Result<T, E>> + Unpin,
    ) -> Result<T, E> {
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep_until(self.last + HEARTBEAT_INTERVAL) => {
                    self.last = Instant::now();
                }
            }
            // A client that does not read needs no more of them.
            if writer.queued() == 0 {
                let (done, total) = progress();
                let reply = Reply::Working { done, total };
                debug!(id = self.request, ?reply, "answered");
                writer.queue(&reply.encode(self.request).map_err(NativeError::from)?);
            }
            writer.try_flush().map_err(NativeError::from)?;
        }
    }
}
