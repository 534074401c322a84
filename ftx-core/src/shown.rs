//! A peer's text, as errors and logs quote it.

use alloc::string::String;
use core::fmt::Write as _;

use crate::escaped;

/// Characters of a peer's text that are quoted.
const SHOWN_CHARS: usize = 1024;

/// Returns a peer's text [`escaped`] and cut to 1,024 characters and a `…`: a stranger may send a text
/// as long as a message, made to act on the reader's terminal.
#[must_use]
pub fn shown(text: &str) -> String {
    // Escaping only lengthens a text, so this much of it is enough.
    let end = text.char_indices().nth(SHOWN_CHARS + 1).map_or(text.len(), |(end, _)| end);
    let mut shown = String::new();
    // Writing to a string cannot fail.
    let _ = write!(shown, "{}", escaped(text.get(..end).unwrap_or_default()));
    if let Some((end, _)) = shown.char_indices().nth(SHOWN_CHARS) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::shown;

    #[test]
    fn a_text_of_ordinary_length_is_escaped_and_whole() {
        assert_eq!(shown("é\u{1b}[2J\n"), "é\\u{1b}[2J\\n");
        let longest = "é".repeat(1024);
        assert_eq!(shown(&longest), longest);
    }

    #[test]
    fn an_endless_text_is_cut() {
        let cut = "é".repeat(1024) + "…";
        for len in [1025, 1026, 1 << 20] {
            assert_eq!(shown(&"é".repeat(len)), cut);
        }
        let escapes = shown(&"\u{1b}".repeat(1 << 20));
        assert_eq!(escapes.chars().count(), 1025);
        assert!(escapes.starts_with("\\u{1b}\\u{1b}") && escapes.ends_with('…'));
        // The function is idempotent.
        for text in [cut.as_str(), escapes.as_str(), &"x".repeat(2000), &"\r\n".repeat(700)] {
            let once: String = shown(text).to_string();
            assert_eq!(shown(&once), once);
        }
    }
}
