//! Remote names.

use alloc::string::String;

/// A validated relative path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemoteName(String);

impl RemoteName {
    /// Parses.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let _ = text;
        Err(NameError::Empty)
    }
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no remote name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing in it.
    #[error("the name is empty")]
    Empty,
}
