//! Typed messages of the legacy dialect.
//!
//! Ids are shared by requests and replies, which carry different entries, so there is one enum for
//! each direction. Numbers are full 64-bit values here although the original programs read only
//! their low 32 bits; who may be sent what is decided by the state machines.

use super::QString;
use crate::Status;

/// The ids of the dialect's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i64)]
pub(crate) enum MessageId {
    /// 100: asks to upload under a name; the reply says what the server holds of it.
    UploadHeader = 100,
    /// 101: says where the bytes go and how many follow.
    UploadPos = 101,
    /// 103: sent by the server, unasked, when all bytes of an upload have arrived.
    UploadTail = 103,
    /// 200: asks to download a name, saying what the client holds of it.
    DownloadHeader = 200,
    /// 202: asks for the raw bytes to start.
    DownloadContent = 202,
    /// 203: says that all bytes have arrived; the reply repeats it.
    DownloadTail = 203,
}

impl MessageId {
    /// All ids of the dialect, ascending.
    pub(crate) const TABLE: [Self; 6] = [
        Self::UploadHeader,
        Self::UploadPos,
        Self::UploadTail,
        Self::DownloadHeader,
        Self::DownloadContent,
        Self::DownloadTail,
    ];

    /// The id with this number, or `None` if the dialect has no such message.
    #[must_use]
    pub(super) fn from_code(code: i64) -> Option<Self> {
        Self::TABLE.into_iter().find(|id| id.code() == code)
    }

    /// The number on the wire.
    #[must_use]
    pub(crate) const fn code(self) -> i64 {
        self as i64
    }
}

/// What a client says.
///
/// `extended` marks an ftx client: it adds the entry `ftx_peer` to its 100 and 200 requests, which
/// original servers ignore and ftx servers answer by adding the same entry to the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegacyRequest {
    /// 100.
    UploadHeader {
        /// `file_prjpath`: the name below the server's root.
        name: QString,
        /// `ftx_peer` is there.
        extended: bool,
    },
    /// 101.
    UploadPos {
        /// `file_pos`: where the bytes go.
        pos: i64,
        /// `file_size`: how many bytes **follow**, not the file's size.
        len: i64,
    },
    /// 200.
    DownloadHeader {
        /// `file_prjpath`.
        name: QString,
        /// `file_pos`: how many bytes the client holds.
        pos: i64,
        /// `file_md5`: the MD5 of those bytes, null if there is no local file.
        md5: QString,
        /// `ftx_peer` is there.
        extended: bool,
    },
    /// 202.
    DownloadContent {
        /// `reply_status`: always 0.
        status: Status,
    },
    /// 203.
    DownloadTail {
        /// `reply_status`: always 0.
        status: Status,
    },
    /// Any other id; its entries mean nothing.
    Unknown {
        /// The id as it came.
        id: i64,
    },
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegacyReply {
    /// Reply to 100.
    UploadHeader {
        /// `reply_status`.
        status: Status,
        /// `file_pos`: how many bytes the server holds.
        pos: i64,
        /// `file_md5`: the MD5 of those bytes; null when there are none.
        md5: QString,
        /// `ftx_peer` is there: the server keeps what an upload resumes from, and its 103 is honest.
        extended: bool,
        /// `ftx_peer` is 2: the bytes are the published file; otherwise they are a staging, which
        /// is not a file yet. Means nothing unless `extended`.
        published: bool,
    },
    /// Reply to 101.
    UploadPos {
        /// `reply_status`.
        status: Status,
    },
    /// 103, unasked.
    UploadTail {
        /// `reply_status`.
        status: Status,
        /// `file_md5` of the whole stored file, sent to ftx clients only; null otherwise, and then
        /// the entry is left out.
        md5: QString,
    },
    /// Reply to 200.
    DownloadHeader {
        /// `reply_status`.
        status: Status,
        /// `file_pos`: where the bytes go on from.
        pos: i64,
        /// `file_size`: how many bytes **follow**, not the file's size.
        len: i64,
        /// `file_md5` of the whole file where the server knows it, sent to ftx clients only; null
        /// otherwise, and then the entry is left out.
        md5: QString,
        /// `ftx_peer` is there.
        extended: bool,
    },
    /// Reply to 203.
    DownloadTail {
        /// `reply_status`.
        status: Status,
    },
    /// An answer with another id: what an original server sends for a request it does not know.
    Unknown {
        /// The id as it came.
        id: i64,
    },
}
