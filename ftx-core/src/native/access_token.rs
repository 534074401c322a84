//! Access tokens: the proof that a client acts for a user.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use super::ParseHexError;
use super::hex::{self, debug_in_hex, in_hex};

const PREFIX: &str = "ftx_";

/// The proof that a client acts for a user, sent in the `Hello`: `ftx_`, the id, `_`, a random secret, and a
/// CRC-32 of everything before it, in lower-case hexadecimal digits. So a mistyped token is found offline,
/// and a scanner recognises one that lies in the open.
///
/// `Display` writes the whole text, for the user alone. `Debug` hides the secret.
///
/// ```
/// use ftx_core::{AccessToken, TokenId};
///
/// let token = AccessToken::new(TokenId([0x1a, 0x2b, 0x3c, 0x4d]), [7; 32]);
/// let text = token.to_string();
/// assert!(text.starts_with("ftx_1a2b3c4d_0707"));
/// assert_eq!(AccessToken::parse(&text)?.secret(), &[7; 32]);
/// assert!(AccessToken::parse(&text.replace("1a2b", "1a2c")).is_err());
/// # Ok::<_, ftx_core::AccessTokenError>(())
/// ```
#[derive(Clone)]
pub struct AccessToken {
    id: TokenId,
    secret: [u8; Self::SECRET_BYTES],
}

/// The public part of an [`AccessToken`], by which it is listed, logged and revoked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub [u8; 4]);

in_hex!(TokenId);
debug_in_hex!(TokenId);

/// The text is not an access token. The error does not repeat the text, which may hold most of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessTokenError {
    /// The text does not look like a token.
    #[error("this is not a token: it is not ftx_, 8 digits, _ and 72 digits; copy the whole line")]
    Form,
    /// The checksum does not match.
    #[error("the token has a typing mistake: its checksum does not match; copy it again")]
    Checksum,
}

impl AccessToken {
    /// The length of a secret.
    pub const SECRET_BYTES: usize = 32;

    /// The token of this id and secret. The secret must be random.
    #[must_use]
    pub const fn new(id: TokenId, secret: [u8; Self::SECRET_BYTES]) -> Self {
        Self { id, secret }
    }

    /// Parses the text of a token.
    ///
    /// # Errors
    /// The text differs from a token's in at least one character.
    pub fn parse(text: &str) -> Result<Self, AccessTokenError> {
        use AccessTokenError::{Checksum, Form};
        let form = |_: ParseHexError| Form;
        let digits = text.strip_prefix(PREFIX).ok_or(Form)?;
        let (id, digits) = digits.split_once('_').ok_or(Form)?;
        let (secret, crc) = digits.split_at_checked(2 * Self::SECRET_BYTES).ok_or(Form)?;
        let token = Self::new(id.parse().map_err(form)?, hex::parse(secret).map_err(form)?);
        let crc: [u8; 4] = hex::parse(crc).map_err(form)?;
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Form);
        }
        if crc == token.checksum() { Ok(token) } else { Err(Checksum) }
    }

    /// The public part.
    #[must_use]
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// The secret. Servers keep no more than its hash.
    #[must_use]
    pub const fn secret(&self) -> &[u8; Self::SECRET_BYTES] {
        &self.secret
    }

    /// The text without its checksum.
    fn unchecked_text(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, Digits(&self.secret))
    }

    fn checksum(&self) -> [u8; 4] {
        crc32fast::hash(self.unchecked_text().as_bytes()).to_be_bytes()
    }
}

impl FromStr for AccessToken {
    type Err = AccessTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.unchecked_text(), Digits(&self.checksum()))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken({PREFIX}{}_…)", self.id)
    }
}

/// Bytes as hexadecimal digits.
struct Digits<'a>(&'a [u8]);

impl fmt::Display for Digits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::{String, ToString as _};

    use super::{AccessToken, AccessTokenError, TokenId};

    /// Programs and scanners know this form.
    const TEXT: &str =
        "ftx_1a2b3c4d_000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f535f67e8";

    fn token() -> AccessToken {
        let secret = std::array::from_fn(|index| u8::try_from(index).unwrap());
        AccessToken::new(TokenId([0x1a, 0x2b, 0x3c, 0x4d]), secret)
    }

    #[test]
    fn the_text_is_as_specified() {
        assert_eq!(token().to_string(), TEXT);
        let parsed = AccessToken::parse(TEXT).unwrap();
        assert_eq!((parsed.id(), parsed.secret()), (token().id(), token().secret()));
    }

    #[test]
    fn each_changed_character_is_refused() {
        for (at, _) in TEXT.char_indices() {
            for byte in (0..0x80).filter(|&byte| byte != TEXT.as_bytes()[at]) {
                let changed = format!("{}{}{}", &TEXT[..at], char::from(byte), &TEXT[at + 1..]);
                assert!(AccessToken::parse(&changed).is_err(), "{changed:?}");
            }
        }
    }

    #[test]
    fn each_missing_added_or_swapped_character_is_refused() {
        for at in 0..=TEXT.len() {
            let (before, after) = TEXT.split_at(at);
            assert_eq!(AccessToken::parse(before).is_ok(), at == TEXT.len());
            for added in ["0", "_", " ", "\n", "é"] {
                let longer = format!("{before}{added}{after}");
                assert!(AccessToken::parse(&longer).is_err(), "{longer:?}");
            }
            if let Some(next) = after.chars().next() {
                let shorter = format!("{before}{}", &after[1..]);
                assert!(AccessToken::parse(&shorter).is_err(), "{shorter:?}");
                let last = before.chars().last().unwrap_or(next);
                if last != next {
                    let swapped = format!("{}{next}{last}{}", &before[..at - 1], &after[1..]);
                    assert!(AccessToken::parse(&swapped).is_err(), "{swapped:?}");
                }
            }
        }
    }

    #[test]
    fn a_token_has_one_text() {
        assert_eq!(AccessToken::parse(&TEXT.to_uppercase()).unwrap_err(), AccessTokenError::Form);
        let upper = TEXT.replace("535f67e8", "535F67E8");
        assert_eq!(AccessToken::parse(&upper).unwrap_err(), AccessTokenError::Form);
    }

    #[test]
    fn no_error_and_no_debug_text_shows_the_secret() {
        assert_eq!(format!("{:?}", token()), "AccessToken(ftx_1a2b3c4d_…)");
        let mistyped = TEXT.replace("0f1011", "0f1012");
        let error = AccessToken::parse(&mistyped).unwrap_err();
        let shown: String = format!("{error} {error:?}");
        assert!(!shown.contains("0f10") && shown.contains("checksum"), "{shown}");
    }
}
