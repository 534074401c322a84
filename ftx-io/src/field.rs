//! Displaying the fields of log records.

use std::fmt;

use ftx_core::escaped;

/// Writes a field of a log record. Every binary's subscriber must write all fields by it, so that a
/// message, name or error from a peer can neither break a line nor control a terminal.
///
/// # Errors
/// `out` refuses more text.
pub fn write_field(out: &mut dyn fmt::Write, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    match name {
        "message" => write!(out, "{}", escaped(&value)),
        name => write!(out, "{name}={}", escaped(&value)),
    }
}

#[cfg(test)]
mod tests {
    use super::write_field;

    #[test]
    fn no_field_ends_a_line_or_controls_a_terminal() {
        let mut line = String::new();
        let text = "a\u{1b}[2J\n\u{202e}b";
        for (name, value) in
            [("message", &format_args!("{text}") as &dyn std::fmt::Debug), ("name", &text)]
        {
            write_field(&mut line, name, value).unwrap();
            line.push(' ');
        }
        assert_eq!(line, r#"a\u{1b}[2J\n\u{202e}b name="a\u{1b}[2J\n\u{202e}b" "#);
    }
}
