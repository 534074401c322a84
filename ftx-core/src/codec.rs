//! Structured records as bytes: the one module that names the codec behind them.
//!
//! The codec is bincode, whose maintenance has ended. So it stays behind two functions, its types
//! appear in no signature, and the bytes are specified here and held by a test: another codec with
//! the same rules can replace it without any effect on peers.
//!
//! # The bytes
//! | value | bytes |
//! | --- | --- |
//! | integers, `f32`, `f64` | little-endian, as wide as the type; two's complement |
//! | `bool` | one byte, 0 or 1 |
//! | `char` | its UTF-8, 1 to 4 bytes |
//! | text, bytes, sequence, map | count of bytes or of items as `u64`, then these |
//! | struct, tuple, array | the fields in their order, nothing before, between or after |
//! | option | one byte 0, or one byte 1 and the value |
//! | enum | index of the variant, from 0, as `u32`; then its fields |
//!
//! There are no field names and no padding: adding, removing or reordering fields or variants
//! changes the format. A record has no `usize`: it would be written as `u64` and might not fit the
//! reader's type.
//!
//! # Bounds
//! A record has at most [`MAX_RECORD_BYTES`] in both directions, and decoding must use its input to
//! the last byte. No count makes the decoder allocate more than the input can hold. A record type
//! must not contain a sequence of items without bytes, nor itself: the length of the input would
//! bound neither time nor depth. Contents of files never pass through here.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bincode::config;
use bincode::error::DecodeError;
use serde::{Serialize, de::DeserializeOwned};

/// The longest record, in bytes.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

const CONFIG: config::Configuration<
    config::LittleEndian,
    config::Fixint,
    config::Limit<MAX_RECORD_BYTES>,
> = config::standard()
    .with_little_endian()
    .with_fixed_int_encoding()
    .with_limit::<MAX_RECORD_BYTES>();

/// Turns a record into bytes.
///
/// # Errors
/// [`CodecError::TooLong`] when no peer would accept it, [`CodecError::Unencodable`] when the type
/// has no form in bytes (a sequence that does not know its length).
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::serde::encode_to_vec(value, CONFIG)
        .map_err(|error| CodecError::Unencodable { detail: error.to_string() })?;
    // The codec's own limit is for decoding only.
    within_limit(bytes.len())?;
    Ok(bytes)
}

/// Turns bytes into a record; they must be exactly one.
///
/// # Errors
/// [`CodecError::TooLong`], [`CodecError::Malformed`] for bytes that are not such a record, cut ones
/// included, and [`CodecError::Trailing`] when a record ends before the bytes do.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    within_limit(bytes.len())?;
    let (value, used) = bincode::serde::decode_from_slice(bytes, CONFIG)
        .map_err(|error| CodecError::Malformed { detail: detail(error) })?;
    match bytes.len().saturating_sub(used) {
        0 => Ok(value),
        left => Err(CodecError::Trailing { left }),
    }
}

/// The error text. A message from a type that refuses a value is fit for people as it is.
fn detail(error: DecodeError) -> String {
    match error {
        DecodeError::OtherString(refused) => refused,
        error => error.to_string(),
    }
}

fn within_limit(len: usize) -> Result<(), CodecError> {
    if len > MAX_RECORD_BYTES { Err(CodecError::TooLong { len }) } else { Ok(()) }
}

/// Why a record and its bytes cannot be turned into each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes are not a record of the expected type.
    #[error(
        "the record does not have the expected form: {detail}; the peer may be of another version"
    )]
    Malformed {
        /// The codec's error text.
        detail: String,
    },
    /// The record is longer than [`MAX_RECORD_BYTES`].
    #[error("the record has {len} bytes; at most {MAX_RECORD_BYTES} are allowed, so split it")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A whole record was read and bytes remain.
    #[error("{left} bytes stand behind the record; one message carries one record")]
    Trailing {
        /// How many bytes remain.
        left: usize,
    },
    /// The value's type has no form in bytes.
    #[error("the record cannot be turned into bytes: {detail}; its type is at fault")]
    Unencodable {
        /// The codec's error text.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::{CodecError, MAX_RECORD_BYTES, decode, encode};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Record {
        Empty,
        Tuple(u8, i16),
        Fields {
            wide: u64,
            name: String,
            some: Option<u32>,
            none: Option<u32>,
            flag: bool,
            hash: [u8; 4],
            list: Vec<u16>,
            letter: char,
            ratio: f64,
            map: BTreeMap<u8, i64>,
        },
    }

    /// The bytes are the format; if this test has to change, so does every peer.
    #[test]
    fn the_bytes_are_as_specified() {
        let record = Record::Fields {
            wide: 0x0102_0304_0506_0708,
            name: "é!".to_string(),
            some: Some(7),
            none: None,
            flag: true,
            hash: [0xde, 0xad, 0xbe, 0xef],
            list: Vec::from([1, 0x0203]),
            letter: '报',
            ratio: 1.5,
            map: BTreeMap::from([(9, -2)]),
        };
        #[rustfmt::skip]
        let golden = [
            "02000000",             // variant 2
            "0807060504030201",     // wide
            "0300000000000000",     // 3 bytes of name
            "c3a921",               //
            "01",                   // some is there
            "07000000",             //
            "00",                   // none is not
            "01",                   // flag
            "deadbeef",             // hash, no count: its length is in the type
            "0200000000000000",     // 2 items of list
            "01000302",             //
            "e68aa5",               // letter, UTF-8
            "000000000000f83f",     // ratio
            "0100000000000000",     // 1 item of map
            "09",                   //
            "feffffffffffffff",     //
        ];
        let golden = golden.concat();
        assert_eq!(hex::encode(encode(&record).unwrap()), golden);
        assert_eq!(decode::<Record>(&hex::decode(golden).unwrap()), Ok(record));
        assert_eq!(encode(&Record::Empty).unwrap(), [0, 0, 0, 0]);
        assert_eq!(encode(&Record::Tuple(5, -2)).unwrap(), [1, 0, 0, 0, 5, 0xfe, 0xff]);
    }

    #[test]
    fn bytes_that_are_not_exactly_one_record_are_refused() {
        let bytes = encode(&Record::Tuple(5, -2)).unwrap();
        for len in 0..bytes.len() {
            let cut = decode::<Record>(&bytes[..len]);
            assert!(matches!(cut, Err(CodecError::Malformed { .. })), "{len}: {cut:?}");
        }
        let more = [&bytes[..], &[0, 0]].concat();
        assert_eq!(decode::<Record>(&more), Err(CodecError::Trailing { left: 2 }));
        let no_such_variant = decode::<Record>(&[3, 0, 0, 0]);
        assert!(matches!(no_such_variant, Err(CodecError::Malformed { .. })));
    }

    #[test]
    fn records_are_bounded_both_ways() {
        let largest = "x".repeat(MAX_RECORD_BYTES - 8);
        let bytes = encode(&largest).unwrap();
        assert_eq!(bytes.len(), MAX_RECORD_BYTES);
        assert_eq!(decode::<String>(&bytes).unwrap(), largest);

        let len = MAX_RECORD_BYTES + 1;
        assert_eq!(encode(&"x".repeat(len - 8)), Err(CodecError::TooLong { len }));
        assert_eq!(decode::<String>(&[0; MAX_RECORD_BYTES + 1]), Err(CodecError::TooLong { len }));
    }

    #[test]
    fn counts_are_not_believed() {
        for count in [u64::MAX, 1 << 40, MAX_RECORD_BYTES as u64 + 1, 100] {
            let bytes = count.to_le_bytes();
            assert!(decode::<String>(&bytes).is_err(), "{count}");
            assert!(decode::<Vec<u64>>(&bytes).is_err(), "{count}");
            assert!(decode::<BTreeMap<u8, u8>>(&bytes).is_err(), "{count}");
        }
    }

    proptest! {
        #[test]
        fn any_decoded_value_encodes_and_decodes_again(
            bytes in prop::collection::vec(prop_oneof![3 => 0..4u8, 1 => any::<u8>()], 0..80),
        ) {
            if let Ok(record) = decode::<Record>(&bytes) {
                // Compared as bytes: a NaN differs from itself, and maps lose repeated keys once.
                let again = encode(&record).unwrap();
                prop_assert_eq!(encode(&decode::<Record>(&again).unwrap()).unwrap(), again);
            }
        }
    }
}
