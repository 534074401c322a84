//! One token, as the file holds it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ftx_core::{AccessToken, TokenId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::auth::user_name::{UserNameError, check_user_name};

/// The word in place of the hash of a token that was revoked.
const REVOKED: &str = "revoked";

/// The word in place of the time at which a token expires.
const NEVER: &str = "never";

/// The first time that has no text: the year 10000.
const END_OF_TIMES: Duration = Duration::from_secs(253_402_300_800);

/// A token of a user. Its secret is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRecord {
    /// The public part of the token.
    pub id: TokenId,
    /// The user that the token stands for.
    pub user: Arc<str>,
    /// The hash of the secret; `None` once the token is revoked.
    pub secret_hash: Option<SecretHash>,
    /// The time at which the token was made.
    pub created: SystemTime,
    /// The time from which the token is not accepted any more; `None` for never.
    pub expires: Option<SystemTime>,
}

/// The SHA-256 of a token's secret. The secret is random, so no slow hash is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

/// The fault of a damaged line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenLineFault {
    /// The first line is not that of a token file.
    #[error("the line is not {0:?}")]
    Header(&'static str),
    /// The line has fewer fields than a token.
    #[error("the line is not an id, a hash, two times and a user")]
    Fields,
    /// The line has no end, so the rest may be missing.
    #[error("the line has no end")]
    Unended,
    /// The line is not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// The first field is no id.
    #[error("the id is not 8 hexadecimal digits")]
    Id,
    /// The second field is no hash.
    #[error("the hash is not 64 hexadecimal digits or \"{REVOKED}\"")]
    Hash,
    /// The third or fourth field is no time.
    #[error("{0:?} is not a time such as 2026-01-31T12:00:00Z")]
    Time(String),
    /// The rest of the line is no name of a user.
    #[error("{0}")]
    User(#[from] UserNameError),
    /// A line before this one has the same id.
    #[error("the id {0} is there twice")]
    Repeated(TokenId),
}

impl SecretHash {
    /// The hash of a token's secret.
    #[must_use]
    pub fn of(token: &AccessToken) -> Self {
        Self(Sha256::digest(token.secret()).into())
    }

    /// Whether this is the hash of the token's secret. Takes the same time wherever they differ.
    #[must_use]
    pub fn is_of(&self, token: &AccessToken) -> bool {
        self.0.ct_eq(&Self::of(token).0).into()
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Does not show the hash, which is of no use in a log.
impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl TokenRecord {
    /// Whether the token is not accepted any more at this time.
    #[must_use]
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// The time at which the token expires, or `never`.
    #[must_use]
    pub fn shown_expiry(&self) -> String {
        let shown = |expires| humantime::format_rfc3339_seconds(expires).to_string();
        self.expires.map_or_else(|| NEVER.to_owned(), shown)
    }

    /// Reads a line.
    pub(super) fn parse(line: &str) -> Result<Self, TokenLineFault> {
        let mut fields = line.splitn(5, ' ');
        let mut field = || fields.next().ok_or(TokenLineFault::Fields);
        let (id, hash, created, expires, user) = (field()?, field()?, field()?, field()?, field()?);
        check_user_name(user)?;
        Ok(Self {
            id: id.parse().map_err(|_| TokenLineFault::Id)?,
            user: user.into(),
            secret_hash: match hash {
                REVOKED => None,
                digits => Some(SecretHash(parse_hash(digits).ok_or(TokenLineFault::Hash)?)),
            },
            created: parse_time(created)?,
            expires: if expires == NEVER { None } else { Some(parse_time(expires)?) },
        })
    }
}

/// The line of the file, without its end.
impl fmt::Display for TokenRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.id)?;
        match &self.secret_hash {
            Some(hash) => write!(f, "{hash} ")?,
            None => write!(f, "{REVOKED} ")?,
        }
        let created = humantime::format_rfc3339_seconds(self.created);
        write!(f, "{created} {} {}", self.shown_expiry(), self.user)
    }
}

/// The time in whole seconds, if it has a text: from 1970 to 9999.
pub(super) fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let has_text = since < END_OF_TIMES;
    has_text.then(|| UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}

fn parse_time(text: &str) -> Result<SystemTime, TokenLineFault> {
    let time = humantime::parse_rfc3339(text).ok().and_then(whole_seconds);
    time.ok_or_else(|| TokenLineFault::Time(text.to_owned()))
}

fn parse_hash(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}
