//! Hexadecimal text for newtypes over byte arrays.

use core::fmt;

/// A text with the wrong number of digits, or with other characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is not {digits} hexadecimal digits; copy the whole value")]
pub struct ParseHexError {
    /// Number of digits that the value has.
    pub digits: usize,
}

pub(super) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

pub(super) fn parse<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let wrong = ParseHexError { digits: 2 * N };
    if text.len() != 2 * N {
        return Err(wrong);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = *pair else { return Err(wrong) };
        *byte = digit(high).ok_or(wrong)? << 4 | digit(low).ok_or(wrong)?;
    }
    Ok(bytes)
}

const fn digit(ascii: u8) -> Option<u8> {
    match ascii {
        b'0'..=b'9' => Some(ascii - b'0'),
        b'a'..=b'f' => Some(ascii - b'a' + 10),
        b'A'..=b'F' => Some(ascii - b'A' + 10),
        _ => None,
    }
}

/// `Display` and `FromStr` in hexadecimal digits for a newtype over bytes.
macro_rules! in_hex {
    ($name:ident) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $crate::native::hex::write(&self.0, f)
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::native::ParseHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::native::hex::parse(text).map(Self)
            }
        }
    };
}

/// `Debug` that names the type and shows the digits.
macro_rules! debug_in_hex {
    ($name:ident) => {
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

pub(super) use {debug_in_hex, in_hex};

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::{ParseHexError, parse};
    use crate::native::blocks::Cv;

    #[test]
    fn digits_round_trip() {
        let text = "00ff".repeat(16);
        let cv: Cv = text.parse().unwrap();
        assert_eq!(cv.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(cv));
    }

    #[test]
    fn only_digits_are_taken_and_all_of_them() {
        for bad in ["", "abc", "abcde", "+bcd", "ab d", "abcg", "ab\u{e9}"] {
            assert_eq!(parse::<2>(bad), Err(ParseHexError { digits: 4 }), "{bad:?}");
        }
    }
}
