//! Why a transfer failed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ftx_core::legacy::Md5Digest;
use ftx_core::legacy::download::DownloadError;
use ftx_core::legacy::upload::UploadError;
use ftx_core::legacy::wire::DecodeError;
use ftx_core::native::download::FetchError;
use ftx_core::native::wire::FrameError;
use ftx_core::native::{Reason, StepError};
use ftx_core::{NameError, Status};
use ftx_io::{ReadError, StreamError};
use ftx_store::{Side, StoreError};

use crate::ServerAddr;

/// Why a transfer failed. What was transferred before is kept on the receiving side, and a later
/// try goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The caller stopped it.
    #[error("cancelled; what was transferred is kept, and the same command goes on from there")]
    Cancelled,
    /// The local file changed while it was being sent.
    #[error("{path:?} changed while it was being sent; send it again when it is finished")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// No connection could be made.
    #[error("cannot connect to {address}; is the server running there?")]
    Connect {
        /// The server.
        address: ServerAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[source] io::Error),
    /// The server does not speak the protocol.
    #[error("the server sent something that is no ftx message; is it another kind of server?")]
    Decode(#[from] DecodeError),
    /// The whole file is here, but it is not what the server has.
    #[error("the file arrived as MD5 {received}, but the server has {expected}; try again")]
    Digest {
        /// MD5 of what arrived.
        received: Md5Digest,
        /// MD5 of the server's file.
        expected: Md5Digest,
    },
    /// A file did not arrive as it was sent.
    #[error("{name:?} did not arrive as it was sent; try again")]
    Damaged {
        /// The file.
        name: String,
    },
    /// A download failed as the protocol sees it.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A download in blocks failed as the protocol sees it.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The server's bytes are no FTX frame.
    #[error("the server sent something that is no ftx message; is it of another version?")]
    Frame(#[from] FrameError),
    /// The server answers the greeting with something unknown.
    #[error("the server is neither an ftx server nor an original one; check the port")]
    Greeting(#[source] FrameError),
    /// A fault of this program.
    #[error("an internal error: {message}; please report it")]
    Internal {
        /// What is known of it.
        message: String,
    },
    /// What was cached of a local file is not what the file has.
    #[error("what was known of {path:?} is outdated; the file is read again")]
    Outdated {
        /// The file.
        path: PathBuf,
    },
    /// A local file could not be read or written.
    #[error("local file")]
    Local(#[source] StoreError),
    /// The local path gives no name to use on the server.
    #[error("{path:?} has no name that can be used on the server; choose one with --as")]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// The name cannot be used on a server.
    #[error("the name {name:?} cannot be used on a server")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: NameError,
    },
    /// The server does not speak the native dialect, which this needs.
    #[error("the server speaks the original protocol only, which cannot do that")]
    NotNative,
    /// The server refused.
    #[error("the server refused: {message}")]
    Refused {
        /// Why.
        reason: Reason,
        /// What the server says about it.
        message: String,
    },
    /// The same as for another file, where it is about both.
    #[error("{message}")]
    Same {
        /// Why.
        reason: Reason,
        /// What that other error says.
        message: String,
        /// Whether trying again may help.
        is_transient: bool,
    },
    /// The server broke the protocol.
    #[error("the server broke the protocol")]
    Step(#[from] StepError),
    /// The server says that the file is done, but names the digest of another one.
    #[error("the server says that it stored other bytes than were sent; the server is at fault")]
    StoredOther,
    /// Nothing came for too long.
    #[error("the server said nothing for {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// A local directory could not be read.
    #[error("{path:?} cannot be read: {detail}")]
    Unreadable {
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// An upload failed as the protocol sees it.
    #[error(transparent)]
    Upload(#[from] UploadError),
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        match error {
            // Nothing but the caller's wish stops work on a local file.
            StoreError::Cancelled { .. } => Self::Cancelled,
            error => Self::Local(error),
        }
    }
}

impl From<StreamError> for TransferError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed => Self::Closed,
            StreamError::Io(error) => Self::Connection(error),
            StreamError::Stopped => Self::Cancelled,
            StreamError::Timeout(limit) => Self::Timeout(limit),
            other => Self::Connection(io::Error::other(other)),
        }
    }
}

impl From<ReadError> for TransferError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Frame(error) => error.into(),
            ReadError::Stream(error) => error.into(),
            other => Self::Connection(io::Error::other(other)),
        }
    }
}

impl TransferError {
    /// Whether it says nothing about the file.
    pub(crate) fn is_about_connection(&self) -> bool {
        match self {
            Self::Closed | Self::Connect { .. } | Self::Connection(_) | Self::Timeout(_) => true,
            Self::Refused { reason, .. } => *reason == Reason::ShuttingDown,
            _ => false,
        }
    }

    /// The same again, for another file that it is about.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Cancelled => Self::Cancelled,
            Self::Closed => Self::Closed,
            Self::Connect { address, source } => {
                Self::Connect { address: address.clone(), source: same(source) }
            }
            Self::Connection(source) => Self::Connection(same(source)),
            Self::Internal { message } => Self::Internal { message: message.clone() },
            Self::NotNative => Self::NotNative,
            Self::Refused { reason, message } => {
                Self::Refused { reason: *reason, message: message.clone() }
            }
            Self::Timeout(limit) => Self::Timeout(*limit),
            other => Self::Same {
                reason: other.reason(),
                message: ftx_io::ErrorChain(other).to_string(),
                is_transient: other.is_transient(),
            },
        }
    }

    /// Whether the server broke the protocol.
    pub(crate) fn is_about_protocol(&self) -> bool {
        matches!(self, Self::Decode(_) | Self::Frame(_) | Self::Greeting(_) | Self::Step(_))
    }

    /// The status that stands for this error.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Cancelled | Self::Timeout(_) | Self::Closed | Self::Connection(_) => {
                Status::Timeout
            }
            Self::Changed { .. }
            | Self::Outdated { .. }
            | Self::NoName { .. }
            | Self::Name { .. }
            | Self::Unreadable { .. } => Status::OpenError,
            Self::Connect { .. } => Status::ConnectError,
            Self::Decode(_) => Status::UnknownData,
            Self::Damaged { .. } | Self::Digest { .. } => Status::DownloadError,
            Self::Fetch(error) => error.reason().status(),
            Self::Frame(error) | Self::Greeting(error) => error.reason().status(),
            Self::Internal { .. } => Reason::Internal.status(),
            Self::NotNative => Status::UnknownData,
            Self::Refused { reason, .. } | Self::Same { reason, .. } => reason.status(),
            Self::Step(error) => error.reason().status(),
            Self::StoredOther => Reason::DigestMismatch.status(),
            Self::Download(error) => error.status(),
            Self::Local(error) => error.status(),
            Self::Upload(error) => error.status(),
        }
    }

    /// The reason that stands for this error, finer than its status. What an original server
    /// refuses has no more than its code, which is kept.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Cancelled => Reason::Cancelled,
            Self::Changed { .. } | Self::Outdated { .. } => Reason::LocalChanged,
            Self::Closed | Self::Connection(_) => Reason::ConnectionLost,
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Reason::AddressNotFound
            }
            Self::Connect { .. } => Reason::ConnectFailed,
            Self::Damaged { .. } | Self::Digest { .. } | Self::StoredOther => {
                Reason::DigestMismatch
            }
            Self::Decode(_) => Reason::Malformed,
            Self::Download(error) => match error {
                DownloadError::Refused(status) | DownloadError::NotStored(status) => {
                    refusal(*status)
                }
                // `Unexpected`, `Protocol`, and what a later version may tell apart.
                _ => Reason::OutOfStep,
            },
            Self::Fetch(error) => error.reason(),
            Self::Frame(error) | Self::Greeting(error) => error.reason(),
            Self::Internal { .. } => Reason::Internal,
            Self::Local(error) => error.kind().reason(Side::Client),
            Self::Name { .. } | Self::NoName { .. } => Reason::NameRefused,
            Self::NotNative => Reason::OtherDialect,
            Self::Refused { reason, .. } | Self::Same { reason, .. } => *reason,
            Self::Step(error) => error.reason(),
            Self::Timeout(_) => Reason::TimedOut,
            Self::Unreadable { .. } => Reason::LocalIoError,
            Self::Upload(error) => match error {
                UploadError::Refused(status) | UploadError::OfferGone(status) => refusal(*status),
                UploadError::TooLarge { .. } => Reason::TooLarge,
                UploadError::NotStored { .. } => Reason::DigestMismatch,
                _ => Reason::OutOfStep,
            },
        }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Closed
            | Self::Connect { .. }
            | Self::Connection(_)
            | Self::Damaged { .. }
            | Self::Digest { .. }
            | Self::Outdated { .. }
            | Self::Timeout(_) => true,
            Self::Fetch(error) => error.reason().may_pass(),
            // An offer of an earlier try can reach the server after that of a later one.
            Self::Refused { reason, .. } => reason.may_pass() || *reason == Reason::TakenOver,
            Self::Same { is_transient, .. } => *is_transient,
            Self::Upload(error) => matches!(
                error,
                UploadError::NotStored { .. }
                    | UploadError::OfferGone(_)
                    | UploadError::Refused(CROWDED)
            ),
            Self::Download(error) => matches!(error, DownloadError::Refused(CROWDED)),
            // The other one may be done soon.
            Self::Local(StoreError::PartOfAnother { .. }) => true,
            Self::Cancelled
            | Self::Changed { .. }
            | Self::Decode(_)
            | Self::Frame(_)
            | Self::Greeting(_)
            | Self::Internal { .. }
            | Self::Local(_)
            | Self::Unreadable { .. }
            | Self::Name { .. }
            | Self::NoName { .. }
            | Self::NotNative
            | Self::Step(_)
            | Self::StoredOther => false,
        }
    }
}

/// What our servers say in the legacy dialect while they have no room for another transfer. Originals
/// never send it: they have it stand for a connection that cannot be made.
const CROWDED: Status = Status::ConnectError;

/// What an original server's refusal is; a code that cannot be one is nonsense.
fn refusal(status: Status) -> Reason {
    match i32::try_from(status.code()) {
        Ok(_) if status == Status::AlreadyExists => Reason::AlreadyExists,
        Ok(code) if code < 0 => Reason::from_code(code),
        _ => Reason::Malformed,
    }
}

/// As much of an error as can be told again.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_original_server_refuses_keeps_its_code() {
        let code = |status| TransferError::from(UploadError::Refused(status)).reason().code();
        assert_eq!(code(Status::OpenError), -2);
        assert_eq!(code(Status::Other(-77)), -77);
        assert_eq!(code(Status::AlreadyExists), Reason::AlreadyExists.code());
        for nonsense in [0, 5, i64::MIN, i64::MAX] {
            assert_eq!(code(Status::from_code(nonsense)), Reason::Malformed.code());
        }
    }

    #[test]
    fn a_server_without_room_is_asked_again_in_the_legacy_dialect_too() {
        for (status, again) in [(Status::ConnectError, true), (Status::OpenError, false)] {
            let errors: [TransferError; 2] =
                [UploadError::Refused(status).into(), DownloadError::Refused(status).into()];
            assert_eq!(errors.map(|error| error.is_transient()), [again; 2], "{status:?}");
        }
    }

    #[test]
    fn local_files_and_connections_are_told_apart() {
        let local = |kind| {
            let error = StoreError::io("open", "a", io::Error::from(kind));
            TransferError::from(error).reason()
        };
        assert_eq!(local(io::ErrorKind::NotFound), Reason::LocalNotFound);
        assert_eq!(local(io::ErrorKind::StorageFull), Reason::LocalNoSpace);
        let connect = |kind| {
            let address = ServerAddr::new("host", 1);
            TransferError::Connect { address, source: io::Error::from(kind) }.reason()
        };
        assert_eq!(connect(io::ErrorKind::NotFound), Reason::AddressNotFound);
        assert_eq!(connect(io::ErrorKind::ConnectionRefused), Reason::ConnectFailed);
    }
}
