//! Displaying errors to people.

use std::any::Any;
use std::error::Error;
use std::fmt;

use ftx_store::StoreError;

/// Displays an error with its causes in one line, the outermost first, without repetition: the
/// system's text is left out where the error's own text says the same.
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(cause) = cause_of(error) {
            write!(f, ": {cause}")?;
            error = cause;
        }
        Ok(())
    }
}

/// Returns the cause of an error, if it adds anything.
fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let says_it = error.downcast_ref::<StoreError>().is_some_and(StoreError::names_cause);
    if says_it { None } else { error.source() }
}

/// Returns the message of a panic caught by `catch_unwind`.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::ErrorChain;
    use ftx_store::StoreError;

    use crate::StreamError;

    #[test]
    fn causes_follow_their_effects() {
        let error = StreamError::from(io::Error::other("cable cut"));
        assert_eq!(ErrorChain(&error).to_string(), "the connection failed: cable cut");
    }

    #[test]
    fn a_cause_does_not_repeat_the_text_of_its_error() {
        let told = |code| {
            let error = StoreError::io("write", "a", io::Error::from_raw_os_error(code));
            ErrorChain(&error).to_string()
        };
        // ENOENT, ENOSPC, EACCES; EPERM and EDQUOT have something to add.
        for (code, adds) in [(2, false), (28, false), (13, false), (1, true), (122, true)] {
            assert_eq!(told(code).contains("os error"), adds, "{}", told(code));
        }
        let full = io::Error::new(io::ErrorKind::StorageFull, "2 bytes are needed and 1 is free");
        let error = StoreError::io("store", "a", full);
        assert!(ErrorChain(&error).to_string().ends_with("2 bytes are needed and 1 is free"));
    }
}
