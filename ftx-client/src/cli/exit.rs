//! Exit codes.

use ftx_client::TransferError;

/// The exit code of the process; documented in `args`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    // clap exits with 2 for an invalid command line.
    NoConnection = 3,
    Interrupted = 130,
}

impl Exit {
    /// The exit code for a failed transfer.
    pub(crate) fn of(error: &TransferError) -> Self {
        if error.is_cancelled() {
            Self::Interrupted
        } else if error.is_unreachable() || error.is_unauthorised() {
            Self::NoConnection
        } else {
            Self::Failed
        }
    }
}
