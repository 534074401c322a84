//! The values that requests take and answers bring.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::SystemTime;

/// The tag of one version of an object or a part, by which conditions name it.
///
/// It is opaque: it need not be an MD5. The quotes around it, which some stores leave out, are not part
/// of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ETag(String);

impl ETag {
    /// Takes a tag with or without quotes.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        // A proxy that compresses answers makes tags weak, while stores compare them as strong ones.
        let text = text.strip_prefix("W/").unwrap_or(text);
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        Self(bare.unwrap_or(text).to_owned())
    }

    /// Returns the tag without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the tag with quotes, as headers and documents have it.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state that an object must have, or else a write or a deletion does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Any state.
    #[default]
    Always,
    /// There is no such object.
    IfAbsent,
    /// The object has this tag.
    IfMatch(ETag),
}

/// An object without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHead {
    /// The number of its bytes.
    pub size: u64,
    /// The tag of this version.
    pub tag: ETag,
    /// The time of the last change.
    pub modified: SystemTime,
    /// The pairs of the headers `x-amz-meta-*`, in small letters and without this prefix.
    pub metadata: BTreeMap<String, String>,
}

/// A request for a page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListObjects {
    /// The beginning of the keys.
    pub prefix: String,
    /// Keys that have a `/` after the prefix are listed as one [prefix](ObjectPage::prefixes) each.
    pub delimiter: bool,
    /// The listing begins after this key.
    pub start_after: Option<String>,
    /// The listing goes on here: the [`next`](ObjectPage::next) of the previous page.
    pub continuation: Option<String>,
    /// The most entries of the page. Stores have a limit of their own, which is mostly 1,000.
    pub max_keys: Option<u16>,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects in the order of their keys' bytes.
    pub objects: Vec<ListedObject>,
    /// The beginnings of keys up to and with the next `/`, if the request had a delimiter.
    pub prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// The key.
    pub key: String,
    /// The number of bytes.
    pub size: u64,
    /// The tag of this version.
    pub tag: ETag,
    /// The time of the last change.
    pub modified: SystemTime,
}

/// The identifier of an upload in parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(String);

impl UploadId {
    /// Takes an identifier that [`as_str`](Self::as_str) returned.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number, from 1 to [`MAX_PART_NUMBER`](crate::MAX_PART_NUMBER).
    pub number: u16,
    /// The tag.
    pub tag: ETag,
    /// The number of bytes.
    pub size: u64,
}

/// The source of a part that the store copies by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The key of an object in the same bucket.
    pub key: String,
    /// The version that the object must have.
    pub tag: ETag,
    /// The bytes. AWS copies a range only out of objects of more than 5 MiB.
    pub range: Range<u64>,
}

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpload {
    /// The key of the object to be.
    pub key: String,
    /// The identifier.
    pub id: UploadId,
    /// The time at which it was created.
    pub initiated: SystemTime,
}

/// The outcome of aborting an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aborted {
    /// The upload is gone, and with it its parts.
    Yes,
    /// There was no such upload: it had been completed or aborted.
    NoSuchUpload,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_the_same_with_and_without_quotes() {
        for text in ["\"abc-2\"", "abc-2", " \"abc-2\" ", "W/\"abc-2\"", "W/abc-2"] {
            assert_eq!(ETag::new(text).as_str(), "abc-2", "{text}");
        }
        assert_eq!(ETag::new("\"abc-2\"").quoted(), "\"abc-2\"");
        assert_eq!(ETag::new("\"").as_str(), "\"");
        assert_eq!(ETag::new("\"\"").as_str(), "");
        assert_eq!(ETag::new("a\"b").as_str(), "a\"b");
        assert_eq!(ETag::new("\"x\"").to_string(), "x");
    }
}
