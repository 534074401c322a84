//! Base64 and the percent encoding, as far as S3 needs them.

const BASE64_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes bytes in Base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            (0..3).fold(0u32, |bits, at| (bits << 8) | group.get(at).copied().map_or(0, u32::from));
        for at in 0..4u32 {
            let digit = (bits >> (18 - 6 * at)) & 63;
            let letter = BASE64_ALPHABET.get(digit as usize).copied().map_or('=', char::from);
            text.push(if at as usize > group.len() { '=' } else { letter });
        }
    }
    text
}

/// Encodes a key as S3 does for `encoding-type=url`: a slash stands as it is, a space is a plus.
pub(crate) fn encode_key(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Decodes the percent encoding of a path. Malformed sequences stand as they are.
pub(crate) fn decode_path(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.split_at_checked(2)).flatten();
        let byte = escaped.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = byte.unwrap_or((first, tail));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_to_groups_of_four() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn keys_are_encoded_as_in_listings_of_s3() {
        assert_eq!(encode_key("a b/c+d(1).txt"), "a+b/c%2Bd%281%29.txt");
        assert_eq!(encode_key("ä\n"), "%C3%A4%0A");
    }

    #[test]
    fn paths_are_decoded() {
        assert_eq!(decode_path("a%20b/%C3%A4+c"), "a b/ä+c");
        assert_eq!(decode_path("100%"), "100%");
        assert_eq!(decode_path("%zz%2"), "%zz%2");
    }
}
