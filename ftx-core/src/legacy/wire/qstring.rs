//! Qt's string on the wire: UTF-16 code units, or null.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::legacy::md5::Md5Digest;

/// A `QString`: null, or any sequence of UTF-16 code units.
///
/// Null and empty differ on the wire, and the original system passes unpaired surrogates, so this type
/// keeps both. The conversion to a Rust string can fail.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct QString(Option<Vec<u16>>);

impl QString {
    /// The null string, sent by the original in place of an absent MD5.
    pub const NULL: Self = Self(None);

    /// A string of these code units.
    #[must_use]
    pub fn from_units(units: Vec<u16>) -> Self {
        Self(Some(units))
    }

    /// The code units, or `None` for the null string.
    #[must_use]
    pub fn units(&self) -> Option<&[u16]> {
        self.0.as_deref()
    }

    /// Whether this is the null string.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// The text, or `None` if it has an unpaired surrogate. Null is the empty text, as in Qt.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        String::from_utf16(self.0.as_deref().unwrap_or_default()).ok()
    }
}

impl From<&str> for QString {
    fn from(text: &str) -> Self {
        Self(Some(text.encode_utf16().collect()))
    }
}

impl From<Option<Md5Digest>> for QString {
    fn from(md5: Option<Md5Digest>) -> Self {
        md5.map_or(Self::NULL, |md5| Self::from(alloc::format!("{md5}").as_str()))
    }
}

impl fmt::Debug for QString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("null"),
            Some(units) => fmt::Debug::fmt(&String::from_utf16_lossy(units), f),
        }
    }
}
