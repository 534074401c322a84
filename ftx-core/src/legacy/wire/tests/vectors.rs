//! The legacy codec against bytes that real Qt programs wrote: `testdata/legacy/README.md`.

use std::string::ToString as _;
use std::vec::Vec;

use crate::legacy::wire::decoder::decode_raw;
use crate::legacy::wire::raw::RawMessage;
use crate::legacy::wire::variant::Value;
use crate::legacy::wire::{
    DecodeError, DecodeLimits, LegacyReply, LegacyRequest, QString, decode_reply, decode_request,
};
use serde_json::Value as Json;

const MESSAGES: &str = include_str!("../../../../testdata/legacy/messages.json");
const EXCHANGES: &str = include_str!("../../../../testdata/legacy/exchanges.json");
const ODD: &str = include_str!("../../../../testdata/legacy/odd.json");

/// The records of one file.
fn records(file: &str, of: &str, expected: usize) -> Vec<Json> {
    let mut json: Json = serde_json::from_str(file).unwrap();
    let Json::Array(records) = json[of].take() else { panic!("no list {of}") };
    assert_eq!(records.len(), expected, "{of}");
    records
}

fn text<'a>(json: &'a Json, of: &str) -> &'a str {
    json[of].as_str().unwrap_or_else(|| panic!("no text {of} in {json}"))
}

fn bytes(json: &Json, of: &str) -> Vec<u8> {
    hex::decode(text(json, of)).unwrap()
}

fn raw(input: &[u8]) -> Result<Option<(RawMessage, usize)>, DecodeError> {
    decode_raw(input, &DecodeLimits::default())
}

fn encoded(message: &RawMessage) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

/// Decodes and encodes `input` as a typed message of a direction.
fn typed(input: &[u8], direction: &str) -> (RawMessage, Vec<u8>) {
    let mut out = Vec::new();
    let limits = DecodeLimits::default();
    let (raw, used) = match direction {
        "c2s" => {
            let (request, used): (LegacyRequest, _) =
                decode_request(input, &limits).unwrap().unwrap();
            request.encode(&mut out);
            (request.to_raw(), used)
        }
        "s2c" => {
            let (reply, used): (LegacyReply, _) = decode_reply(input, &limits).unwrap().unwrap();
            reply.encode(&mut out);
            (reply.to_raw(), used)
        }
        other => panic!("direction {other}"),
    };
    assert_eq!(used, input.len());
    (raw, out)
}

/// A value as the files of messages describe it.
fn described(entry: &Json) -> Value {
    let value = entry["value"].as_str();
    match text(entry, "type") {
        "Invalid" => Value::Invalid,
        "bool" => Value::Bool(value.unwrap().parse().unwrap()),
        "int" => Value::Int(value.unwrap().parse().unwrap()),
        "uint" => Value::UInt(value.unwrap().parse().unwrap()),
        "qlonglong" => Value::LongLong(value.unwrap().parse().unwrap()),
        "qulonglong" => Value::ULongLong(value.unwrap().parse().unwrap()),
        "double" => Value::Double(value.unwrap().parse().unwrap()),
        "QString" => Value::QString(value.map_or(QString::NULL, QString::from)),
        "QByteArray" => Value::QByteArray(value.map(|text| text.as_bytes().to_vec())),
        other => panic!("type {other}"),
    }
}

/// Keys and values of a message, ascending by key: the order of its description.
fn ascending(message: &RawMessage) -> Vec<(QString, Value)> {
    let mut entries: Vec<_> =
        message.entries.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect();
    entries.sort_by(|(a, _), (b, _)| a.units().cmp(&b.units()));
    entries
}

#[test]
fn messages_of_both_qt_versions_have_the_described_content() {
    for message in records(MESSAGES, "messages", 49) {
        let name = text(&message, "name");
        let content: Vec<_> = message["map"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (QString::from(text(entry, "key")), described(entry)))
            .collect();
        for version in ["qt5", "qt6"] {
            let bytes = bytes(&message, version);
            assert_eq!(message["len"], bytes.len(), "{name} {version}");
            let (decoded, used) = raw(&bytes).unwrap().unwrap();
            assert_eq!(used, bytes.len(), "{name} {version}");
            assert_eq!(decoded.id.to_string(), text(&message, "id"), "{name} {version}");
            assert_eq!(ascending(&decoded), content, "{name} {version}");
            assert_eq!(encoded(&decoded), bytes, "{name} {version}");
        }
    }
}

#[test]
fn messages_may_come_in_any_pieces() {
    for message in records(MESSAGES, "messages", 49) {
        for version in ["qt5", "qt6"] {
            let bytes = bytes(&message, version);
            let whole = raw(&bytes);
            for len in 0..bytes.len() {
                assert_eq!(raw(&bytes[..len]), Ok(None), "{len} bytes of {message}");
            }
            for more in [&[0][..], &[0xff; 30], &bytes] {
                assert_eq!(raw(&[&bytes, more].concat()), whole, "{message}");
            }
        }
    }
}

#[test]
fn typed_messages_are_written_as_qt_5_writes_them() {
    let mut compared = 0;
    for message in records(MESSAGES, "messages", 49) {
        // No program sends these: a lone status, odd types.
        let name = text(&message, "name");
        if name.starts_with("status_") || name.starts_with("variants_") {
            continue;
        }
        for version in ["qt5", "qt6"] {
            let (_, written) = typed(&bytes(&message, version), text(&message, "direction"));
            assert_eq!(written, bytes(&message, "qt5"), "{name} {version}");
        }
        compared += 1;
    }
    assert_eq!(compared, 38);
}

#[test]
fn a_lone_status_is_read_from_a_reply() {
    let mut seen = Vec::new();
    for message in records(MESSAGES, "messages", 49) {
        let Some(code) = text(&message, "name").strip_prefix("status_") else { continue };
        let (reply, _) =
            decode_reply(&bytes(&message, "qt6"), &DecodeLimits::default()).unwrap().unwrap();
        let LegacyReply::UploadHeader { status, pos: 0, md5, extended: false, published: false } =
            reply
        else {
            panic!("{reply:?}")
        };
        assert!(md5.is_null());
        assert_eq!(status.code().to_string(), code);
        seen.push(status.code());
    }
    assert_eq!(seen, [-10, -8, -7, -6, -5, -4, -3, -2, -1]);
}

#[test]
fn every_message_of_the_recorded_exchanges_is_one_of_ours() {
    let mut compared = [0, 0];
    for exchange in records(EXCHANGES, "exchanges", 85) {
        let name = text(&exchange, "name");
        for chunk in exchange["chunks"].as_array().unwrap() {
            if text(chunk, "kind") != "message" {
                continue;
            }
            let direction = text(chunk, "dir");
            let input = bytes(chunk, "hex");
            let (recorded, used) = raw(&input).unwrap().unwrap();
            assert_eq!(used, input.len(), "{name}");
            assert_eq!(chunk["id"], recorded.id, "{name}");
            assert_eq!(recorded.entries.len(), chunk["entries"].as_array().unwrap().len());
            for ((key, value), entry) in
                recorded.entries.iter().zip(chunk["entries"].as_array().unwrap())
            {
                assert_eq!(key, &QString::from(entry[0].as_str().unwrap()));
                match entry[1].as_i64() {
                    Some(number) => assert_eq!(value.value, Value::LongLong(number), "{name}"),
                    None => {
                        let text = entry[1].as_str().map_or(QString::NULL, QString::from);
                        assert_eq!(value.value, Value::QString(text), "{name}");
                    }
                }
            }

            let (ours, written) = typed(&input, direction);
            let speaker = if direction == "c2s" { "client_qt" } else { "server_qt" };
            if text(&exchange, speaker) == "5" {
                assert_eq!(written, input, "{name}: {chunk}");
                compared[0] += 1;
            } else {
                // The same entries the other way round.
                let backwards: Vec<_> = recorded.entries.into_iter().rev().collect();
                assert_eq!(ours.entries, backwards, "{name}: {chunk}");
                compared[1] += 1;
            }
        }
    }
    assert!(compared.iter().all(|count| *count > 100), "{compared:?}");
}

/// The number behind `name=` in Qt's report.
fn fact(reads: &str, name: &str) -> i64 {
    let (_, behind) = reads.split_once(name).unwrap_or_else(|| panic!("no {name} in {reads}"));
    let number = behind.split(' ').next().unwrap();
    number.parse().unwrap_or_else(|_| panic!("{number:?} in {reads}"))
}

#[test]
fn odd_input_ends_as_it_does_in_qt_or_is_refused() {
    use DecodeError::{OddString, StringTooLong, TooManyEntries, UnknownKind};

    let limits = DecodeLimits::default();
    let absurd = |what: &str| match what {
        "count 0xffffffff and nothing else" => {
            Some(TooManyEntries { count: u32::MAX, limit: limits.entries })
        }
        "key length 0x7ffffffe" => {
            Some(StringTooLong { len: 0x7fff_fffe, limit: limits.string_bytes })
        }
        "key length 0xfffffffe (64-bit size marker from Qt 6.7 on)" => {
            Some(StringTooLong { len: 0xffff_fffe, limit: limits.string_bytes })
        }
        "key of odd byte length" => Some(OddString { len: 3 }),
        // Qt takes it for an empty value and continues at a wrong place.
        "variant type 9999" => Some(UnknownKind { kind: 9999 }),
        _ => None,
    };
    let mut refused = 0;
    for odd in records(ODD, "odd", 38) {
        let (what, reads) = (text(&odd, "what"), text(&odd, "qt5_reads"));
        let input = bytes(&odd, "hex");
        let result = raw(&input);
        if let Some(error) = absurd(what) {
            assert_eq!(result, Err(error), "{what}");
            refused += 1;
            continue;
        }
        match fact(reads, "status=") {
            0 => {
                let (message, used) = result.unwrap().unwrap();
                let left = i64::try_from(input.len() - used).unwrap();
                assert_eq!(left, fact(reads, "left="), "{what}");
                let count = i64::try_from(message.entries.len()).unwrap();
                assert_eq!(count, fact(reads, "entries="), "{what}");
                if let Some((_, value)) = message.entries.last() {
                    // The original keeps the low 32 bits as a signed number.
                    let low = value.to_i64() << 32 >> 32;
                    assert_eq!(low, fact(reads, "toInt="), "{what}");
                }
            }
            1 => assert_eq!(result, Ok(None), "{what}"),
            other => panic!("{what}: status {other}"),
        }
    }
    assert_eq!(refused, 5);
}
