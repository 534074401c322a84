//! The errors of a file, each with its place.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ftx_core::escaped;

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// An error of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it is; `None` if it concerns the file as a whole.
    pub position: Option<Position>,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// The errors of a configuration file, in the order of their places. Displays as a line for each:
/// `FILE:LINE:COLUMN: MESSAGE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    path: PathBuf,
    errors: Vec<ConfigError>,
}

/// What is wrong with a text, so far.
pub(super) struct Findings<'a> {
    text: &'a str,
    errors: RefCell<Vec<ConfigError>>,
    /// The lines that are no TOML. What was made of them is not worth a second error.
    malformed_lines: RefCell<Vec<usize>>,
}

impl Position {
    /// The place of a byte.
    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
        Self { line: before.matches('\n').count() + 1, column }
    }
}

impl<'a> Findings<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, errors: RefCell::default(), malformed_lines: RefCell::default() }
    }

    /// The text is no TOML here.
    pub(super) fn malformed(&self, error: &toml::de::Error) {
        let position = error.span().map(|span| self.position(&span));
        let message = error.message().to_owned();
        self.malformed_lines.borrow_mut().extend(position.map(|position| position.line));
        self.errors.borrow_mut().push(ConfigError { position, message });
    }

    /// Something is wrong with these bytes.
    pub(super) fn add(&self, span: &Range<usize>, message: impl Into<String>) {
        let position = self.position(span);
        if !self.malformed_lines.borrow().contains(&position.line) {
            let message = message.into();
            self.errors.borrow_mut().push(ConfigError { position: Some(position), message });
        }
    }

    pub(super) fn position(&self, span: &Range<usize>) -> Position {
        Position::of(self.text, span.start)
    }

    /// # Errors
    /// Something was found.
    pub(super) fn finish(self, path: &Path) -> Result<(), ConfigErrors> {
        ConfigErrors::check(path, self.errors.into_inner())
    }
}

impl ConfigErrors {
    /// The errors of a file, if there are any.
    ///
    /// # Errors
    /// There are some.
    pub fn check(path: &Path, mut errors: Vec<ConfigError>) -> Result<(), Self> {
        errors.sort_by_key(|error| error.position);
        if errors.is_empty() { Ok(()) } else { Err(Self { path: path.to_owned(), errors }) }
    }

    /// An error of a file as a whole.
    #[must_use]
    pub fn of_file(path: &Path, message: impl Into<String>) -> Self {
        let error = ConfigError { position: None, message: message.into() };
        Self { path: path.to_owned(), errors: vec![error] }
    }

    /// The bytes are text as far as `valid`.
    pub(super) fn not_utf8(path: &Path, bytes: &[u8], valid: usize) -> Self {
        let text = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
        let position = Some(Position::of(&text, text.len()));
        let error = ConfigError { position, message: "this is not UTF-8".to_owned() };
        Self { path: path.to_owned(), errors: vec![error] }
    }

    /// The errors, in the order of their places.
    #[must_use]
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// A line for each error.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let path = self.path.display().to_string();
        self.errors.iter().map(move |error| {
            let line = match error.position {
                Some(Position { line, column }) => {
                    format!("{path}:{line}:{column}: {}", error.message)
                }
                None => format!("{path}: {}", error.message),
            };
            escaped(&line).to_string()
        })
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}
