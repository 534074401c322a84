//! The errors of a legacy connection.

use std::io;

use ftx_core::legacy::ProtocolError;
use ftx_core::legacy::wire::DecodeError;
use ftx_core::native::Reason;
use ftx_io::{StreamError, WorkPanicked};

use crate::limits::Limit;
use crate::store::Refusal;
use crate::stream_reason::{stream_limit, stream_reason};

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LegacyError {
    #[error("the client's message cannot be understood")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Panicked(#[from] WorkPanicked),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A file could not be read while it was sent, where the protocol has no room for a failure.
    #[error("a download was broken off: {0}")]
    Store(Refusal),
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl LegacyError {
    /// The reason, for the counters.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Decode(_) => Reason::Malformed,
            Self::Panicked(_) => Reason::Internal,
            Self::Protocol(_) => Reason::OutOfStep,
            Self::Store(refusal) => refusal.reason,
            Self::Stream(error) => stream_reason(error),
        }
    }

    /// The limit that ended the connection.
    pub(crate) fn limit(&self) -> Option<Limit> {
        match self {
            Self::Stream(error) => stream_limit(error),
            _ => None,
        }
    }
}

impl From<Refusal> for LegacyError {
    fn from(refusal: Refusal) -> Self {
        Self::Store(refusal)
    }
}

impl From<io::Error> for LegacyError {
    fn from(error: io::Error) -> Self {
        StreamError::from(error).into()
    }
}
