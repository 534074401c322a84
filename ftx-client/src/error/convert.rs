//! Failures of the layers below as transfer errors.

use std::io;

use ftx_core::Status;
use ftx_core::legacy::download::DownloadError;
use ftx_core::legacy::upload::UploadError;
use ftx_core::legacy::wire::DecodeError;
use ftx_core::native::download::FetchError;
use ftx_core::native::wire::FrameError;
use ftx_core::native::{Reason, StepError};
use ftx_io::{ReadError, StreamError, WorkPanicked};
use ftx_store::{Side, StoreError, StoreErrorKind};

use super::TransferError;

/// The status by which our servers report in the legacy dialect that they have no room for another
/// transfer. Original servers never send it: it stands for a connection that cannot be made.
const CROWDED: Status = Status::ConnectError;

impl TransferError {
    /// The peer answered the handshake with bytes of neither dialect.
    pub(crate) fn handshake(source: FrameError) -> Self {
        let text = "the server is neither an ftx server nor an original one; check the port";
        Self::new(source.reason(), text).caused_by(source)
    }

    pub(crate) fn connection(source: io::Error) -> Self {
        Self::connection_lost().caused_by(source)
    }
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        let kind = error.kind();
        if kind == StoreErrorKind::Cancelled {
            return Self::cancelled();
        }
        Self::new(kind.reason(Side::Client), "local file")
            .with_status(kind.status())
            // The other transfer, whose partial file it is, may end soon.
            .with_transience(kind == StoreErrorKind::PartOfAnother)
            .caused_by(error)
    }
}

impl From<WorkPanicked> for TransferError {
    fn from(error: WorkPanicked) -> Self {
        StoreError::from(error).into()
    }
}

impl From<StreamError> for TransferError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed => Self::closed(),
            StreamError::Io(error) => Self::connection(error),
            StreamError::Stopped => Self::cancelled(),
            StreamError::Timeout(limit) => Self::timed_out(humantime::format_duration(limit)),
            other => Self::connection(io::Error::other(other)),
        }
    }
}

impl From<ReadError> for TransferError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Frame(error) => error.into(),
            ReadError::Stream(error) => error.into(),
            other => Self::connection(io::Error::other(other)),
        }
    }
}

impl From<FrameError> for TransferError {
    fn from(error: FrameError) -> Self {
        let text = "the server sent bytes that are no ftx message; is it of another version?";
        Self::new(error.reason(), text).caused_by(error)
    }
}

impl From<DecodeError> for TransferError {
    fn from(error: DecodeError) -> Self {
        let text = "the server sent bytes that are no ftx message; is it another kind of server?";
        Self::new(Reason::Malformed, text).caused_by(error)
    }
}

impl From<StepError> for TransferError {
    fn from(error: StepError) -> Self {
        Self::new(error.reason(), "the server broke the protocol").caused_by(error)
    }
}

// The machines' errors are complete sentences about the transfer: they are the text, not its cause.

impl From<FetchError> for TransferError {
    fn from(error: FetchError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

impl From<UploadError> for TransferError {
    fn from(error: UploadError) -> Self {
        let text = error.to_string();
        let converted = match &error {
            UploadError::Refused(status) => Self::refused_by_code(*status, text),
            UploadError::OfferGone(status) => {
                Self::refused_by_code(*status, text).with_transience(true)
            }
            UploadError::TooLarge { .. } => Self::new(Reason::TooLarge, text),
            UploadError::NotStored { .. } => Self::new(Reason::DigestMismatch, text),
            // `Unexpected`, `Protocol`, and the variants of later versions.
            _ => Self::new(Reason::OutOfStep, text),
        };
        converted.with_status(error.status())
    }
}

impl From<DownloadError> for TransferError {
    fn from(error: DownloadError) -> Self {
        let text = error.to_string();
        let converted = match &error {
            DownloadError::Refused(status) => Self::refused_by_code(*status, text),
            DownloadError::NotStored(status) => Self::new(reason_of_code(*status), text),
            // `Unexpected`, `Protocol`, and the variants of later versions.
            _ => Self::new(Reason::OutOfStep, text),
        };
        converted.with_status(error.status())
    }
}

impl TransferError {
    /// A refusal in the legacy dialect.
    fn refused_by_code(status: Status, text: String) -> Self {
        Self::refusal(reason_of_code(status), text).with_transience(status == CROWDED)
    }
}

/// The reason that keeps the code of an original server's refusal; `Malformed` for a code that no
/// server refuses with.
fn reason_of_code(status: Status) -> Reason {
    match i32::try_from(status.code()) {
        Ok(_) if status == Status::AlreadyExists => Reason::AlreadyExists,
        Ok(code) if code < 0 => Reason::from_code(code),
        _ => Reason::Malformed,
    }
}
