//! Signs of life for a client that waits.

use std::time::Duration;

use ftx_core::native::wire::Reply;
use ftx_io::FrameWriter;
use tokio::time::Instant;
use tracing::debug;

use super::NativeError;

/// How often a client is told that its request is being worked on.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// Tells a client that its request is being worked on, from time to time while it takes long.
pub(super) struct SignsOfLife {
    request: u32,
    last: Instant,
}

impl SignsOfLife {
    pub(super) fn new(request: u32) -> Self {
        Self { request, last: Instant::now() }
    }

    /// Waits for `work`. What is told of it is `progress`, in bytes done and in all.
    ///
    /// # Errors
    /// The client cannot be told.
    pub(super) async fn during<T>(
        &mut self,
        mut writer: FrameWriter<'_>,
        progress: impl Fn() -> (u64, u64),
        work: impl Future<Output = T>,
    ) -> Result<T, NativeError> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = tokio::time::sleep_until(self.last + EVERY) => self.last = Instant::now(),
            }
            // Who takes nothing needs no more of them.
            if writer.queued() == 0 {
                let (done, total) = progress();
                let reply = Reply::Working { done, total };
                debug!(id = self.request, ?reply, "answered");
                writer.queue(&reply.encode(self.request)?);
            }
            writer.try_flush()?;
        }
    }
}
