//! Errors for people.

use std::any::Any;
use std::error::Error;
use std::fmt;

/// Displays an error with its causes in one line, the outermost first.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// What a panic says, of what `catch_unwind` gives.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::Chain;
    use crate::WireError;

    #[test]
    fn causes_stand_behind_what_they_caused() {
        let error = WireError::from(io::Error::other("cable cut"));
        assert_eq!(Chain(&error).to_string(), "the connection failed: cable cut");
    }
}
