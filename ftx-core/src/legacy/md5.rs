//! MD5 digests as values. Computing one needs the bytes of a file, so it is the drivers' work.

use core::fmt;
use core::str::FromStr;

/// An MD5 digest, by which the legacy dialect compares prefixes of files. Displayed as the 32
/// lower-case hexadecimal digits that go over the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Md5Digest(pub [u8; 16]);

impl fmt::Debug for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5Digest({self})")
    }
}

impl fmt::Display for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text other than 32 hexadecimal digits.
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
            // from_str_radix accepts a sign, which is no digit.
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
    use std::string::ToString as _;

    use super::Md5Digest;

    #[test]
    fn hex_round_trip() {
        let digest: Md5Digest = "5d41402abc4b2a76b9719d911017c592".parse().unwrap();
        assert_eq!(digest.to_string(), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn anything_but_32_digits_is_refused() {
        for bad in ["", "5d41402abc4b2a76b9719d911017c59", "+d41402abc4b2a76b9719d911017c592"] {
            assert!(bad.parse::<Md5Digest>().is_err(), "{bad:?}");
        }
        assert!("zz41402abc4b2a76b9719d911017c592".parse::<Md5Digest>().is_err());
    }
}
