//! The reasons of failed connections.

use ftx_core::native::Reason;
use ftx_io::StreamError;

/// The reason why a connection failed, from the server's side.
pub(crate) fn stream_reason(error: &StreamError) -> Reason {
    match error {
        StreamError::Stopped => Reason::ShuttingDown,
        StreamError::Late(_) | StreamError::Timeout(_) => Reason::TimedOut,
        _ => Reason::ConnectionLost,
    }
}
