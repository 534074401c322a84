//! Remote names: the only form in which a name from the wire gets past the parser.
//!
//! A remote name is a relative path below the server's root. Code with a [`RemoteName`] may join it
//! to that root: the name cannot climb out, name a drive or reach the server's private directory.
//! It does *not* guarantee a path without symbolic links; the store checks that.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// The first part of all names that belong to the store, not to its users.
const RESERVED: &str = ".ftx";

/// Characters of a name that an error quotes.
const SHOWN_CHARS: usize = 160;

/// A validated relative path: `/`-separated UTF-8, made by parsing only.
///
/// There is at least one part, and no part is empty, `.` or `..`. Nothing is normalised: two names
/// are the same file exactly when their bytes are equal. Backslashes, spaces and control characters
/// other than NUL are ordinary characters, as they are to the systems that serve the files.
///
/// A record contains it as a text, and an invalid name makes the record invalid. It is debugged as a
/// text, like a path, so errors quote both alike.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RemoteName(String);

impl RemoteName {
    /// The longest name, in bytes of UTF-8, separators included.
    pub const MAX_BYTES: usize = 4096;

    /// The longest part between two separators, in bytes of UTF-8.
    pub const MAX_PART_BYTES: usize = 255;

    /// Validates a text and keeps it unchanged.
    ///
    /// # Errors
    /// The first rule that the text breaks, with the part that breaks it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The name as text, exactly as it was parsed.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The parts between the separators, from the root downwards; there is at least one.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.as_str(), |(_, last)| last)
    }

    /// Everything before the last part, or `None` for a name of one part.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }
}

/// Validates a text as a name.
///
/// # Errors
/// The first rule that the text breaks.
fn check(text: &str) -> Result<(), NameError> {
    // First, so that no later error quotes an endless name.
    if text.len() > RemoteName::MAX_BYTES {
        return Err(NameError::TooLong { len: text.len() });
    }
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.starts_with('/') {
        return Err(NameError::LeadingSlash { name: text.to_owned() });
    }
    if text.ends_with('/') {
        return Err(NameError::TrailingSlash { name: text.to_owned() });
    }
    for (index, part) in text.split('/').enumerate() {
        check_part(text, part)?;
        if index == 0 {
            check_first(part)?;
        }
    }
    Ok(())
}

fn check_part(name: &str, part: &str) -> Result<(), NameError> {
    match part {
        "" => return Err(NameError::EmptyPart { name: name.to_owned() }),
        "." | ".." => return Err(NameError::DotPart { name: name.to_owned() }),
        _ => {}
    }
    if part.contains('\0') {
        return Err(NameError::Nul { part: part.to_owned() });
    }
    if part.len() > RemoteName::MAX_PART_BYTES {
        return Err(NameError::PartTooLong { part: part.to_owned(), len: part.len() });
    }
    Ok(())
}

fn check_first(part: &str) -> Result<(), NameError> {
    // `C:` and `C:file` alike: the second is relative to that drive's current directory.
    if matches!(part.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
        return Err(NameError::Drive { part: part.to_owned() });
    }
    if part.eq_ignore_ascii_case(RESERVED) {
        return Err(NameError::Reserved { part: part.to_owned() });
    }
    Ok(())
}

impl fmt::Debug for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for RemoteName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for RemoteName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for RemoteName {
    type Error = NameError;

    fn try_from(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RemoteName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        check(&text)?;
        Ok(Self(text))
    }
}

impl From<RemoteName> for String {
    fn from(name: RemoteName) -> Self {
        name.0
    }
}

/// Why a text is not a remote name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A part is `.` or `..`.
    #[error("the name {} has a part \".\" or \"..\"; write the path without them", Quoted(name))]
    DotPart {
        /// The whole name.
        name: String,
    },
    /// The first part names a drive.
    #[error("the name begins with the drive {}; use a path relative to the root", Quoted(part))]
    Drive {
        /// The first part.
        part: String,
    },
    /// The text is empty.
    #[error("the name is empty; it needs at least one part")]
    Empty,
    /// Two separators are adjacent.
    #[error("the name {} has an empty part; use a single \"/\" between parts", Quoted(name))]
    EmptyPart {
        /// The whole name.
        name: String,
    },
    /// The name is an absolute path.
    #[error("the name {} begins with \"/\"; use a path relative to the root", Quoted(name))]
    LeadingSlash {
        /// The whole name.
        name: String,
    },
    /// A part holds a NUL character, which no file system can store.
    #[error("the part {} of the name has a NUL character; remove it", Quoted(part))]
    Nul {
        /// The part.
        part: String,
    },
    /// The name is not Unicode, so it never reached the parser: legacy names may contain unpaired
    /// surrogates.
    #[error("the name is not valid unicode; rename the file")]
    NotUnicode,
    /// A part is longer than [`RemoteName::MAX_PART_BYTES`].
    #[error(
        "the part {} of the name has {len} bytes; at most {max} are allowed",
        Quoted(part),
        max = RemoteName::MAX_PART_BYTES
    )]
    PartTooLong {
        /// The part.
        part: String,
        /// Its length in bytes.
        len: usize,
    },
    /// The first part is the server's private directory, in upper or lower case.
    #[error(
        "the first part {} is reserved for the server's own files; choose another",
        Quoted(part)
    )]
    Reserved {
        /// The first part.
        part: String,
    },
    /// The whole name is longer than [`RemoteName::MAX_BYTES`].
    #[error("the name has {len} bytes; at most {max} are allowed", max = RemoteName::MAX_BYTES)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The name ends with a separator, so it names a directory, not a file.
    #[error("the name {} ends with \"/\"; name a file, not a folder", Quoted(name))]
    TrailingSlash {
        /// The whole name.
        name: String,
    },
}

/// A text as errors quote it: escaped and truncated.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => write!(f, "{:?}…", self.0.get(..end).unwrap_or_default()),
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::{NameError, RemoteName};

    fn refused(text: &str) -> NameError {
        RemoteName::parse(text).unwrap_err()
    }

    #[test]
    fn each_rule_has_its_own_error() {
        let owned = String::from;
        assert_eq!(refused(""), NameError::Empty);
        assert_eq!(refused("/"), NameError::LeadingSlash { name: owned("/") });
        assert_eq!(refused("/etc"), NameError::LeadingSlash { name: owned("/etc") });
        assert_eq!(refused("a/"), NameError::TrailingSlash { name: owned("a/") });
        assert_eq!(refused("a//b"), NameError::EmptyPart { name: owned("a//b") });
        for dots in [".", "..", "./a", "../a", "a/./b", "a/../b", "a/.."] {
            assert_eq!(refused(dots), NameError::DotPart { name: owned(dots) });
        }
        assert_eq!(refused("a/b\0c"), NameError::Nul { part: owned("b\0c") });
        for (name, part) in [("C:/a", "C:"), ("z:", "z:"), ("c:a/b", "c:a")] {
            assert_eq!(refused(name), NameError::Drive { part: owned(part) });
        }
        for (name, part) in [(".ftx", ".ftx"), (".FtX/staging", ".FtX")] {
            assert_eq!(refused(name), NameError::Reserved { part: owned(part) });
        }
    }

    #[test]
    fn lengths_are_counted_in_bytes() {
        let part = "é".repeat(127) + "x";
        assert_eq!(part.len(), RemoteName::MAX_PART_BYTES);
        assert!(RemoteName::parse(&format!("a/{part}")).is_ok());
        let long = part.clone() + "x";
        assert_eq!(refused(&long), NameError::PartTooLong { part: long.clone(), len: 256 });

        let whole = [part.as_str(); 16].join("/");
        assert_eq!(whole.len(), 4095);
        assert!(RemoteName::parse(&whole).is_ok());
        let whole = format!("{whole}/x");
        assert_eq!(refused(&whole), NameError::TooLong { len: 4097 });
    }

    #[test]
    fn a_name_of_exactly_the_longest_length_is_taken() {
        let whole = ("x".repeat(255) + "/").repeat(15) + "y/" + &"z".repeat(254);
        assert_eq!(whole.len(), RemoteName::MAX_BYTES);
        assert!(RemoteName::parse(&whole).is_ok());
        assert_eq!(refused(&(whole + "z")), NameError::TooLong { len: 4097 });
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for text in [
            "hello.txt",
            "报告 2024.pdf",
            "😀.txt",
            "a\\..\\b",
            " leading and trailing ",
            "line\nbreak\ttab",
            "...",
            ".hidden/..x",
            "a/.ftx",
            ".ftx2",
            "a/C:/b",
            "é:",
            "1:x",
            ":",
        ] {
            assert_eq!(RemoteName::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_name_can_be_taken_apart() {
        let name: RemoteName = "a/b c/d.txt".parse().unwrap();
        assert_eq!(name.parts().collect::<Vec<_>>(), ["a", "b c", "d.txt"]);
        assert_eq!((name.parent(), name.file_name()), (Some("a/b c"), "d.txt"));
        let name = RemoteName::try_from("alone").unwrap();
        assert_eq!((name.parent(), name.file_name()), (None, "alone"));
        assert_eq!(name.to_string(), "alone");
    }

    #[test]
    fn messages_name_the_part_and_the_rule_and_are_short_and_escaped() {
        assert_eq!(
            refused("a/b\0").to_string(),
            "the part \"b\\0\" of the name has a NUL character; remove it"
        );
        assert!(refused(&"x".repeat(5000)).to_string().len() < 80);
        let escapes = String::from("/") + &"\u{1b}".repeat(4000);
        for name in [escapes, "x".repeat(4000), String::from("\u{202e}/..")] {
            let message = refused(&name).to_string();
            assert!(message.len() < 1200, "{message}");
            assert!(!message.contains(['\u{1b}', '\u{202e}']), "{message}");
        }
    }

    /// Texts that are names often enough, and break every rule often enough.
    fn nearly_names() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[a-c.:é\\\\ ]{0,4}",
            1 => Just(String::from("..")),
            1 => Just(String::from(".ftx")),
            1 => "[A-z]:",
            1 => "\\PC{0,3}",
            1 => any::<char>().prop_map(String::from),
        ];
        prop_oneof![3 => prop::collection::vec(part, 0..5).prop_map(|p| p.join("/")), 1 => ".*"]
    }

    proptest! {
        #[test]
        fn a_valid_name_has_no_forbidden_part(text in nearly_names()) {
            let Ok(name) = RemoteName::parse(&text) else { return Ok(()) };
            prop_assert_eq!(name.as_str(), &text);
            prop_assert_eq!(RemoteName::parse(name.as_str()), Ok(name.clone()));
            prop_assert!(!text.contains('\0') && text.len() <= RemoteName::MAX_BYTES);
            for part in name.parts() {
                prop_assert!(!["", ".", ".."].contains(&part));
                prop_assert!(part.len() <= RemoteName::MAX_PART_BYTES);
            }
            let first = name.parts().next().unwrap();
            prop_assert_ne!(first.to_ascii_lowercase(), ".ftx");
            let mut chars = first.chars();
            let letter = chars.next().unwrap().is_ascii_alphabetic();
            prop_assert!(!(letter && chars.next() == Some(':')));
        }

        #[test]
        fn parent_and_file_name_make_the_name(text in nearly_names()) {
            let Ok(name) = RemoteName::parse(&text) else { return Ok(()) };
            let joined = match name.parent() {
                Some(parent) => format!("{parent}/{}", name.file_name()),
                None => name.file_name().to_string(),
            };
            prop_assert_eq!(joined, text);
        }
    }
}
