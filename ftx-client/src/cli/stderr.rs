//! Standard error: messages for people, and the log.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, OnceLock};

use super::progress::format::Charset;
use super::stall::tracked_write;
use super::terminal::{self, Terminal};

/// Standard error. While the lines at the bottom of a terminal are drawn, everything goes above them. Clones
/// share it.
#[derive(Clone)]
pub(crate) struct Stderr {
    terminal: Arc<OnceLock<Terminal>>,
    charset: Charset,
}

impl Stderr {
    pub(crate) fn new() -> Self {
        // A file or program gets names as they are, but for control characters.
        let charset = if io::stderr().is_terminal() {
            Charset::of_locale(|name| std::env::var(name).ok())
        } else {
            Charset::Unicode
        };
        Self { terminal: Arc::default(), charset }
    }

    pub(crate) fn charset(&self) -> Charset {
        self.charset
    }

    /// Begins to draw lines, if it is a terminal.
    pub(crate) fn open(&self, lines: impl FnMut(usize) -> Vec<String> + Send + 'static) {
        if !terminal::is_usable() {
            return;
        }
        match Terminal::open(lines) {
            Ok(terminal) => {
                let _ = self.terminal.set(terminal);
            }
            Err(error) => tracing::warn!(%error, "the progress cannot be shown"),
        }
    }

    /// Whether lines are drawn.
    pub(crate) fn draws(&self) -> bool {
        self.terminal.get().is_some()
    }

    /// The terminal on which lines are drawn.
    pub(crate) fn terminal(&self) -> Option<&Terminal> {
        self.terminal.get()
    }

    /// Prints a line, with the names and messages in it escaped.
    pub(crate) fn message(&self, text: &str) {
        self.print(&(self.charset.shown(text) + "\n"));
    }

    /// Prints whole lines as they are.
    fn print(&self, text: &str) {
        match self.terminal.get() {
            Some(terminal) => terminal.print(text),
            None => {
                // A closed standard error is no failure.
                let _ = tracked_write(|| io::stderr().write_all(text.as_bytes()));
            }
        }
    }
}

/// Takes a record of the log at a time, already escaped.
impl io::Write for Stderr {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.print(&String::from_utf8_lossy(record));
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
