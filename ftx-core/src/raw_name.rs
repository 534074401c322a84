//! Names as bytes of a file system, including those that are no remote name.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::{NameError, RemoteName, shown};

/// The name of any entry in a directory of the server: the directory as a [`RemoteName`] (`None` for
/// the root), and a last part of arbitrary bytes. It is reported and compared, never opened.
///
/// Its text, which records contain, is escaped bytewise: `\\` stands for a backslash and `\xff` for a
/// byte outside valid UTF-8, in lower-case hexadecimal digits; all other characters stand for
/// themselves. Each name has exactly one text. Names are ordered like listings, by the bytes of their
/// parts.
///
/// ```
/// use ftx_core::RawName;
///
/// let name = RawName::new(Some("photos".parse()?), b"caf\xe9")?;
/// assert_eq!(name.to_string(), r"photos/caf\xe9");
/// assert_eq!(RawName::parse(r"photos/caf\xe9")?, name);
/// assert!(name.to_remote().is_none());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RawName {
    directory: Option<RemoteName>,
    part: Vec<u8>,
}

impl RawName {
    /// The longest last part, in bytes: more than any known file system has.
    pub const MAX_PART_BYTES: usize = 1024;

    /// The longest text, in bytes: of a directory of backslashes and a part without UTF-8.
    const MAX_TEXT_BYTES: usize = 2 * RemoteName::MAX_BYTES + 1 + 4 * Self::MAX_PART_BYTES;

    /// The name of the entry `part` of `directory`, `None` for the root.
    ///
    /// # Errors
    /// No entry can have this name: the part is empty, `.` or `..`, contains a slash or a NUL, or is
    /// longer than [`MAX_PART_BYTES`](Self::MAX_PART_BYTES).
    pub fn new(directory: Option<RemoteName>, part: &[u8]) -> Result<Self, RawNameError> {
        let name = Self { directory, part: part.to_owned() };
        let is_name = !matches!(part, b"" | b"." | b"..")
            && !part.contains(&b'/')
            && !part.contains(&0)
            && part.len() <= Self::MAX_PART_BYTES;
        if is_name { Ok(name) } else { Err(RawNameError::new(&name.to_string())) }
    }

    /// Parses the escaped text of a name.
    ///
    /// # Errors
    /// The text is not the escaped form of any name.
    pub fn parse(text: &str) -> Result<Self, RawNameError> {
        let failed = || RawNameError::new(text);
        if text.len() > Self::MAX_TEXT_BYTES {
            return Err(failed());
        }
        let bytes = unescape(text.as_bytes()).ok_or_else(failed)?;
        let slash = bytes.iter().rposition(|byte| *byte == b'/');
        let (directory, part) = match slash.and_then(|slash| bytes.split_at_checked(slash)) {
            Some((directory, part)) => (Some(directory), part.get(1..).unwrap_or_default()),
            None => (None, bytes.as_slice()),
        };
        let directory = directory.map(|directory| {
            let text = core::str::from_utf8(directory).map_err(|_| failed())?;
            RemoteName::parse(text).map_err(|_| failed())
        });
        let name = Self::new(directory.transpose()?, part)?;
        // Each name has one text.
        if name.to_string() == text { Ok(name) } else { Err(failed()) }
    }

    /// The directory of the entry; `None` for the root.
    #[must_use]
    pub const fn directory(&self) -> Option<&RemoteName> {
        self.directory.as_ref()
    }

    /// The last part, as bytes.
    #[must_use]
    pub const fn part(&self) -> &[u8] {
        self.part.as_slice()
    }

    /// Length of the escaped text in bytes.
    pub(crate) fn text_len(&self) -> usize {
        let directory = self.directory.as_ref().map_or(0, |name| {
            let backslashes = name.as_str().bytes().filter(|byte| *byte == b'\\').count();
            name.as_str().len() + backslashes + 1
        });
        let part = self.part.utf8_chunks().map(|chunk| {
            let backslashes = chunk.valid().bytes().filter(|byte| *byte == b'\\').count();
            chunk.valid().len() + backslashes + 4 * chunk.invalid().len()
        });
        directory + part.sum::<usize>()
    }

    /// The same name as a [`RemoteName`], if it is valid.
    #[must_use]
    pub fn to_remote(&self) -> Option<RemoteName> {
        self.check_remote().ok()?.ok()
    }

    /// As [`to_remote`](Self::to_remote), with the rule that the name breaks.
    ///
    /// # Errors
    /// The last part is not UTF-8.
    pub fn check_remote(&self) -> Result<Result<RemoteName, NameError>, core::str::Utf8Error> {
        let part = core::str::from_utf8(&self.part)?;
        Ok(match &self.directory {
            Some(directory) => RemoteName::parse(&alloc::format!("{directory}/{part}")),
            None => RemoteName::parse(part),
        })
    }

    pub(crate) fn place(&self) -> NameKey<'_> {
        NameKey { directory: self.directory.as_ref().map(RemoteName::as_str), part: &self.part }
    }
}

impl From<&RemoteName> for RawName {
    fn from(name: &RemoteName) -> Self {
        let directory = name.parent().and_then(|parent| RemoteName::parse(parent).ok());
        Self { directory, part: name.file_name().as_bytes().to_owned() }
    }
}

impl fmt::Display for RawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(directory) = &self.directory {
            escape(directory.as_str().as_bytes(), f)?;
            f.write_char('/')?;
        }
        escape(&self.part, f)
    }
}

impl From<RawName> for String {
    fn from(name: RawName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for RawName {
    type Error = RawNameError;

    fn try_from(text: String) -> Result<Self, RawNameError> {
        Self::parse(&text)
    }
}

impl Ord for RawName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for RawName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The sort key of a listing, common to [`RawName`] and [`RemoteName`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameKey<'a> {
    pub(crate) directory: Option<&'a str>,
    pub(crate) part: &'a [u8],
}

impl<'a> NameKey<'a> {
    fn parts(self) -> impl Iterator<Item = &'a [u8]> {
        let directory = self.directory.into_iter().flat_map(|directory| directory.split('/'));
        directory.map(str::as_bytes).chain(core::iter::once(self.part))
    }
}

impl Ord for NameKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(other.parts())
    }
}

impl PartialOrd for NameKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> From<&'a RemoteName> for NameKey<'a> {
    fn from(name: &'a RemoteName) -> Self {
        Self { directory: name.parent(), part: name.file_name().as_bytes() }
    }
}

/// A text that is not the escaped form of any name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an escaped name")]
pub struct RawNameError {
    text: String,
}

impl RawNameError {
    fn new(text: &str) -> Self {
        Self { text: shown(text) }
    }
}

/// Displays bytes escaped as in a [`RawName`]: for messages about local names.
pub fn escaped_bytes(bytes: &[u8]) -> impl fmt::Display + '_ {
    struct EscapedBytes<'a>(&'a [u8]);
    impl fmt::Display for EscapedBytes<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            escape(self.0, f)
        }
    }
    EscapedBytes(bytes)
}

fn escape(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for (index, plain) in chunk.valid().split('\\').enumerate() {
            f.write_str(if index == 0 { "" } else { "\\\\" })?;
            f.write_str(plain)?;
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Some(bytes),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', b'x', high, low, rest @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let byte = 16 * digit(*high)? + digit(*low)?;
                bytes.push(u8::try_from(byte).ok()?);
                rest
            }
            [b'\\', ..] => return None,
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::RawName;
    use crate::RemoteName;

    fn raw(directory: &str, part: &[u8]) -> RawName {
        let directory = Some(directory).filter(|name| !name.is_empty());
        RawName::new(directory.map(|name| name.parse().unwrap()), part).unwrap()
    }

    #[test]
    fn bytes_that_are_no_text_and_backslashes_are_escaped() {
        for (directory, part, text) in [
            ("", &b"a"[..], "a"),
            ("d", b"b\xff", "d/b\\xff"),
            ("d/e", b"caf\xe9 \xc3", "d/e/caf\\xe9 \\xc3"),
            ("back\\slash", "é\\xff".as_bytes(), "back\\\\slash/é\\\\xff"),
            ("", b"\x1b\n", "\x1b\n"),
            ("", b".ftx", ".ftx"),
            ("", b"C:", "C:"),
        ] {
            let name = raw(directory, part);
            assert_eq!((name.to_string().as_str(), name.text_len()), (text, text.len()));
            assert_eq!(RawName::parse(text), Ok(name));
        }
    }

    #[test]
    fn only_the_one_text_of_a_name_is_accepted() {
        let long = "x".repeat(1025);
        let deep = "x/".repeat(2049) + "x";
        for text in [
            "",
            ".",
            "..",
            "a/..",
            "a/",
            "/",
            "/a",
            "a//b",
            "../a",
            "a/../b",
            ".ftx/a",
            "C:/x",
            "a\0",
            "a\\",
            "\\x4",
            "\\x41",
            "\\xFF",
            "\\x2f",
            "\\xc3\\xa9",
            "\\n",
            "\\xff/a",
            "\\x00",
            &long,
            &deep,
        ] {
            let error = RawName::parse(text).unwrap_err();
            assert!(error.to_string().len() < 2000, "{text}");
        }
        let longest = "\\\\/".repeat(2047) + "\\\\\\\\/" + &"\\xff".repeat(1024);
        assert!(longest.len() <= RawName::MAX_TEXT_BYTES);
        assert!(RawName::parse(&longest).is_ok());
    }

    #[test]
    fn names_that_are_remote_names_are_the_same_both_ways() {
        for text in ["a", "d/é", "back\\slash/x\\"] {
            let name: RemoteName = text.parse().unwrap();
            assert_eq!(RawName::from(&name).to_remote(), Some(name));
        }
        for (directory, part) in [("", &b"C:"[..]), ("d", b"\xff"), ("", b".FTX")] {
            assert_eq!(raw(directory, part).to_remote(), None);
        }
        assert!(raw("", b"\xff").check_remote().is_err());
        assert!(raw("", b"C:").check_remote().unwrap().is_err());
    }

    proptest! {
        #[test]
        fn every_part_has_one_text(part: Vec<u8>) {
            let Ok(name) = RawName::new(Some("d".parse().unwrap()), &part) else { return Ok(()) };
            prop_assert_eq!(name.text_len(), name.to_string().len());
            prop_assert_eq!(RawName::parse(&name.to_string()), Ok(name));
        }

        #[test]
        fn a_parsed_name_is_written_as_it_was(text in "[a/.\\\\xfe0\u{e9}]{0,12}") {
            let Ok(name) = RawName::parse(&text) else { return Ok(()) };
            prop_assert_eq!(name.to_string(), text);
        }

        #[test]
        fn the_order_is_that_of_the_parts(one in "[ab.\\-]{1,3}", other in "[ab.\\-]{1,3}") {
            let names = |parts: [&str; 2]| -> Option<(RawName, Vec<String>)> {
                let directory = parts[0].parse().ok()?;
                let name = RawName::new(Some(directory), parts[1].as_bytes()).ok()?;
                Some((name, parts.map(String::from).into()))
            };
            let (Some(one), Some(other)) = (names([&one, &other]), names([&other, &one])) else {
                return Ok(());
            };
            prop_assert_eq!(one.0.cmp(&other.0), one.1.cmp(&other.1));
        }
    }
}
