//! The reasons of failed connections, and the limits that ended them.

use ftx_core::native::Reason;
use ftx_io::StreamError;

use crate::limits::Limit;

/// The reason why a connection failed, from the server's side.
pub(crate) fn stream_reason(error: &StreamError) -> Reason {
    match error {
        StreamError::Stopped => Reason::ShuttingDown,
        StreamError::Late(_) | StreamError::Timeout(_) | StreamError::TooSlow { .. } => {
            Reason::TimedOut
        }
        _ => Reason::ConnectionLost,
    }
}

/// The limit that ended a connection.
pub(crate) fn stream_limit(error: &StreamError) -> Option<Limit> {
    match error {
        StreamError::Late(_) => Some(Limit::HelloTimeout),
        StreamError::TooSlow { .. } => Some(Limit::MinSpeed),
        StreamError::Timeout(_) => Some(Limit::StallTimeout),
        _ => None,
    }
}
