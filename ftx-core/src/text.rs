//! Text of a stranger, made fit for a terminal and a log.

use core::fmt::{self, Write as _};

/// The same text with every character that could act on a terminal, break a line or reorder what
/// is read, as its escape: `\n`, `\r`, `\t`, and otherwise its number, as in `\u{1b}`. These are the
/// control characters (C0, DEL, C1), the separators U+2028 and U+2029, and the overrides and
/// isolates of bidirectional text. All others are unchanged.
#[must_use]
pub fn escaped(text: &str) -> impl fmt::Display + '_ {
    Escaped(text)
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                letter if acts(letter) => write!(f, "{}", letter.escape_unicode())?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::escaped;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_nothing_else() {
        for (text, shown) in [
            ("报告 2024.pdf", "报告 2024.pdf"),
            ("a\\n \"b\" 'é'", "a\\n \"b\" 'é'"),
            ("a\nb\rc\td", "a\\nb\\rc\\td"),
            ("\0\u{1b}[31m\u{7f}\u{9b}", "\\u{0}\\u{1b}[31m\\u{7f}\\u{9b}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{202a}\u{202e}\u{2066}\u{2069}", "\\u{202a}\\u{202e}\\u{2066}\\u{2069}"),
        ] {
            assert_eq!(escaped(text).to_string(), shown);
        }
    }
}
