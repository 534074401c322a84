//! Properties of the legacy codec over arbitrary messages and arbitrary bytes.

use std::vec::Vec;

use crate::Status;
use crate::legacy::wire::decoder::decode_raw;
use crate::legacy::wire::raw::RawMessage;
use crate::legacy::wire::variant::{Value, Variant};
use crate::legacy::wire::{
    DecodeError, DecodeLimits, LegacyReply, LegacyRequest, MessageId, QString, decode_reply,
    decode_request,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Null, empty, and any code units, unpaired surrogates among them.
fn qstring() -> impl Strategy<Value = QString> {
    prop_oneof![
        1 => Just(QString::NULL),
        4 => "\\PC{0,20}".prop_map(|text| QString::from(text.as_str())),
        2 => vec(any::<u16>(), 0..20).prop_map(QString::from_units),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Invalid),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(Value::Int),
        any::<u32>().prop_map(Value::UInt),
        any::<i64>().prop_map(Value::LongLong),
        any::<u64>().prop_map(Value::ULongLong),
        // Without NaN, which differs from itself.
        any::<f64>().prop_map(Value::Double),
        qstring().prop_map(Value::QString),
        option::of(vec(any::<u8>(), 0..20)).prop_map(Value::QByteArray),
    ]
}

fn raw_message() -> impl Strategy<Value = RawMessage> {
    let key = prop_oneof![
        3 => prop::sample::select(std::vec!["reply_status", "ftx_peer", "file_size", "file_prjpath",
            "file_pos", "file_md5"]).prop_map(QString::from),
        1 => qstring(),
    ];
    let entry = (key, (any::<bool>(), value()).prop_map(|(null, value)| Variant { null, value }));
    (id(), vec(entry, 0..8)).prop_map(|(id, entries)| RawMessage { id, entries })
}

fn id() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => prop::sample::select(MessageId::TABLE.as_slice()).prop_map(MessageId::code),
        1 => any::<i64>(),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![-12..3i64, any::<i64>()].prop_map(Status::from_code)
}

/// An id that neither side knows.
fn unknown_id() -> impl Strategy<Value = i64> {
    any::<i64>().prop_filter("a known id", |id| MessageId::from_code(*id).is_none())
}

fn request() -> impl Strategy<Value = LegacyRequest> {
    prop_oneof![
        (qstring(), any::<bool>())
            .prop_map(|(name, extended)| LegacyRequest::UploadHeader { name, extended }),
        any::<(i64, i64)>().prop_map(|(pos, len)| LegacyRequest::UploadPos { pos, len }),
        (qstring(), any::<i64>(), qstring(), any::<bool>()).prop_map(
            |(name, pos, md5, extended)| LegacyRequest::DownloadHeader { name, pos, md5, extended }
        ),
        status().prop_map(|status| LegacyRequest::DownloadContent { status }),
        status().prop_map(|status| LegacyRequest::DownloadTail { status }),
        unknown_id().prop_map(|id| LegacyRequest::Unknown { id }),
    ]
}

fn reply() -> impl Strategy<Value = LegacyReply> {
    prop_oneof![
        (status(), any::<i64>(), qstring(), any::<(bool, bool)>()).prop_map(
            |(status, pos, md5, (extended, published))| LegacyReply::UploadHeader {
                status,
                pos,
                md5,
                extended,
                // It stands in the entry that marks the peer, so it needs one.
                published: extended && published,
            }
        ),
        status().prop_map(|status| LegacyReply::UploadPos { status }),
        (status(), qstring()).prop_map(|(status, md5)| LegacyReply::UploadTail { status, md5 }),
        (status(), any::<(i64, i64)>(), qstring(), any::<bool>()).prop_map(
            |(status, (pos, len), md5, extended)| LegacyReply::DownloadHeader {
                status,
                pos,
                len,
                md5,
                extended
            }
        ),
        status().prop_map(|status| LegacyReply::DownloadTail { status }),
        unknown_id().prop_map(|id| LegacyReply::Unknown { id }),
    ]
}

/// Bytes that are a message often enough, and nearly one more often.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (raw_message(), vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)).prop_map(
        |(message, damage)| {
            let mut bytes = encoded(&message);
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                if let Some(slot) = bytes.get_mut(at) {
                    *slot = byte;
                }
            }
            bytes
        },
    );
    prop_oneof![4 => damaged, 1 => vec(any::<u8>(), 0..100)]
}

fn encoded(message: &RawMessage) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

/// The outcome in a form in which a NaN equals itself.
fn outcome(input: &[u8], limits: &DecodeLimits) -> Result<Option<(Vec<u8>, usize)>, DecodeError> {
    let decoded = decode_raw(input, limits)?;
    Ok(decoded.map(|(message, used)| (encoded(&message), used)))
}

/// Limits that small messages run into.
fn limits() -> impl Strategy<Value = DecodeLimits> {
    prop_oneof![
        Just(DecodeLimits::default()),
        (0..300usize, 0..6usize, 0..40usize).prop_map(|(message_bytes, entries, string_bytes)| {
            DecodeLimits { message_bytes, entries, string_bytes }
        }),
    ]
}

proptest! {
    #[test]
    fn raw_messages_come_back(message in raw_message(), more in vec(any::<u8>(), 0..20)) {
        let bytes = encoded(&message);
        let used = bytes.len();
        let decoded = decode_raw(&[bytes, more].concat(), &DecodeLimits::default());
        prop_assert_eq!(decoded, Ok(Some((message, used))));
    }

    #[test]
    fn requests_come_back(request in request()) {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        let used = bytes.len();
        let decoded = decode_request(&bytes, &DecodeLimits::default());
        prop_assert_eq!(decoded, Ok(Some((request, used))));
    }

    #[test]
    fn replies_come_back(reply in reply()) {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        let used = bytes.len();
        let decoded = decode_reply(&bytes, &DecodeLimits::default());
        prop_assert_eq!(decoded, Ok(Some((reply, used))));
    }

    #[test]
    fn any_message_is_a_request_and_a_reply(message in raw_message()) {
        let request = LegacyRequest::from_raw(&message);
        prop_assert_eq!(request.id(), message.id);
        prop_assert_eq!(LegacyRequest::from_raw(&request.to_raw()), request);
        let reply = LegacyReply::from_raw(&message);
        prop_assert_eq!(reply.id(), message.id);
        prop_assert_eq!(LegacyReply::from_raw(&reply.to_raw()), reply);
    }

    #[test]
    fn a_message_is_never_found_before_its_end(
        message in raw_message(), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encoded(&message);
        bytes.truncate(cut.index(bytes.len()));
        prop_assert_eq!(decode_raw(&bytes, &DecodeLimits::default()), Ok(None));
    }

    /// A decision on a part of the input is the decision on the whole.
    #[test]
    fn decisions_stay(bytes in bytes(), limits in limits()) {
        let whole = outcome(&bytes, &limits);
        for len in 0..bytes.len() {
            let part = outcome(bytes.get(..len).unwrap_or_default(), &limits);
            if part != Ok(None) {
                prop_assert_eq!(&part, &whole);
            }
            if let Ok(Some((_, used))) = part {
                prop_assert!(used <= len);
            }
        }
        if let Ok(Some((_, used))) = whole {
            prop_assert!(used <= bytes.len() && used <= limits.message_bytes);
        }
    }

    /// An unfinished message is never waited for beyond its limit.
    #[test]
    fn waiting_is_bounded(bytes in bytes(), limits in limits()) {
        if outcome(&bytes, &limits) == Ok(None) {
            prop_assert!(bytes.len() < limits.message_bytes);
        }
    }
}
