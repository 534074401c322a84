//! The last message of a connection that the server closes.

use std::time::Duration;

use ftx_io::{ErrorChain, Frames, IoLimits};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::error::NativeError;

/// The time for a client to read its `Goodbye`.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Reports to the client why its connection is closed, where it can still read that.
pub(super) async fn say_goodbye(frames: &mut Frames, error: &NativeError) {
    let Some(goodbye) = error.goodbye() else { return };
    debug!(error = %ErrorChain(error), "says goodbye");
    // The grace of a shutdown may be over, so these writes have limits of their own.
    let stop = CancellationToken::new();
    let limits = IoLimits { limit: GOODBYE_TIMEOUT, stop: &stop };
    let sent = async {
        if !frames.is_desynced() {
            frames.queue(&goodbye.encode(0)?);
            frames.writer().flush(limits).await?;
            frames.shut_down(limits).await?;
        }
        Ok::<_, NativeError>(())
    };
    // A client that has left reads nothing.
    let _ = tokio::time::timeout(GOODBYE_TIMEOUT, sent).await;
}
