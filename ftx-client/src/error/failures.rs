//! The table of failures that the client itself detects.

use std::path::Path;

use ftx_core::Status;
use ftx_core::legacy::Md5Digest;
use ftx_core::native::Reason;
use humantime::FormattedDuration;

use super::TransferError;
use crate::ServerAddr;

/// One row per failure: its reason, and its text, which names the operation and its subject. Status and
/// transience are those of the reason, unless the row gives others in brackets.
macro_rules! failures {
    ($( $(#[doc = $doc:literal])+
        $vis:vis $failure:ident($($arg:ident: $type:ty),*) = $reason:ident
            $([$($column:ident: $value:expr),+])?, $text:literal;
    )+) => {
        /// The failures that the client itself detects.
        impl TransferError {
            $(
                $(#[doc = $doc])+
                #[must_use]
                $vis fn $failure($($arg: $type),*) -> Self {
                    Self::new(Reason::$reason, format!($text))
                        $($(.$column($value))+)?
                }
            )+
        }
    };
}

failures! {
    /// The server's host name has no address.
    pub(crate) address_not_found(address: &ServerAddr) = AddressNotFound,
        "cannot connect to {address}; is the server running there?";
    /// The caller stopped the transfer.
    pub cancelled() = Cancelled,
        "cancelled; the transferred bytes are kept, and the same command resumes from there";
    /// The server closed the connection.
    pub(crate) closed() = ConnectionLost,
        "the server closed the connection";
    /// The server refuses the client's certificate, or asks for one.
    pub(crate) certificate_refused() = TlsFailed,
        "the server does not accept the client's certificate";
    /// No connection could be made.
    pub(crate) connect_failed(address: &ServerAddr) = ConnectFailed,
        "cannot connect to {address}; is the server running there?";
    /// The connection failed.
    pub(crate) connection_lost() = ConnectionLost,
        "the connection failed";
    /// A small file did not arrive as it was sent.
    pub(crate) damaged(name: &str) = DigestMismatch [with_status: Status::DownloadError],
        "{name:?} did not arrive as it was sent; try again";
    /// The file of known servers cannot be used.
    pub(crate) known_hosts_unusable() = LocalIoError [with_status: Status::ConnectError],
        "the file of known servers cannot be used";
    /// A plain connection to another machine is not allowed.
    pub(crate) plain_refused(address: &ServerAddr) = TlsFailed,
        "{address} is on another machine, where connections must be encrypted; --insecure allows plain \
         ones";
    /// A token would have to cross the network in plain.
    pub(crate) plain_token(address: &ServerAddr) = TlsFailed,
        "{address} is on another machine, and a token is never sent there without encryption";
    /// A PEM file of the settings cannot be used.
    pub(crate) pem_unusable(expected: &str, path: &Path) =
        InvalidArgument [with_status: Status::ConnectError],
        "{path:?} has no {expected} that can be used";
    /// The settings of TLS cannot be used.
    pub(crate) tls_settings_unusable() = InvalidArgument [with_status: Status::ConnectError],
        "the settings of TLS cannot be used";
    /// No encrypted connection could be made.
    pub(crate) tls_failed(address: &ServerAddr) = TlsFailed,
        "no encrypted connection to {address} could be made";
    /// The server has no TLS.
    pub(crate) tls_missing(address: &ServerAddr) = TlsFailed,
        "{address} does not offer encrypted connections; --insecure allows plain ones";
    /// The server has no TLS, which a token needs.
    pub(crate) tls_missing_for_token(address: &ServerAddr) = TlsFailed,
        "{address} does not offer encrypted connections, and a token is never sent without encryption";
    /// The server has no field for a token.
    pub(crate) token_unused() = OtherDialect [with_status: Status::ConnectError],
        "the server speaks the original protocol only, which has no tokens";
    /// The server's certificate is not trusted.
    pub(crate) untrusted(address: &ServerAddr) = TlsFailed,
        "{address} is not trusted";
    /// The whole file arrived, but it is not the server's file.
    pub(crate) digest_mismatch(received: Md5Digest, expected: Md5Digest) =
        DigestMismatch [with_status: Status::DownloadError],
        "the file arrived as MD5 {received}, but the server has {expected}; try again";
    /// A fault of this program.
    pub(crate) internal(message: &str) = Internal,
        "an internal error: {message}; please report it";
    /// The local file changed while it was sent. A retry would only race with its writer.
    pub(crate) local_changed(path: &Path) =
        LocalChanged [with_status: Status::OpenError, with_transience: false],
        "{path:?} changed while it was being sent; send it again when it is finished";
    /// The name cannot be used on a server.
    pub name_refused(name: &str) = NameRefused,
        "the name {name:?} cannot be used on a server";
    /// The local path gives no name to use on the server.
    pub no_name(path: &Path) = NameRefused,
        "{path:?} has no name that can be used on the server; choose one with --as";
    /// The server does not speak the native dialect, which the call needs.
    pub(crate) not_native() = OtherDialect,
        "the server speaks the original protocol only, which cannot do that";
    /// The cached manifest of a local file is not that of the file.
    pub(crate) outdated_manifest(path: &Path) = LocalChanged [with_status: Status::OpenError],
        "the cached manifest of {path:?} is outdated; the file is read again";
    /// The server confirms the file with the digest of another one. The same bytes would give the same
    /// answer.
    pub(crate) stored_other() = DigestMismatch [with_transience: false],
        "the server stored other bytes than were sent; the server is at fault";
    /// The server sent nothing for too long.
    pub(crate) timed_out(limit: FormattedDuration) = TimedOut,
        "the server sent nothing for {limit}";
    /// A local directory cannot be read.
    pub unreadable(path: &Path, detail: &str) = LocalIoError [with_status: Status::OpenError],
        "{path:?} cannot be read: {detail}";
}
