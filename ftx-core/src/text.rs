//! Text for people: names and messages from a peer, without effect on a terminal.

use core::fmt;

/// Displays a text in one line, with its control characters escaped: as `\n`, `\r` and `\t`, and as
/// `\u{1b}` all others, including line separators (U+2028, U+2029) and bidi controls. All other
/// characters stay, backslashes too, so escaping a text twice changes nothing.
pub fn escaped(text: &str) -> impl fmt::Display + '_ {
    Escaped(text)
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, control)) = rest.char_indices().find(|(_, char)| acts(*char)) {
            f.write_str(rest.get(..at).unwrap_or_default())?;
            match control {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                other => write!(f, "\\u{{{:x}}}", u32::from(other))?,
            }
            rest = rest.get(at + control.len_utf8()..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}

/// Whether a terminal or a text view acts on this character instead of showing it.
fn acts(char: char) -> bool {
    // C0, DEL and C1.
    char.is_control()
        || matches!(char,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::escaped;

    #[test]
    fn control_characters_are_written_out() {
        for (raw, shown) in [
            ("", ""),
            ("a\nb", "a\\nb"),
            ("\r\t", "\\r\\t"),
            ("\u{1b}]0;x\u{7}", "\\u{1b}]0;x\\u{7}"),
            ("nul\0", "nul\\u{0}"),
            ("\u{7f}\u{80}\u{9b}31m\u{9f}", "\\u{7f}\\u{80}\\u{9b}31m\\u{9f}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{202a}\u{202e}gpj", "\\u{202a}\\u{202e}gpj"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("\u{200e}\u{200f}", "\\u{200e}\\u{200f}"),
        ] {
            assert_eq!(escaped(raw).to_string(), shown);
        }
    }

    #[test]
    fn all_else_stays_as_it_is() {
        let text = " back\\slash \\u{1b} \"报告\" cafe\u{301} 😀\u{200d} \u{a0}\u{200c}\u{202f}\u{2065}\u{206a} ";
        assert_eq!(escaped(text).to_string(), text);
        let once = escaped("\u{1b}\n").to_string();
        assert_eq!(escaped(&once).to_string(), once);
    }
}
