//! Status codes: one table for the wire, the libraries, the command line and the C ABI.

use core::ffi::CStr;
use core::fmt;

macro_rules! status_table {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal, $text:literal; )+) => {
        /// How an operation ended, as the protocol and every API of ftx express it.
        ///
        /// The codes from 0 to -10 are those of the original Qt system and keep their numbers
        /// everywhere. A code outside the table is kept as [`Other`](Self::Other), because the
        /// original hands any non-zero code to its caller.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Status {
            $( $(#[doc = $doc])+ $variant, )+
            /// A code outside the table, kept as it came.
            Other(i64),
        }

        impl Status {
            /// All statuses of the table, in its order.
            pub const TABLE: &'static [Status] = &[ $( Status::$variant, )+ ];

            /// The number on the wire and in the APIs.
            #[must_use]
            pub const fn code(self) -> i64 {
                match self {
                    $( Status::$variant => $code, )+
                    Status::Other(code) => code,
                }
            }

            /// The status with this number. An unknown number becomes [`Other`](Self::Other).
            #[must_use]
            pub const fn from_code(code: i64) -> Self {
                match code {
                    $( $code => Status::$variant, )+
                    other => Status::Other(other),
                }
            }

            /// The original system's name of the code, `UNKNOWN` outside the table.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $( Status::$variant => $name, )+
                    Status::Other(_) => "UNKNOWN",
                }
            }

            /// The same as [`text`](Self::text), for C.
            #[must_use]
            pub const fn text_for_c(self) -> &'static CStr {
                match self {
                    $( Status::$variant => c_text(concat!($text, "\0")), )+
                    Status::Other(_) => c"unknown status",
                }
            }

            /// The meaning of the code, as a sentence fragment in lower case.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $( Status::$variant => $text, )+
                    Status::Other(_) => "unknown status",
                }
            }
        }
    };
}

/// A text that ends with its only NUL, as every one in the table does; a test reads them all.
pub(crate) const fn c_text(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    }
}

status_table! {
    /// Done.
    Ok = 0, "OK", "done";
    /// Writing failed: no space, an I/O error, or the bytes were refused.
    WriteError = -1, "FILE_WRITE_ERROR", "the file could not be written";
    /// The file cannot be opened: missing, no permission, a directory, or the name is refused.
    OpenError = -2, "FILE_OPEN_ERROR", "the file could not be opened";
    /// The file cannot be resumed at this position.
    SeekError = -3, "FILE_SEEK_ERROR", "the position is not valid for this file";
    /// Both sides hold the same file already; APIs turn it into [`Ok`](Self::Ok).
    AlreadyExists = -4, "FILE_ALREADY_EXISTS_ERROR", "the file is already there";
    /// The peer was silent for too long, or closed the connection.
    Timeout = -5, "RECV_DATA_TIMEOUT_ERROR", "no answer in time, or the connection was lost";
    /// The peer sent an answer that does not fit the request.
    UnknownData = -6, "RECV_UNKNOW_DATA_ERROR", "an answer that does not fit the request";
    /// The server could not be reached.
    ConnectError = -7, "CONNECT_SERVER_ERROR", "the server could not be reached";
    /// The upload failed for a reason no other code names.
    UploadError = -8, "UPLOAD_FILE_ERROR", "the upload failed";
    /// The download failed, or the peer cannot receive the file.
    DownloadError = -10, "DOWNLOAD_FILE_ERROR", "the download failed";
}

impl Status {
    /// Whether this is [`Status::Ok`].
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Status::Ok)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.text(), self.name(), self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Status;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    #[test]
    fn codes_are_those_of_the_original_system() {
        let codes: Vec<i64> = Status::TABLE.iter().map(|s| s.code()).collect();
        assert_eq!(codes, [0, -1, -2, -3, -4, -5, -6, -7, -8, -10]);
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for code in (-20..20).chain([i64::MIN, i64::MAX]) {
            assert_eq!(Status::from_code(code).code(), code);
        }
    }

    #[test]
    fn the_text_for_c_is_the_text() {
        for status in Status::TABLE.iter().copied().chain([Status::Other(7)]) {
            assert_eq!(status.text_for_c().to_str(), Ok(status.text()));
        }
    }

    #[test]
    fn names_and_texts_are_distinct() {
        let names: BTreeSet<_> = Status::TABLE.iter().map(|s| s.name()).collect();
        let texts: BTreeSet<_> = Status::TABLE.iter().map(|s| s.text()).collect();
        assert_eq!((names.len(), texts.len()), (Status::TABLE.len(), Status::TABLE.len()));
    }
}
