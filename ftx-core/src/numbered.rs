//! Numbered names, `NAME~2`, for files whose own name is taken.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use crate::RemoteName;

/// The last part of a path with a number after it, `part~2`; with the number 1 the part itself.
///
/// The part is shortened, by whole characters, if it would have more than `max_bytes`. `None` if nothing of
/// it would be left.
#[must_use]
pub fn numbered_part(part: &str, number: u32, max_bytes: usize) -> Option<String> {
    if number == 1 {
        return (part.len() <= max_bytes).then(|| part.to_owned());
    }
    let suffix = format!("~{number}");
    let room = max_bytes.checked_sub(suffix.len())?;
    let mut end = room.min(part.len());
    while !part.is_char_boundary(end) {
        end -= 1;
    }
    let kept = part.get(..end).filter(|kept| !kept.is_empty())?;
    Some(format!("{kept}{suffix}"))
}

impl RemoteName {
    /// The longest last part that the name could have, in bytes.
    #[must_use]
    pub fn max_file_name_bytes(&self) -> usize {
        let before = self.parent().map_or(0, |parent| parent.len().saturating_add(1));
        Self::MAX_PART_BYTES.min(Self::MAX_BYTES.saturating_sub(before))
    }

    /// The name with a number after its last part, as [`numbered_part`]. `None` if there is no room for the
    /// number.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<Self> {
        let part = numbered_part(self.file_name(), number, self.max_file_name_bytes())?;
        let name = self.parent().map_or_else(|| part.clone(), |parent| format!("{parent}/{part}"));
        Self::parse(&name).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::ToOwned as _;
    use std::format;
    use std::string::String;

    use super::numbered_part;
    use crate::RemoteName;

    fn numbered(name: &str, number: u32) -> Option<String> {
        RemoteName::parse(name).unwrap().numbered(number).map(String::from)
    }

    #[test]
    fn the_number_follows_the_whole_last_part() {
        for (name, number, expected) in [
            ("report.pdf", 1, "report.pdf"),
            ("report.pdf", 2, "report.pdf~2"),
            ("a.b/report.tar.gz", 10, "a.b/report.tar.gz~10"),
            ("report.pdf~2", 2, "report.pdf~2~2"),
            ("a/.ftx", 3, "a/.ftx~3"),
        ] {
            assert_eq!(numbered(name, number).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_long_part_is_shortened_by_whole_characters() {
        let part = "é".repeat(127) + "x";
        let name = format!("a/{part}");
        assert_eq!(numbered(&name, 1).as_deref(), Some(name.as_str()));
        let expected = format!("a/{}~2", "é".repeat(126));
        assert_eq!(numbered(&name, 2), Some(expected));
        assert_eq!(numbered_part("éa", 2, 4).as_deref(), Some("é~2"));
        assert_eq!(numbered_part("éa", 2, 3), None);
        assert_eq!(numbered_part("éa", 2, 1), None);
    }

    #[test]
    fn a_long_name_is_shortened_or_has_no_number() {
        let parents = ("x".repeat(255) + "/").repeat(15);
        let whole = format!("{parents}{}/{}", "y".repeat(250), "zabcd");
        assert_eq!(whole.len(), RemoteName::MAX_BYTES);
        assert_eq!(numbered(&whole, 100), Some(whole[..4092].to_owned() + "~100"));
        let whole = format!("{parents}{}/{}", "y".repeat(253), "zy");
        assert_eq!((whole.len(), numbered(&whole, 2)), (RemoteName::MAX_BYTES, None));
    }
}
