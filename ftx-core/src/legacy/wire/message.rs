//! Typed messages of the legacy dialect.
//!
//! Requests and replies share ids but carry different entries, so there is one enum for each direction.
//! Numbers have all 64 bits here, although the original programs read only the low 32; the state
//! machines keep numbers to an original peer small enough.

use super::QString;
use crate::Status;

/// The ids of the dialect's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i64)]
pub(crate) enum MessageId {
    /// 100: requests an upload; the reply offers the bytes that the server holds.
    UploadHeader = 100,
    /// 101: announces offset and number of the bytes that follow.
    UploadPos = 101,
    /// 103: sent by the server, unasked, when all bytes of an upload have arrived.
    UploadTail = 103,
    /// 200: requests a download, with the bytes that the client holds.
    DownloadHeader = 200,
    /// 202: requests the raw bytes.
    DownloadContent = 202,
    /// 203: confirms that all bytes have arrived; the reply repeats it.
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

/// A client's message.
///
/// `extended` marks an ftx client: it adds the entry `ftx_peer` to its 100 and 200 requests, which
/// original servers ignore and ftx servers answer by adding the same entry to the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegacyRequest {
    /// 100.
    UploadHeader {
        /// `file_prjpath`: the name below the server's root.
        name: QString,
        /// Whether `ftx_peer` is present.
        extended: bool,
    },
    /// 101.
    UploadPos {
        /// `file_pos`: offset of the first byte.
        pos: i64,
        /// `file_size`: the number of bytes that **follow**, not the file's size.
        len: i64,
    },
    /// 200.
    DownloadHeader {
        /// `file_prjpath`.
        name: QString,
        /// `file_pos`: the number of bytes that the client holds.
        pos: i64,
        /// `file_md5`: the MD5 of those bytes, null if there is no local file.
        md5: QString,
        /// Whether `ftx_peer` is present.
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
    /// Any other id; its entries are ignored.
    Unknown {
        /// The id as received.
        id: i64,
    },
}

/// A server's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegacyReply {
    /// Reply to 100.
    UploadHeader {
        /// `reply_status`.
        status: Status,
        /// `file_pos`: the number of bytes that the server holds.
        pos: i64,
        /// `file_md5`: the MD5 of those bytes; null when there are none.
        md5: QString,
        /// Whether `ftx_peer` is present: the server keeps the bytes that an upload resumes from, and its
        /// 103 is honest.
        extended: bool,
        /// Whether `ftx_peer` is 2: the bytes are the published file; otherwise they are a staging,
        /// which is not a file yet. Meaningless unless `extended`.
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
        /// `file_pos`: the offset to resume from.
        pos: i64,
        /// `file_size`: the number of bytes that **follow**, not the file's size.
        len: i64,
        /// `file_md5` of the whole file if the server knows it, sent to ftx clients only; null
        /// otherwise, and then the entry is left out.
        md5: QString,
        /// Whether `ftx_peer` is present.
        extended: bool,
    },
    /// Reply to 203.
    DownloadTail {
        /// `reply_status`.
        status: Status,
    },
    /// An answer with another id: an original server's reply to an unknown request.
    Unknown {
        /// The id as received.
        id: i64,
    },
}
