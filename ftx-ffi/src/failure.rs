//! Failures with their details.

use std::error::Error as _;
use std::io;

use ftx_client::{Reason, TransferError};

use crate::status::{self, AbiStatus};

/// A failure in the form that C receives.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: i32,
    /// The corresponding code of the original system.
    pub(crate) original: i32,
    pub(crate) retryable: bool,
    /// The error number of the system, or 0.
    pub(crate) os_error: i32,
    /// Index of the file in the job.
    pub(crate) file: Option<usize>,
    /// Transferred bytes of the file.
    pub(crate) resume_at: u64,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn abi(own: AbiStatus, message: impl Into<String>) -> Self {
        Self::with_status(own.code(), message)
    }

    pub(crate) fn reason(reason: Reason, message: impl Into<String>) -> Self {
        Self { retryable: reason.may_pass(), ..Self::with_status(reason.code(), message) }
    }

    pub(crate) fn system(what: &str, error: &io::Error) -> Self {
        let os_error = error.raw_os_error().unwrap_or(0);
        Self { os_error, ..Self::abi(AbiStatus::NoResources, format!("{what}: {error}")) }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::reason(Reason::Internal, message)
    }

    pub(crate) fn is_cancel(&self) -> bool {
        self.status == Reason::Cancelled.code()
    }

    fn with_status(status: i32, message: impl Into<String>) -> Self {
        Self {
            status,
            original: status::original(status),
            retryable: false,
            os_error: 0,
            file: None,
            resume_at: 0,
            message: message.into(),
        }
    }
}

impl From<&TransferError> for Failure {
    fn from(error: &TransferError) -> Self {
        let code = i32::try_from(error.status().code());
        let mut cause = error.source();
        let mut os_error = 0;
        while let Some(error) = cause {
            if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error)
            {
                os_error = code;
            }
            cause = error.source();
        }
        let status = error.reason().code();
        Self {
            original: code.ok().filter(|code| *code < 0).unwrap_or(status::original(status)),
            retryable: error.is_transient(),
            os_error,
            ..Self::with_status(status, ftx_io::ErrorChain(error).to_string())
        }
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        Self::from(&error)
    }
}
