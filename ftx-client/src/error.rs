//! Why a transfer failed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ftx_core::legacy::download::DownloadError;
use ftx_core::legacy::upload::UploadError;
use ftx_core::legacy::wire::DecodeError;
use ftx_core::{Md5Digest, NameError, Status};
use ftx_io::WireError;
use ftx_store::StoreError;

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
    #[error("{} changed while it was being sent; send it again when it is finished", path.display())]
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
    /// A download failed as the protocol sees it.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A local file could not be read or written.
    #[error("local file")]
    Local(#[source] StoreError),
    /// The local path gives no name to use on the server.
    #[error("{} has no name that can be used on the server; choose one with --as", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// The name cannot be used on a server.
    #[error("the name '{name}' cannot be used on a server")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: NameError,
    },
    /// Nothing came for too long.
    #[error("the server said nothing for {}", humantime::format_duration(*.0))]
    Timeout(Duration),
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

impl From<WireError> for TransferError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Closed => Self::Closed,
            WireError::Io(error) => Self::Connection(error),
            WireError::Stopped => Self::Cancelled,
            WireError::Timeout(limit) => Self::Timeout(limit),
            other => Self::Connection(io::Error::other(other)),
        }
    }
}

impl TransferError {
    /// The status that stands for this error.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Cancelled | Self::Timeout(_) | Self::Closed | Self::Connection(_) => {
                Status::Timeout
            }
            Self::Changed { .. } | Self::NoName { .. } | Self::Name { .. } => Status::OpenError,
            Self::Connect { .. } => Status::ConnectError,
            Self::Decode(_) => Status::UnknownData,
            Self::Digest { .. } => Status::DownloadError,
            Self::Download(error) => error.status(),
            Self::Local(error) => error.status(),
            Self::Upload(error) => error.status(),
        }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Closed
            | Self::Connect { .. }
            | Self::Connection(_)
            | Self::Digest { .. }
            | Self::Timeout(_) => true,
            Self::Upload(error) => {
                matches!(error, UploadError::NotStored { .. } | UploadError::OfferGone(_))
            }
            Self::Cancelled
            | Self::Changed { .. }
            | Self::Decode(_)
            | Self::Download(_)
            | Self::Local(_)
            | Self::Name { .. }
            | Self::NoName { .. } => false,
        }
    }
}
