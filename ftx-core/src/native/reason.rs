//! Reasons of failures, finer than a status: one table for the wire, the libraries and C.

use core::ffi::CStr;
use core::fmt;

use crate::Status;
use crate::status::c_text;

macro_rules! reason_table {
    ($( $(#[doc = $doc:literal])+
        $variant:ident = $code:literal, $name:literal, $status:ident, $scope:ident, $again:literal,
            $text:literal;
    )+) => {
        /// Why an operation failed.
        ///
        /// Codes lie below -100, below all of [`Status`], and never change. Their groups are the
        /// network (from -101), the protocol (-201), the client's own files (-301), refusals of the
        /// server (-401), mistakes of the caller (-501) and faults of ftx itself (-601). A code
        /// outside the table is kept as [`Other`](Self::Other): a newer peer may know more.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $( $(#[doc = $doc])+ $variant, )+
            /// A code outside the table, kept as it came.
            Other(i32),
        }

        impl Reason {
            /// All reasons of the table, in its order.
            pub const TABLE: &'static [Reason] = &[ $( Reason::$variant, )+ ];

            /// The number on the wire and in the APIs.
            #[must_use]
            pub const fn code(self) -> i32 {
                match self {
                    $( Reason::$variant => $code, )+
                    Reason::Other(code) => code,
                }
            }

            /// The reason with this number. An unknown number becomes [`Other`](Self::Other).
            #[must_use]
            pub const fn from_code(code: i32) -> Self {
                match code {
                    $( $code => Reason::$variant, )+
                    other => Reason::Other(other),
                }
            }

            /// The name of the code, `UNKNOWN` outside the table.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $( Reason::$variant => $name, )+
                    Reason::Other(_) => "UNKNOWN",
                }
            }

            /// The meaning of the code, as a sentence fragment in lower case.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $( Reason::$variant => $text, )+
                    Reason::Other(_) => "unknown reason",
                }
            }

            /// The same as [`text`](Self::text), for C.
            #[must_use]
            pub const fn text_for_c(self) -> &'static CStr {
                match self {
                    $( Reason::$variant => c_text(concat!($text, "\0")), )+
                    Reason::Other(_) => c"unknown reason",
                }
            }

            /// The status for interfaces that know only the original's codes. It never means
            /// success.
            #[must_use]
            pub const fn status(self) -> Status {
                match self {
                    $( Reason::$variant => Status::$status, )+
                    Reason::Other(code) => status_of_unknown(code),
                }
            }

            /// The part of a client that the failure affects besides the failed request.
            #[must_use]
            pub const fn scope(self) -> Scope {
                match self {
                    $( Reason::$variant => Scope::$scope, )+
                    Reason::Other(code) => scope_of_unknown(code),
                }
            }

            /// Whether a retry may succeed without any change by the user.
            #[must_use]
            pub const fn may_pass(self) -> bool {
                match self {
                    $( Reason::$variant => $again, )+
                    Reason::Other(_) => false,
                }
            }
        }
    };
}

/// The part of a client that a failure affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// The call as a whole: the caller stopped it, its arguments are wrong, or ftx has a fault.
    Client,
    /// The connection: the files on it did not fail, and another connection can resume them.
    Connection,
    /// The file of the request.
    File,
    /// The peer's messages: nothing further on this connection can be trusted.
    Protocol,
}

const fn scope_of_unknown(code: i32) -> Scope {
    match code {
        -200..=-101 => Scope::Connection,
        -300..=-201 => Scope::Protocol,
        -700..=-501 => Scope::Client,
        _ => Scope::File,
    }
}

const fn status_of_unknown(code: i32) -> Status {
    match code {
        // As an `i64`; `From` is not const.
        -100..0 => match Status::from_code(code as i64) {
            Status::AlreadyExists | Status::Other(_) => Status::UnknownData,
            known => known,
        },
        -200..=-101 => Status::Timeout,
        -400..=-301 => Status::OpenError,
        -500..=-401 => Status::WriteError,
        -600..=-501 => Status::OpenError,
        _ => Status::UnknownData,
    }
}

reason_table! {
    /// The server's host name has no address.
    AddressNotFound = -101, "ADDRESS_NOT_FOUND", ConnectError, Connection, true,
        "the server's name has no address";
    /// No connection to the server could be made.
    ConnectFailed = -102, "CONNECT_FAILED", ConnectError, Connection, true,
        "no connection to the server could be made";
    /// The connection broke.
    ConnectionLost = -103, "CONNECTION_LOST", Timeout, Connection, true,
        "the connection was lost";
    /// The peer was silent for too long.
    TimedOut = -104, "TIMED_OUT", Timeout, Connection, true,
        "the peer said nothing for too long";
    /// No encrypted connection could be made: a bad certificate, or no common cipher.
    TlsFailed = -105, "TLS_FAILED", ConnectError, Connection, false,
        "no encrypted connection could be made";

    /// The peer's bytes are not a message.
    Malformed = -201, "MALFORMED", UnknownData, Protocol, false,
        "the peer's bytes are no valid message";
    /// The peer speaks another protocol.
    OtherDialect = -202, "OTHER_DIALECT", UnknownData, Protocol, false,
        "the peer speaks another protocol";
    /// Both sides speak FTX, but have no version in common.
    NoCommonVersion = -203, "NO_COMMON_VERSION", UnknownData, Protocol, false,
        "both sides have no version of the protocol in common";
    /// A message came where it does not belong.
    OutOfStep = -204, "OUT_OF_STEP", UnknownData, Protocol, false,
        "a message came where it does not belong";
    /// The peer exceeded an announced limit.
    LimitExceeded = -205, "LIMIT_EXCEEDED", UnknownData, Protocol, false,
        "the peer exceeded a limit of the protocol";

    /// The local file does not exist.
    LocalNotFound = -301, "LOCAL_NOT_FOUND", OpenError, File, false,
        "the local file does not exist";
    /// The local file may not be opened.
    LocalPermissionDenied = -302, "LOCAL_PERMISSION_DENIED", OpenError, File, false,
        "no permission for the local file";
    /// The local path is not a regular file.
    LocalNotAFile = -303, "LOCAL_NOT_A_FILE", OpenError, File, false,
        "the local path is not a regular file";
    /// No space for the local file.
    LocalNoSpace = -304, "LOCAL_NO_SPACE", WriteError, File, false,
        "no space left for the local file";
    /// The local file could not be read or written.
    LocalIoError = -305, "LOCAL_IO_ERROR", WriteError, File, false,
        "the local file could not be read or written";
    /// The local file was changed while it was sent.
    LocalChanged = -306, "LOCAL_CHANGED", UploadError, File, true,
        "the local file was changed meanwhile";
    /// Another process writes to the local file.
    LocalInUse = -307, "LOCAL_IN_USE", OpenError, File, true,
        "the local file is in use";
    /// The local file exists, and must not be replaced.
    LocalAlreadyExists = -308, "LOCAL_ALREADY_EXISTS", OpenError, File, false,
        "the local file is there already";

    /// The name breaks the rules for names.
    NameRefused = -401, "NAME_REFUSED", OpenError, File, false,
        "the name is not allowed";
    /// There is no such file.
    NotFound = -402, "NOT_FOUND", OpenError, File, false,
        "there is no such file on the server";
    /// The server lacks permission for its own file.
    PermissionDenied = -403, "PERMISSION_DENIED", OpenError, File, false,
        "the server has no permission for the file";
    /// The name belongs to a directory or a special file.
    NotAFile = -404, "NOT_A_FILE", OpenError, File, false,
        "the name is not that of a file";
    /// The server has no space for the file.
    NoSpace = -405, "NO_SPACE", WriteError, File, false,
        "no space left on the server";
    /// The file exists, and must not be replaced. The status of nearly the same name means
    /// success.
    AlreadyExists = -406, "ALREADY_EXISTS", OpenError, File, false,
        "there is such a file on the server already";
    /// The file to replace does not have the expected digest.
    PreconditionFailed = -407, "PRECONDITION_FAILED", OpenError, File, false,
        "the file on the server is not the expected one";
    /// The file no longer has the requested version.
    Changed = -408, "CHANGED", DownloadError, File, true,
        "the file on the server was changed meanwhile";
    /// The same run returned on another connection, or another run of the same source took over a
    /// stalled upload. It resumes from the stored blocks.
    TakenOver = -409, "TAKEN_OVER", UploadError, File, false,
        "the upload was taken over by another connection";
    /// Another connection is using the file.
    Busy = -410, "BUSY", UploadError, File, true,
        "the file is in use on the server";
    /// The stored file does not have the digest that the client announced.
    DigestMismatch = -411, "DIGEST_MISMATCH", WriteError, File, true,
        "the stored file does not have the announced digest";
    /// A block was damaged on its way.
    BlockMismatch = -412, "BLOCK_MISMATCH", WriteError, File, true,
        "a block did not arrive as it was sent";
    /// The server could not read or write its file.
    IoError = -413, "IO_ERROR", WriteError, File, false,
        "the server could not read or write the file";
    /// The file is larger than the server accepts.
    TooLarge = -414, "TOO_LARGE", WriteError, File, false,
        "the file is too large for the server";
    /// The server is shutting down.
    ShuttingDown = -415, "SHUTTING_DOWN", ConnectError, Connection, true,
        "the server is shutting down";
    /// The server does not accept the client's credentials.
    Unauthorised = -416, "UNAUTHORISED", ConnectError, File, false,
        "the server does not accept the credentials";
    /// The client has more open requests or connections than the server allows.
    TooManyRequests = -417, "TOO_MANY_REQUESTS", ConnectError, File, true,
        "too many requests at a time";
    /// The server does not support the request.
    Unsupported = -418, "UNSUPPORTED", UnknownData, File, false,
        "the server does not support the request";
    /// The user has no right to do this with the name.
    Forbidden = -419, "FORBIDDEN", OpenError, File, false,
        "the user has no right to do this";
    /// The file does not fit the user's quota.
    QuotaExceeded = -420, "QUOTA_EXCEEDED", WriteError, File, false,
        "the file exceeds the user's quota";

    /// An argument is invalid.
    InvalidArgument = -501, "INVALID_ARGUMENT", OpenError, Client, false,
        "an argument is not valid";
    /// The server's address cannot be read.
    InvalidAddress = -502, "INVALID_ADDRESS", ConnectError, Client, false,
        "the server's address is not valid";
    /// The caller cancelled the transfer.
    Cancelled = -503, "CANCELLED", Timeout, Client, false,
        "cancelled; it can be continued";

    /// A fault of ftx itself.
    Internal = -601, "INTERNAL", UnknownData, Client, false,
        "an internal error; please report it";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.text(), self.name(), self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use super::{Reason, Scope};
    use crate::Status;

    #[test]
    fn codes_do_not_change() {
        let codes: Vec<i32> = Reason::TABLE.iter().map(|reason| reason.code()).collect();
        let groups = [(101, 5), (201, 5), (301, 8), (401, 20), (501, 3), (601, 1)];
        let expected = groups.iter().flat_map(|&(first, count)| (first..first + count).map(|n| -n));
        assert_eq!(codes, expected.collect::<Vec<_>>());
        let named = [Reason::NameRefused, Reason::Changed, Reason::Unsupported, Reason::Internal];
        assert_eq!(named.map(Reason::code), [-401, -408, -418, -601]);
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for code in (-700..10).chain([i32::MIN, i32::MAX]) {
            assert_eq!(Reason::from_code(code).code(), code);
        }
    }

    #[test]
    fn no_reason_looks_like_success() {
        for code in (-700..10).chain([i32::MIN, i32::MAX]) {
            let status = Reason::from_code(code).status();
            assert!(!matches!(status, Status::Ok | Status::AlreadyExists | Status::Other(_)));
        }
    }

    #[test]
    fn unknown_codes_go_by_their_group() {
        let statuses = [-5, -199, -299, -399, -499, -599, 0].map(|c| Reason::Other(c).status());
        use Status::{OpenError, Timeout, UnknownData, WriteError};
        let expected =
            [Timeout, Timeout, UnknownData, OpenError, WriteError, OpenError, UnknownData];
        assert_eq!(statuses, expected);
    }

    #[test]
    fn the_scope_follows_the_group_but_for_a_server_that_shuts_down() {
        for reason in Reason::TABLE {
            let by_group = Reason::Other(reason.code()).scope();
            match reason {
                Reason::ShuttingDown => assert_eq!(reason.scope(), Scope::Connection),
                _ => assert_eq!(reason.scope(), by_group, "{reason}"),
            }
        }
    }

    #[test]
    fn names_and_texts_are_distinct_and_the_text_for_c_is_the_text() {
        let names: BTreeSet<_> = Reason::TABLE.iter().map(|reason| reason.name()).collect();
        let texts: BTreeSet<_> = Reason::TABLE.iter().map(|reason| reason.text()).collect();
        assert_eq!((names.len(), texts.len()), (Reason::TABLE.len(), Reason::TABLE.len()));
        for reason in Reason::TABLE.iter().copied().chain([Reason::Other(7)]) {
            assert_eq!(reason.text_for_c().to_str(), Ok(reason.text()));
        }
    }
}
