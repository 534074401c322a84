//! Sizes, times and names in the columns of a terminal.

use std::time::Duration;

use ftx_core::escaped;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The characters that a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    Unicode,
    /// The locale promises no more, as `LANG=C`.
    Ascii,
}

impl Charset {
    /// The characters of the locale that these variables of the environment set. POSIX gives their order.
    pub(crate) fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        if cfg!(windows) {
            return Self::Unicode;
        }
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") {
            Self::Unicode
        } else {
            Self::Ascii
        }
    }

    /// A name or message as it is shown: control characters escaped, and all others that are missing.
    pub(crate) fn shown(self, text: &str) -> String {
        let escaped = escaped(text).to_string();
        if self == Self::Unicode || escaped.is_ascii() {
            return escaped;
        }
        let mut ascii = String::with_capacity(escaped.len());
        for char in escaped.chars() {
            if char.is_ascii() { ascii.push(char) } else { ascii.extend(char.escape_unicode()) }
        }
        ascii
    }

    /// A bar of `cells` columns, of which `full` are full.
    pub(super) fn bar(self, full: usize, cells: usize) -> String {
        let (done, open) = match self {
            Self::Unicode => ("█", "░"),
            Self::Ascii => ("#", "-"),
        };
        done.repeat(full.min(cells)) + &open.repeat(cells.saturating_sub(full))
    }

    /// The end of a text in at most `width` columns. The end of a path is its most telling part.
    pub(super) fn tail(self, text: &str, width: usize) -> String {
        if columns(text) <= width {
            return text.to_owned();
        }
        let Some(room) = width.checked_sub(self.ellipsis().width()) else { return String::new() };
        let mut used = 0;
        let fits = |(_, char): &(usize, char)| {
            used += char.width().unwrap_or(0);
            used <= room
        };
        let start = text.char_indices().rev().take_while(fits).last();
        let start = start.map_or(text.len(), |(start, _)| start);
        format!("{}{}", self.ellipsis(), text.get(start..).unwrap_or_default())
    }

    /// The beginning of a text in at most `width` columns.
    pub(super) fn head(self, text: &str, width: usize) -> String {
        if columns(text) <= width {
            return text.to_owned();
        }
        let Some(room) = width.checked_sub(self.ellipsis().width()) else { return String::new() };
        let mut used = 0;
        let fits = |char: &char| {
            used += char.width().unwrap_or(0);
            used <= room
        };
        text.chars().take_while(fits).collect::<String>() + self.ellipsis()
    }

    fn ellipsis(self) -> &'static str {
        match self {
            Self::Unicode => "…",
            Self::Ascii => "...",
        }
    }
}

/// The columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// A size with three significant digits, such as `1.20 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let unit = ByteUnit::of(bytes);
    format!("{} {}", unit.number(bytes), unit.name)
}

/// `done` and `total` in the unit of `total`, such as `0.90/1.20 GiB`. The width does not change while
/// `done` grows.
pub(super) fn bytes_of(done: u64, total: u64) -> String {
    let unit = ByteUnit::of(total);
    let all = unit.number(total);
    format!("{:>width$}/{all} {}", unit.number(done), unit.name, width = all.len())
}

/// A unit, and the digits that a size has in it.
struct ByteUnit {
    name: &'static str,
    bytes: u64,
    decimals: usize,
}

impl ByteUnit {
    fn of(size: u64) -> Self {
        let exponent = size.max(1).ilog2() / 10;
        let names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let name = usize::try_from(exponent).ok().and_then(|exponent| names.get(exponent));
        let bytes = 1 << (10 * exponent);
        let decimals = match size as f64 / bytes as f64 {
            _ if exponent == 0 => 0,
            // Rounded, it has one more digit.
            ..9.995 => 2,
            ..99.95 => 1,
            _ => 0,
        };
        Self { name: name.copied().unwrap_or_default(), bytes, decimals }
    }

    fn number(&self, size: u64) -> String {
        format!("{:.*}", self.decimals, size as f64 / self.bytes as f64)
    }
}

/// A time to come in at most two units, such as `1m 18s`.
pub(super) fn time_left(time: Duration) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    // Rounded up: it is 0 only at the end.
    let secs = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let secs = match secs {
        ..HOUR => secs,
        HOUR..DAY => secs.next_multiple_of(60),
        _ => secs.next_multiple_of(HOUR),
    };
    humantime::format_duration(Duration::from_secs(secs)).to_string()
}

/// A time that has passed: `0.8s`, `1m 18s`.
pub(super) fn time_taken(time: Duration) -> String {
    if time < Duration::from_secs(60) {
        return format!("{:.1}s", time.as_secs_f64());
    }
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

/// A pause before a retry, in tenths of a second.
pub(crate) fn pause(time: Duration) -> String {
    let tenths = u64::try_from(time.as_millis().div_ceil(100)).unwrap_or(u64::MAX);
    if tenths < 100 && !tenths.is_multiple_of(10) {
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    time_left(Duration::from_secs(tenths.div_ceil(10)))
}

/// A number of things, such as `1 file` or `2 files`.
pub(crate) fn count(number: u64, thing: &str, things: &str) -> String {
    format!("{number} {}", if number == 1 { thing } else { things })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Charset::{Ascii, Unicode};
    use super::{Charset, bytes, bytes_of, columns, pause, time_left, time_taken};

    #[test]
    fn the_locale_decides_about_the_characters() {
        for (set, charset) in [
            (&[][..], Ascii),
            (&[("LANG", "C")], Ascii),
            (&[("LANG", "en_US.UTF-8")], Unicode),
            (&[("LANG", "C.utf8")], Unicode),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], Ascii),
            (&[("LANG", "C"), ("LC_CTYPE", "de_DE.UTF-8"), ("LC_ALL", "")], Unicode),
            (&[("LANG", "ja_JP.eucJP")], Ascii),
        ] {
            let variable = |name: &str| {
                set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Charset::of_locale(variable), charset, "{set:?}");
        }
    }

    #[test]
    fn sizes_have_three_digits() {
        for (size, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (10_235, "10.0 KiB"),
            (1_288_490_188, "1.20 GiB"),
            (104_857_600, "100 MiB"),
            (1_073_741_823, "1024 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(size), shown);
        }
        assert_eq!(bytes_of(0, 1 << 30), "0.00/1.00 GiB");
        assert_eq!(bytes_of(5 << 20, 100 << 20), "  5/100 MiB");
        assert_eq!(bytes_of(3, 10), " 3/10 B");
    }

    #[test]
    fn times_have_two_units_at_most() {
        for (millis, shown) in [
            (0, "0s"),
            (1, "1s"),
            (59_000, "59s"),
            (78_000, "1m 18s"),
            (3_599_001, "1h"),
            (7_381_000, "2h 4m"),
            (100_000_000, "1day 4h"),
        ] {
            assert_eq!(time_left(Duration::from_millis(millis)), shown);
        }
        assert_eq!(time_taken(Duration::from_millis(812)), "0.8s");
        assert_eq!(time_taken(Duration::from_millis(78_900)), "1m 18s");
        for (millis, shown) in [(83, "0.1s"), (450, "0.5s"), (3000, "3s"), (12_345, "13s")] {
            assert_eq!(pause(Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn texts_are_cut_to_their_columns() {
        assert_eq!(Unicode.tail("photos/2026/a.jpg", 10), "…026/a.jpg");
        assert_eq!(Ascii.tail("photos/2026/a.jpg", 10), "...6/a.jpg");
        assert_eq!(Unicode.head("the connection failed", 10), "the conne…");
        // A wide character takes two columns.
        assert_eq!(Unicode.tail("a/报告", 5), "…报告");
        for width in 0..20 {
            for charset in [Unicode, Ascii] {
                assert!(columns(&charset.tail("a/报告\u{301}.txt", width)) <= width);
                assert!(columns(&charset.head("a/报告\u{301}.txt", width)) <= width);
            }
        }
    }

    #[test]
    fn ascii_has_every_name_escaped() {
        assert_eq!(Ascii.shown("caf\u{e9}\u{1b}[2J"), r"caf\u{e9}\u{1b}[2J");
        assert_eq!(Unicode.shown("caf\u{e9}\n"), "caf\u{e9}\\n");
        assert_eq!(Ascii.bar(2, 5), "##---");
        assert_eq!(Unicode.bar(9, 5), "█████");
    }
}
