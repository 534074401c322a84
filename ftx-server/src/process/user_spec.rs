//! The text that names a user of the system, and its group.

use std::fmt;
use std::str::FromStr;

/// A user of the system as an administrator writes it: `NAME` or `UID`, with or without `:GROUP` or `:GID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSpec {
    pub(super) user: NameOrId,
    pub(super) group: Option<NameOrId>,
}

/// A name, or the number of a user or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NameOrId {
    Name(String),
    Id(u32),
}

/// The text names no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a name or a number of the system's user, and a group behind a colon: ftx, ftx:www-data, 990:990"
)]
pub struct UserSpecError;

impl FromStr for UserSpec {
    type Err = UserSpecError;

    fn from_str(text: &str) -> Result<Self, UserSpecError> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let group = group.map(str::parse).transpose()?;
        Ok(Self { user: user.parse()?, group })
    }
}

impl FromStr for NameOrId {
    type Err = UserSpecError;

    fn from_str(text: &str) -> Result<Self, UserSpecError> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            // The largest number means "as it is" to the system.
            let id = text.parse().ok().filter(|id| *id != u32::MAX);
            return id.map(Self::Id).ok_or(UserSpecError);
        }
        let is_allowed = |c: char| !c.is_control() && !c.is_whitespace() && c != ':' && c != '/';
        let is_name = !text.starts_with(['-', '+']) && text.chars().all(is_allowed);
        is_name.then(|| Self::Name(text.to_owned())).ok_or(UserSpecError)
    }
}

impl fmt::Display for UserSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => self.user.fmt(f),
        }
    }
}

impl fmt::Display for NameOrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UserSpec;

    #[test]
    fn names_and_numbers_are_read_and_shown() {
        for text in ["ftx", "ftx:www-data", "990", "990:990", "ftx:0", "a.b_c-d@example.org", "0"] {
            assert_eq!(text.parse::<UserSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", ":", "ftx:", ":ftx", "a:b:c", "a b", "-1", "4294967295", "99999999999", "a/b"]
        {
            assert!(text.parse::<UserSpec>().is_err(), "{text:?}");
        }
    }
}
