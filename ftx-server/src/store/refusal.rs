//! Refusals: why a store does not carry out a request.

use ftx_core::native::Reason;
use ftx_core::{NameError, RawNameError};
use ftx_io::{ErrorChain, WorkPanicked};
use ftx_store::{Side, StoreError};

/// The refusal of a request, as the client gets it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The reason's code.
    pub reason: Reason,
    /// The failure, and a remedy.
    pub message: String,
    /// The failure concerns the server and not the file, so it recurs with every request.
    pub is_general: bool,
}

impl Refusal {
    /// A refusal for this reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), is_general: false }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let reason = error.kind().reason(Side::Server);
        let is_general = error.is_general();
        Self { reason, message: ErrorChain(&error).to_string(), is_general }
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
