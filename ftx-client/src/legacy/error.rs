//! Failures of the legacy dialect as transfer errors. All of them become errors here.

use std::io;
use std::path::Path;

use ftx_core::Status;
use ftx_core::legacy::ProtocolError;
use ftx_core::legacy::download::DownloadError;
use ftx_core::legacy::upload::UploadError;
use ftx_core::legacy::wire::DecodeError;
use ftx_core::native::Reason;
use ftx_store::StoreError;

use crate::TransferError;

/// The status by which our servers report in the legacy dialect that they have no room for another
/// transfer. Original servers never send it: it stands for a connection that cannot be made.
const CROWDED: Status = Status::ConnectError;

/// A driver asked its machine for an input that does not fit.
pub(super) fn out_of_step() -> TransferError {
    ProtocolError::OutOfStep.into()
}

/// The local file `path` cannot be read while it is sent. A file that ends early has changed.
pub(super) fn read_failed(path: &Path, error: io::Error) -> TransferError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return TransferError::local_changed(path);
    }
    StoreError::io("read", path, error).into()
}

/// The error of a download. The machine knows a local failure by its status only, so its `cause`
/// replaces that.
pub(super) fn download_failed(error: DownloadError, cause: Option<StoreError>) -> TransferError {
    match (error, cause) {
        (DownloadError::NotStored(_), Some(cause)) => cause.into(),
        (error, _) => error.into(),
    }
}

impl From<DecodeError> for TransferError {
    fn from(error: DecodeError) -> Self {
        let text = "the server sent bytes that are no ftx message; is it another kind of server?";
        Self::new(Reason::Malformed, text).caused_by(error)
    }
}

// The machines' errors are complete sentences about the transfer: they are the text, not its cause.

impl From<ProtocolError> for TransferError {
    fn from(error: ProtocolError) -> Self {
        Self::new(Reason::OutOfStep, error.to_string())
    }
}

impl From<UploadError> for TransferError {
    fn from(error: UploadError) -> Self {
        let text = error.to_string();
        let converted = match &error {
            UploadError::Refused(status) => refused_by_code(*status, text),
            UploadError::OfferGone(status) => refused_by_code(*status, text).with_transience(true),
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
            DownloadError::Refused(status) => refused_by_code(*status, text),
            DownloadError::NotStored(status) => Self::new(reason_of_code(*status), text),
            // `Unexpected`, `Protocol`, and the variants of later versions.
            _ => Self::new(Reason::OutOfStep, text),
        };
        converted.with_status(error.status())
    }
}

/// A refusal in the legacy dialect.
fn refused_by_code(status: Status, text: String) -> TransferError {
    TransferError::refusal(reason_of_code(status), text).with_transience(status == CROWDED)
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use ftx_core::Status;
    use ftx_core::legacy::download::DownloadError;
    use ftx_core::legacy::upload::UploadError;
    use ftx_core::native::Reason;
    use ftx_store::StoreError;

    use super::{download_failed, out_of_step, read_failed};
    use crate::TransferError;

    #[test]
    fn a_refusal_of_an_original_server_keeps_its_code() {
        let code = |status| TransferError::from(UploadError::Refused(status)).reason().code();
        assert_eq!(code(Status::OpenError), -2);
        assert_eq!(code(Status::Other(-77)), -77);
        assert_eq!(code(Status::AlreadyExists), Reason::AlreadyExists.code());
        for nonsense in [0, 5, i64::MIN, i64::MAX] {
            assert_eq!(code(Status::from_code(nonsense)), Reason::Malformed.code());
        }
        for status in [Status::AlreadyExists, Status::Other(-77), Status::OpenError] {
            assert_eq!(TransferError::from(DownloadError::Refused(status)).status(), status);
        }
    }

    #[test]
    fn a_server_without_room_is_retried() {
        for (status, is_transient) in [(Status::ConnectError, true), (Status::OpenError, false)] {
            let errors: [TransferError; 2] =
                [UploadError::Refused(status).into(), DownloadError::Refused(status).into()];
            assert_eq!(errors.map(|error| error.is_transient()), [is_transient; 2], "{status:?}");
        }
        assert!(TransferError::from(UploadError::OfferGone(Status::OpenError)).is_transient());
    }

    #[test]
    fn a_server_that_refuses_by_a_code_of_the_client_does_not_cancel() {
        let code = i64::from(Reason::Cancelled.code());
        assert!(!TransferError::from(UploadError::Refused(Status::Other(code))).is_cancelled());
    }

    #[test]
    fn a_failed_download_names_its_local_cause() {
        let cause = || Some(StoreError::BadName { path: "a".into() });
        let stored = download_failed(DownloadError::NotStored(Status::WriteError), cause());
        assert!(stored.store_error().is_some());
        let refused = download_failed(DownloadError::Refused(Status::OpenError), cause());
        assert!(refused.store_error().is_none());
        let unknown = download_failed(DownloadError::NotStored(Status::WriteError), None);
        assert_eq!(unknown.status(), Status::WriteError);
    }

    #[test]
    fn a_file_that_ends_early_has_changed() {
        let reason = |kind| read_failed(Path::new("a"), io::Error::from(kind)).reason();
        assert_eq!(reason(io::ErrorKind::UnexpectedEof), Reason::LocalChanged);
        assert_eq!(reason(io::ErrorKind::NotFound), Reason::LocalNotFound);
    }

    #[test]
    fn a_driver_out_of_step_is_an_error_of_the_protocol() {
        let error = out_of_step();
        assert_eq!((error.reason(), error.status()), (Reason::OutOfStep, Status::UnknownData));
    }
}
