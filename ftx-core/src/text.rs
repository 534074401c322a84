//! Text for people: names and messages of others, without what would act on a terminal.

use core::fmt;

/// Displays a text in one line, its control characters escaped: `\n`, `\r`, `\t`, and as `\u{1b}`
/// the other ones, those that end lines (U+2028, U+2029) and those that change the direction of
/// text (bidi controls). Everything else stays as it is, backslashes too, so what is escaped
/// already is not escaped again.
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

/// Whether a terminal or a text view does something at this character but show it.
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
