//! Digests as values. Computing them needs file contents, so that is the drivers' work.

use alloc::string::String;
use core::fmt::{self, Write as _};
use core::str::FromStr;

/// An MD5 digest: what the legacy dialect compares prefixes of files by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Md5Digest(pub [u8; 16]);

impl Md5Digest {
    /// The digest of no bytes at all.
    pub const EMPTY: Self = Self([
        0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42,
        0x7e,
    ]);

    /// The 32 lower-case hexadecimal digits that go over the wire.
    #[must_use]
    pub fn to_hex(self) -> String {
        let mut text = String::with_capacity(32);
        for byte in self.0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl fmt::Debug for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5Digest({self})")
    }
}

impl fmt::Display for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// A text that is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an MD5 digest is 32 hexadecimal digits")]
pub struct ParseMd5Error;

impl FromStr for Md5Digest {
    type Err = ParseMd5Error;

    fn from_str(text: &str) -> Result<Self, ParseMd5Error> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return Err(ParseMd5Error);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = core::str::from_utf8(pair).map_err(|_| ParseMd5Error)?;
            // from_str_radix takes a sign, which is no digit.
            if pair.starts_with('+') {
                return Err(ParseMd5Error);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ParseMd5Error)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::Md5Digest;

    #[test]
    fn hex_round_trip() {
        let digest: Md5Digest = "5d41402abc4b2a76b9719d911017c592".parse().unwrap();
        assert_eq!(digest.to_hex(), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(Md5Digest::EMPTY.to_hex(), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn refuses_what_is_not_32_digits() {
        for bad in ["", "5d41402abc4b2a76b9719d911017c59", "+d41402abc4b2a76b9719d911017c592"] {
            assert!(bad.parse::<Md5Digest>().is_err(), "{bad:?}");
        }
        assert!("zz41402abc4b2a76b9719d911017c592".parse::<Md5Digest>().is_err());
    }
}
