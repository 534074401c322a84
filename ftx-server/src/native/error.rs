//! The errors of the native dialect: of a connection, and of a request.

use ftx_core::native::wire::{FrameError, Reply};
use ftx_core::native::{Reason, StepError};
use ftx_core::{NameError, RawNameError};
use ftx_io::{ErrorChain, ReadError, StreamError, WorkPanicked};
use std::time::Duration;

use crate::limits::Limit;
use crate::store::Refusal;
use crate::stream_reason::{stream_limit, stream_reason};

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NativeError {
    /// A file could not be read in the middle of a block, where the protocol has no room for a failure.
    #[error("a download was broken off: {message}")]
    Cut { reason: Reason, message: String },
    #[error("the client's message cannot be understood")]
    Frame(#[from] FrameError),
    /// The client has sent no request for too long.
    #[error("no request within {}", humantime::format_duration(*.0))]
    Idle(Duration),
    #[error(transparent)]
    Panicked(#[from] WorkPanicked),
    /// The connection is closed, and the client receives the reason.
    #[error("{message}")]
    Rejected { reason: Reason, message: String },
    /// The server stops, and no upload is under way.
    #[error("the server is shutting down; connect again later")]
    ShuttingDown,
    #[error("the client broke the protocol")]
    Step(#[from] StepError),
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) enum RequestError {
    /// The client gets a `Failed` reply, and the connection continues.
    Refused(Refusal),
    /// The connection ends.
    Fatal(NativeError),
}

impl NativeError {
    /// The reason, for the client and the counters.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Cut { reason, .. } | Self::Rejected { reason, .. } => *reason,
            Self::Frame(error) => error.reason(),
            Self::Idle(_) => Reason::TimedOut,
            Self::ShuttingDown => Reason::ShuttingDown,
            Self::Panicked(_) => Reason::Internal,
            Self::Step(error) => error.reason(),
            Self::Stream(error) => stream_reason(error),
        }
    }

    /// The limit that ended the connection.
    pub(crate) fn limit(&self) -> Option<Limit> {
        match self {
            Self::Idle(_) => Some(Limit::IdleTimeout),
            Self::Stream(error) => stream_limit(error),
            _ => None,
        }
    }

    /// The `Goodbye` for the client, where it can still read one.
    pub(super) fn goodbye(&self) -> Option<Reply> {
        let can_read = match self {
            Self::Cut { .. } => false,
            Self::Stream(error) => stream_reason(error) != Reason::ConnectionLost,
            _ => true,
        };
        can_read.then(|| Reply::goodbye(self.reason(), self.text()))
    }

    /// The whole error, with the key of the limit that the client met.
    fn text(&self) -> String {
        let chain = ErrorChain(self);
        self.limit().map_or_else(|| chain.to_string(), |limit| format!("{chain} ({})", limit.key()))
    }

    /// Whether this is an ordinary end of a connection without uploads.
    pub(super) fn is_ordinary(&self) -> bool {
        matches!(self, Self::Idle(_) | Self::ShuttingDown | Self::Stream(StreamError::Closed))
    }

    /// The error for a request id that an upload of the session already uses: their replies could not be
    /// told apart.
    pub(super) fn id_in_use(request: u32) -> Self {
        Self::Rejected {
            reason: Reason::OutOfStep,
            message: format!("request {request} is an upload under way; give each a new id"),
        }
    }
}

impl From<ReadError> for NativeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Frame(error) => error.into(),
            ReadError::Stream(error) => error.into(),
            other => StreamError::from(std::io::Error::other(other)).into(),
        }
    }
}

impl From<std::io::Error> for NativeError {
    fn from(error: std::io::Error) -> Self {
        StreamError::from(error).into()
    }
}

impl RequestError {
    /// A refusal for this reason.
    pub(super) fn refused(reason: Reason, message: impl Into<String>) -> Self {
        Self::Refused(Refusal::new(reason, message))
    }
}

impl From<Refusal> for RequestError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NameError> for RequestError {
    fn from(error: NameError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<RawNameError> for RequestError {
    fn from(error: RawNameError) -> Self {
        Self::Refused(error.into())
    }
}

impl<E: Into<NativeError>> From<E> for RequestError {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ftx_core::native::wire::Reply;
    use ftx_io::StreamError;

    use super::NativeError;

    #[test]
    fn a_goodbye_names_the_limit() {
        let time = Duration::from_secs(7);
        for (error, key) in [
            (NativeError::Idle(time), "idle_timeout"),
            (StreamError::Late(time).into(), "hello_timeout"),
            (StreamError::Timeout(time).into(), "stall_timeout"),
            (StreamError::TooSlow { bytes: 1, waited: time }.into(), "min_speed"),
        ] {
            let Some(Reply::Goodbye { message, .. }) = error.goodbye() else { panic!("{error}") };
            assert!(message.contains("7s") && message.ends_with(&format!(" ({key})")), "{message}");
        }
    }
}
