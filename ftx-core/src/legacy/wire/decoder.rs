//! Decodes the message at the front of a peer's bytes.
//!
//! Input is untrusted, so every count and length is compared with [`DecodeLimits`] before it is used,
//! and a message that cannot end within its limit is refused as soon as that is certain: the memory
//! for an incomplete message never exceeds [`DecodeLimits::message_bytes`].

use super::limits::{DecodeError, DecodeLimits};
use super::primitive::{QtReader, ReadStop};
use super::raw::RawMessage;
use super::{LegacyReply, LegacyRequest};

/// Decodes the message at the front of `input`, with its entries in any order.
///
/// Returns the message and its length in bytes, or `None` if `input` contains only a part of it. Each
/// call starts over, so the caller keeps nothing but the bytes.
///
/// # Errors
/// A [`DecodeError`], as soon as no further bytes can complete the message.
pub(super) fn decode_raw(
    input: &[u8],
    limits: &DecodeLimits,
) -> Result<Option<(RawMessage, usize)>, DecodeError> {
    let mut reader = QtReader::new(input, limits);
    match RawMessage::decode(&mut reader, limits) {
        Ok(message) => Ok(Some((message, reader.used()))),
        Err(ReadStop::Incomplete) => Ok(None),
        Err(ReadStop::Refused(error)) => Err(error),
    }
}

/// Decodes the client's message at the front of `input`, with its entries in any order.
///
/// Returns the message and its length in bytes, or `None` if `input` contains only a part of it. Each
/// call starts over, so the caller keeps nothing but the bytes.
///
/// # Errors
/// A [`DecodeError`], as soon as no further bytes can complete the message. An id that no client sends
/// is not an error, but [`LegacyRequest::Unknown`].
pub fn decode_request(
    input: &[u8],
    limits: &DecodeLimits,
) -> Result<Option<(LegacyRequest, usize)>, DecodeError> {
    let decoded = decode_raw(input, limits)?;
    Ok(decoded.map(|(message, used)| (LegacyRequest::from_raw(&message), used)))
}

/// Decodes the server's message at the front of `input`; otherwise like [`decode_request`].
///
/// # Errors
/// As [`decode_request`]. An id that no server sends is not an error, but [`LegacyReply::Unknown`].
pub fn decode_reply(
    input: &[u8],
    limits: &DecodeLimits,
) -> Result<Option<(LegacyReply, usize)>, DecodeError> {
    let decoded = decode_raw(input, limits)?;
    Ok(decoded.map(|(message, used)| (LegacyReply::from_raw(&message), used)))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::{DecodeError, DecodeLimits, RawMessage, decode_raw};
    use crate::legacy::wire::variant::{Value, Variant};

    const TIGHT: DecodeLimits = DecodeLimits { message_bytes: 60, entries: 3, string_bytes: 20 };

    fn bytes(message: &RawMessage) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out);
        out
    }

    #[test]
    fn a_message_of_exactly_the_limit_is_taken() {
        let message = RawMessage::new(1).with("0123456789", 1).with("", 1);
        let bytes = bytes(&message);
        assert_eq!(bytes.len(), 12 + 37 + 17);
        let limits = DecodeLimits { message_bytes: bytes.len(), ..TIGHT };
        assert_eq!(decode_raw(&bytes, &limits), Ok(Some((message, bytes.len()))));
        let limits = DecodeLimits { message_bytes: bytes.len() - 1, ..TIGHT };
        let refused = DecodeError::MessageTooLong { limit: bytes.len() - 1 };
        assert_eq!(decode_raw(&bytes, &limits), Err(refused));
    }

    /// With a limit one byte too small, the first `certain` bytes are refused and no fewer.
    fn refused_from(message: &RawMessage, certain: usize) {
        let bytes = bytes(message);
        let fits = DecodeLimits { message_bytes: bytes.len(), ..TIGHT };
        let limit = bytes.len() - 1;
        let short = DecodeLimits { message_bytes: limit, ..TIGHT };
        let refused = Err(DecodeError::MessageTooLong { limit });
        assert_eq!(decode_raw(&bytes[..certain], &fits), Ok(None));
        assert_eq!(decode_raw(&bytes[..certain - 1], &short), Ok(None));
        assert_eq!(decode_raw(&bytes[..certain], &short), refused);
    }

    #[test]
    fn one_that_cannot_end_within_its_limit_is_not_waited_for() {
        let invalid = || Variant::from(Value::Invalid);
        let text = Value::QString("0123456789".into());
        // The count, a key's length and a value's length each make it certain that the entries
        // behind them have no room left.
        refused_from(&RawMessage::new(1).with("", invalid()).with("", invalid()), 12);
        refused_from(&RawMessage::new(1).with("0123456789", invalid()).with("", invalid()), 16);
        refused_from(&RawMessage::new(1).with("", text).with("", invalid()), 25);
    }

    #[test]
    fn counts_and_kinds_are_judged_at_once() {
        let head = |count: u32| [&1i64.to_be_bytes()[..], &count.to_be_bytes()].concat();
        assert_eq!(decode_raw(&head(3), &TIGHT), Ok(None));
        for count in [4, u32::MAX] {
            let refused = DecodeError::TooManyEntries { count, limit: 3 };
            assert_eq!(decode_raw(&head(count), &TIGHT), Err(refused));
        }
        let unknown = [&head(1)[..], &0u32.to_be_bytes(), &9999u32.to_be_bytes(), &[0]].concat();
        assert_eq!(decode_raw(&unknown, &TIGHT), Err(DecodeError::UnknownKind { kind: 9999 }));
    }
}
