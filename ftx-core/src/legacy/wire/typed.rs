//! Converts typed messages to raw ones, and back.
//!
//! The entries are listed in Qt 5's order, by descending key. They are read by key, a missing one as 0
//! or null, so any raw message with a known id is a typed one.

use alloc::vec::Vec;

use super::raw::RawMessage;
use super::{LegacyReply, LegacyRequest, MessageId, QString};
use crate::Status;

/// Names of entries, in Qt 5's order.
mod key {
    pub(super) const REPLY_STATUS: &str = "reply_status";
    /// Marks an ftx peer; original programs ignore it.
    pub(super) const FTX_PEER: &str = "ftx_peer";
    pub(super) const FILE_SIZE: &str = "file_size";
    pub(super) const FILE_PRJPATH: &str = "file_prjpath";
    pub(super) const FILE_POS: &str = "file_pos";
    pub(super) const FILE_MD5: &str = "file_md5";
}

/// Values of the entry `ftx_peer`. Every value from 1 on marks an ftx peer.
mod peer {
    pub(super) const EXTENDED: i64 = 1;
    pub(super) const PUBLISHED: i64 = 2;
}

impl LegacyRequest {
    /// The message's id.
    #[must_use]
    pub const fn id(&self) -> i64 {
        match self {
            Self::UploadHeader { .. } => MessageId::UploadHeader.code(),
            Self::UploadPos { .. } => MessageId::UploadPos.code(),
            Self::DownloadHeader { .. } => MessageId::DownloadHeader.code(),
            Self::DownloadContent { .. } => MessageId::DownloadContent.code(),
            Self::DownloadTail { .. } => MessageId::DownloadTail.code(),
            Self::Unknown { id } => *id,
        }
    }

    /// Appends the message to `out`, as Qt 5 writes it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.to_raw().encode(out);
    }

    /// The message as entries, in Qt 5's order.
    #[must_use]
    pub(super) fn to_raw(&self) -> RawMessage {
        let raw = RawMessage::new(self.id());
        match self {
            Self::UploadHeader { name, extended } => {
                raw.with_peer(*extended, peer::EXTENDED).with(key::FILE_PRJPATH, name.clone())
            }
            Self::UploadPos { pos, len } => {
                raw.with(key::FILE_SIZE, *len).with(key::FILE_POS, *pos)
            }
            Self::DownloadHeader { name, pos, md5, extended } => raw
                .with_peer(*extended, peer::EXTENDED)
                .with(key::FILE_PRJPATH, name.clone())
                .with(key::FILE_POS, *pos)
                .with(key::FILE_MD5, md5.clone()),
            Self::DownloadContent { status } | Self::DownloadTail { status } => {
                raw.with_status(*status)
            }
            Self::Unknown { .. } => raw,
        }
    }

    /// Interprets the entries of a client's message.
    #[must_use]
    pub(super) fn from_raw(raw: &RawMessage) -> Self {
        match MessageId::from_code(raw.id) {
            Some(MessageId::UploadHeader) => {
                Self::UploadHeader { name: raw.text(key::FILE_PRJPATH), extended: raw.extended() }
            }
            Some(MessageId::UploadPos) => {
                Self::UploadPos { pos: raw.number(key::FILE_POS), len: raw.number(key::FILE_SIZE) }
            }
            Some(MessageId::DownloadHeader) => Self::DownloadHeader {
                name: raw.text(key::FILE_PRJPATH),
                pos: raw.number(key::FILE_POS),
                md5: raw.text(key::FILE_MD5),
                extended: raw.extended(),
            },
            Some(MessageId::DownloadContent) => Self::DownloadContent { status: raw.status() },
            Some(MessageId::DownloadTail) => Self::DownloadTail { status: raw.status() },
            // 103 belongs to the server; the original treats it as any id that it does not know.
            Some(MessageId::UploadTail) | None => Self::Unknown { id: raw.id },
        }
    }
}

impl LegacyReply {
    /// The message's id.
    #[must_use]
    pub const fn id(&self) -> i64 {
        match self {
            Self::UploadHeader { .. } => MessageId::UploadHeader.code(),
            Self::UploadPos { .. } => MessageId::UploadPos.code(),
            Self::UploadTail { .. } => MessageId::UploadTail.code(),
            Self::DownloadHeader { .. } => MessageId::DownloadHeader.code(),
            Self::DownloadTail { .. } => MessageId::DownloadTail.code(),
            Self::Unknown { id } => *id,
        }
    }

    /// Appends the message to `out`, as Qt 5 writes it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.to_raw().encode(out);
    }

    /// The message as entries, in Qt 5's order.
    #[must_use]
    pub(super) fn to_raw(&self) -> RawMessage {
        let raw = RawMessage::new(self.id());
        match self {
            Self::UploadHeader { status, pos, md5, extended, published } => raw
                .with_status(*status)
                .with_peer(*extended, if *published { peer::PUBLISHED } else { peer::EXTENDED })
                .with(key::FILE_POS, *pos)
                .with(key::FILE_MD5, md5.clone()),
            Self::UploadPos { status } | Self::DownloadTail { status } => raw.with_status(*status),
            Self::UploadTail { status, md5 } => raw.with_status(*status).with_md5_if_any(md5),
            Self::DownloadHeader { status, pos, len, md5, extended } => raw
                .with_status(*status)
                .with_peer(*extended, peer::EXTENDED)
                .with(key::FILE_SIZE, *len)
                .with(key::FILE_POS, *pos)
                .with_md5_if_any(md5),
            Self::Unknown { .. } => raw,
        }
    }

    /// Interprets the entries of a server's message.
    #[must_use]
    pub(super) fn from_raw(raw: &RawMessage) -> Self {
        match MessageId::from_code(raw.id) {
            Some(MessageId::UploadHeader) => Self::UploadHeader {
                status: raw.status(),
                pos: raw.number(key::FILE_POS),
                md5: raw.text(key::FILE_MD5),
                extended: raw.extended(),
                published: raw.number(key::FTX_PEER) == peer::PUBLISHED,
            },
            Some(MessageId::UploadPos) => Self::UploadPos { status: raw.status() },
            Some(MessageId::UploadTail) => {
                Self::UploadTail { status: raw.status(), md5: raw.text(key::FILE_MD5) }
            }
            Some(MessageId::DownloadHeader) => Self::DownloadHeader {
                status: raw.status(),
                pos: raw.number(key::FILE_POS),
                len: raw.number(key::FILE_SIZE),
                md5: raw.text(key::FILE_MD5),
                extended: raw.extended(),
            },
            Some(MessageId::DownloadTail) => Self::DownloadTail { status: raw.status() },
            // 202 is answered by the raw bytes, not by a message.
            Some(MessageId::DownloadContent) | None => Self::Unknown { id: raw.id },
        }
    }
}

impl RawMessage {
    fn with_status(self, status: Status) -> Self {
        self.with(key::REPLY_STATUS, status.code())
    }

    fn with_peer(self, extended: bool, value: i64) -> Self {
        if extended { self.with(key::FTX_PEER, value) } else { self }
    }

    /// For messages in which the original sends no MD5 at all.
    fn with_md5_if_any(self, md5: &QString) -> Self {
        if md5.is_null() { self } else { self.with(key::FILE_MD5, md5.clone()) }
    }

    fn status(&self) -> Status {
        Status::from_code(self.number(key::REPLY_STATUS))
    }

    fn extended(&self) -> bool {
        self.number(key::FTX_PEER) >= peer::EXTENDED
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::{LegacyReply, LegacyRequest, QString, RawMessage, Status};
    use crate::legacy::wire::variant::Value;

    fn keys(raw: &RawMessage) -> Vec<std::string::String> {
        raw.entries.iter().filter_map(|(key, _)| key.to_text()).collect()
    }

    const OK: Status = Status::Ok;

    #[test]
    fn entries_stand_in_descending_order() {
        let (name, md5) = (QString::from("a"), QString::from("d41d8cd98f00b204e9800998ecf8427e"));
        let requests = [
            LegacyRequest::UploadHeader { name: name.clone(), extended: true },
            LegacyRequest::UploadPos { pos: 1, len: 2 },
            LegacyRequest::DownloadHeader { name, pos: 1, md5: md5.clone(), extended: true },
        ];
        let replies = [
            LegacyReply::UploadHeader {
                status: OK,
                pos: 1,
                md5: md5.clone(),
                extended: true,
                published: true,
            },
            LegacyReply::UploadTail { status: OK, md5: md5.clone() },
            LegacyReply::DownloadHeader { status: OK, pos: 1, len: 2, md5, extended: true },
        ];
        for raw in requests
            .iter()
            .map(LegacyRequest::to_raw)
            .chain(replies.iter().map(LegacyReply::to_raw))
        {
            let keys = keys(&raw);
            assert!(keys.is_sorted_by(|a, b| a > b), "{keys:?}");
        }
        for request in requests {
            assert_eq!(LegacyRequest::from_raw(&request.to_raw()), request);
        }
        for reply in replies {
            assert_eq!(LegacyReply::from_raw(&reply.to_raw()), reply);
        }
    }

    #[test]
    fn a_peer_of_ours_marks_itself_with_a_number_from_1_on() {
        let peer = |value: Value| {
            let request =
                LegacyRequest::from_raw(&RawMessage::new(100).with("ftx_peer", value.clone()));
            let reply = LegacyReply::from_raw(&RawMessage::new(100).with("ftx_peer", value));
            let LegacyRequest::UploadHeader { extended: by_request, .. } = request else {
                panic!()
            };
            let LegacyReply::UploadHeader { extended, published, .. } = reply else { panic!() };
            assert_eq!(by_request, extended);
            (extended, published)
        };
        assert_eq!(peer(Value::LongLong(-1)), (false, false));
        assert_eq!(peer(Value::LongLong(0)), (false, false));
        assert_eq!(peer(Value::LongLong(1)), (true, false));
        assert_eq!(peer(Value::LongLong(2)), (true, true));
        assert_eq!(peer(Value::LongLong(3)), (true, false));
        assert_eq!(peer(Value::QString("2".into())), (true, true));
    }

    #[test]
    fn an_md5_that_the_original_never_sends_is_left_out_when_null() {
        let tail = LegacyReply::UploadTail { status: OK, md5: QString::NULL };
        assert_eq!(keys(&tail.to_raw()), ["reply_status"]);
        let header = LegacyReply::DownloadHeader {
            status: OK,
            pos: 0,
            len: 1,
            md5: QString::NULL,
            extended: false,
        };
        assert_eq!(keys(&header.to_raw()), ["reply_status", "file_size", "file_pos"]);
    }

    #[test]
    fn an_id_of_the_other_direction_is_unknown() {
        assert_eq!(
            LegacyRequest::from_raw(&RawMessage::new(103)),
            LegacyRequest::Unknown { id: 103 }
        );
        assert_eq!(LegacyReply::from_raw(&RawMessage::new(202)), LegacyReply::Unknown { id: 202 });
        let unknown = RawMessage::new(-1).with("file_pos", 5);
        assert_eq!(LegacyRequest::from_raw(&unknown).to_raw(), RawMessage::new(-1));
        assert_eq!(LegacyReply::from_raw(&unknown).to_raw(), RawMessage::new(-1));
    }

    #[test]
    fn missing_entries_read_as_zero_and_null() {
        let expected = LegacyRequest::DownloadHeader {
            name: QString::NULL,
            pos: 0,
            md5: QString::NULL,
            extended: false,
        };
        assert_eq!(LegacyRequest::from_raw(&RawMessage::new(200)), expected);
        let expected = LegacyReply::UploadPos { status: OK };
        assert_eq!(LegacyReply::from_raw(&RawMessage::new(101)), expected);
    }
}
