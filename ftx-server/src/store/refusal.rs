//! Refusals: why a store does not carry out a call.

use std::error::Error;
use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::{NameError, RawNameError, Status};
use ftx_io::{ErrorChain, WorkPanicked};
use ftx_store::{Side, StoreError};

use crate::limits::Limit;

/// The failure of a call to a store, or of a request, as the client gets it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The reason's code, for native clients.
    pub reason: Reason,
    /// The status, for legacy clients. It never means success.
    pub status: Status,
    /// The failure with its causes, and a remedy.
    pub message: String,
    /// The failure concerns the server and not the file, so it recurs with every request.
    pub is_general: bool,
    /// The limit of the server that the call met.
    pub limit: Option<Limit>,
    /// The cause, for programs; the message tells it already.
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Refusal {
    /// A refusal for this reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let (status, message) = (reason.status(), message.into());
        Self { reason, status, message, is_general: false, limit: None, cause: None }
    }

    /// A refusal by a limit of the server.
    pub(crate) fn of_limit(limit: Limit, reason: Reason, message: impl Into<String>) -> Self {
        Self { limit: Some(limit), ..Self::new(reason, message) }
    }

    /// Whether a new request finds another state: the file changed, or somebody else uses it.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self.reason, Reason::Changed | Reason::Busy)
    }

    /// Whether the server has too much to do, so that a retry helps.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.reason == Reason::TooManyRequests
    }
}

impl PartialEq for Refusal {
    /// Compares what clients get.
    fn eq(&self, other: &Self) -> bool {
        (self.reason, self.status, &self.message) == (other.reason, other.status, &other.message)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self {
            reason: error.kind().reason(Side::Server),
            status: error.status(),
            message: ErrorChain(&error).to_string(),
            is_general: error.is_general(),
            limit: None,
            cause: Some(Arc::new(error)),
        }
    }
}

impl From<WorkPanicked> for Refusal {
    fn from(error: WorkPanicked) -> Self {
        Self::new(Reason::Internal, error.to_string())
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::new(Reason::NameRefused, error.to_string())
    }
}

impl From<RawNameError> for Refusal {
    fn from(error: RawNameError) -> Self {
        Self::new(Reason::NameRefused, error.to_string())
    }
}
