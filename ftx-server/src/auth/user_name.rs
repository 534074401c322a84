//! Names of users.

use ftx_core::{TokenId, escaped};

/// The longest name of a user, in bytes.
pub const MAX_USER_NAME_BYTES: usize = 64;

/// A text that cannot be the name of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserNameError {
    /// It is empty.
    #[error("the name of a user is empty")]
    Empty,
    /// It is longer than [`MAX_USER_NAME_BYTES`].
    #[error("the name of a user has {len} bytes; at most {MAX_USER_NAME_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It begins or ends with white space, which nobody sees.
    #[error("the name of a user begins or ends with a space")]
    Space,
    /// A terminal or an editor would act on one of its characters.
    #[error("the name of a user has a control character")]
    Control,
    /// Commands take it for the id of a token.
    #[error("the name of a user has the form of a token's id, 8 hexadecimal digits")]
    LikeTokenId,
}

/// Checks that a text can be the name of a user.
///
/// # Errors
/// The fault of the name.
pub fn check_user_name(name: &str) -> Result<(), UserNameError> {
    if name.is_empty() {
        Err(UserNameError::Empty)
    } else if name.len() > MAX_USER_NAME_BYTES {
        Err(UserNameError::TooLong { len: name.len() })
    } else if escaped(name).to_string() != name {
        Err(UserNameError::Control)
    } else if name.trim() != name {
        Err(UserNameError::Space)
    } else if name.parse::<TokenId>().is_ok() {
        Err(UserNameError::LikeTokenId)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{UserNameError, check_user_name};

    #[test]
    fn a_name_is_one_line_that_everybody_reads_alike() {
        for name in ["alice", "Ann Lee", "анна", "a", "ci@host", "1234567", &"x".repeat(64)] {
            assert_eq!(check_user_name(name), Ok(()), "{name}");
        }
        for (name, error) in [
            ("", UserNameError::Empty),
            (&*"x".repeat(65), UserNameError::TooLong { len: 65 }),
            (" alice", UserNameError::Space),
            ("alice\u{a0}", UserNameError::Space),
            ("a\nb", UserNameError::Control),
            ("a\u{202e}b", UserNameError::Control),
            ("deadbeef", UserNameError::LikeTokenId),
            ("DEADBEEF", UserNameError::LikeTokenId),
        ] {
            assert_eq!(check_user_name(name), Err(error), "{name:?}");
        }
    }
}
