//! Reports of transfers and errors: `text` for people on standard error, `json` for programs on standard output.

mod json;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ftx_client::{Observer, Reason, TransferError, Transferred};
use ftx_io::ErrorChain;

use self::text::TextReport;
use super::args::ClientArgs;
use super::exit::Exit;
use super::job::{Direction, FileJob};
use super::progress::format::count;
use super::skipped::Skipped;
use super::stderr::Stderr;

/// Reports to the user. Clones share everything.
#[derive(Clone)]
pub(crate) struct Report {
    style: ReportStyle,
    stderr: Stderr,
    /// The interruption was reported; it ends every file under way.
    is_cancelled: Arc<AtomicBool>,
}

#[derive(Clone)]
enum ReportStyle {
    Json,
    /// Errors only.
    Quiet,
    Text(TextReport),
}

impl Report {
    pub(crate) fn new(args: &ClientArgs, stderr: Stderr) -> Self {
        let style = match (args.json, args.quiet) {
            (true, _) => ReportStyle::Json,
            (_, true) => ReportStyle::Quiet,
            _ => ReportStyle::Text(TextReport::new(stderr.clone(), args.verbose)),
        };
        Self { style, stderr, is_cancelled: Arc::default() }
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(self.style, ReportStyle::Json)
    }

    fn text(&self) -> Option<&TextReport> {
        match &self.style {
            ReportStyle::Text(text) => Some(text),
            ReportStyle::Json | ReportStyle::Quiet => None,
        }
    }

    /// Begins to show the progress, if a terminal can.
    pub(crate) fn open(&self) {
        if let Some(text) = self.text() {
            text.open();
        }
    }

    /// Whether the progress is shown.
    pub(crate) fn draws(&self) -> bool {
        self.stderr.draws()
    }

    /// An observer of the search for files on a server.
    pub(crate) fn searching(&self) -> Observer {
        self.text().map_or_else(Observer::default, TextReport::searching)
    }

    /// A file was found; its size, if it is known.
    pub(crate) fn found(&self, size: Option<u64>) {
        if let Some(text) = self.text() {
            text.found(size);
        }
    }

    /// All files are found.
    pub(crate) fn expect(&self, jobs: &[FileJob]) {
        if let Some(text) = self.text() {
            text.expect(jobs);
        }
    }

    /// A file was found, and will be transferred while further ones are looked for.
    pub(crate) fn expect_file(&self, job: &FileJob) {
        if let Some(text) = self.text() {
            text.expect_file(job);
        }
    }

    /// The last of these files was found.
    pub(crate) fn all_expected(&self) {
        if let Some(text) = self.text() {
            text.all_expected();
        }
    }

    /// Reports an error outside any transfer, and returns the exit code.
    pub(crate) fn gave_up(&self, error: &TransferError) -> Exit {
        match self.style {
            ReportStyle::Json => json::gave_up(error),
            ReportStyle::Quiet | ReportStyle::Text(_) => {
                self.message(&ErrorChain(error).to_string());
            }
        }
        Exit::of(error)
    }

    /// An observer for the next file.
    pub(crate) fn begin(&self, index: usize, job: &FileJob) -> Observer {
        match &self.style {
            ReportStyle::Quiet => Observer::default(),
            ReportStyle::Json => json::begin(index, job),
            ReportStyle::Text(text) => text.begin(index, job),
        }
    }

    pub(crate) fn finished(&self, index: usize, job: &FileJob, transferred: Transferred) {
        match &self.style {
            ReportStyle::Quiet => {}
            ReportStyle::Json => json::finished(index, job, transferred),
            ReportStyle::Text(text) => text.finished(index, job, transferred),
        }
    }

    pub(crate) fn failed(&self, index: usize, job: &FileJob, error: &TransferError) {
        let mut message = ErrorChain(error).to_string();
        if job.direction == Direction::Download
            && error.is_refusal()
            && error.reason() == Reason::NotAFile
        {
            message += &format!("; to download all of a directory, say {}/", job.name());
        }
        if let Some(text) = self.text() {
            text.failed(index, job, error);
        }
        if self.is_json() {
            json::failed(index, job, error, &message);
        } else if !error.is_cancelled() {
            self.message(&format!("{}: {} failed: {message}", job.name(), job.direction.verb()));
        } else if !self.is_cancelled.swap(true, Relaxed) {
            self.message(&message);
        }
    }

    /// Reports an entry that is left out.
    pub(crate) fn skipped(&self, skipped: &Skipped) {
        if self.is_json() {
            return json::skipped(skipped);
        }
        self.message(&format!("{} cannot be transferred: {}", skipped.name, skipped.reason()));
    }

    /// Reports the number of entries that were left out.
    pub(crate) fn incomplete(&self, skipped: u64) {
        if self.is_json() {
            return json::incomplete(skipped);
        }
        let entries = count(skipped, "entry", "entries");
        self.message(&format!("{entries} cannot be transferred"));
    }

    /// Reports the totals of a transfer.
    pub(crate) fn end(&self, direction: Direction) {
        if let Some(text) = self.text() {
            text.end(direction.done());
        }
    }

    /// Prints a line for people on standard error, with the names and messages in it escaped.
    pub(crate) fn message(&self, text: &str) {
        self.stderr.message(text);
    }

    /// Ends the display, before the process ends.
    pub(crate) fn close(&self) {
        if let Some(terminal) = self.stderr.terminal() {
            terminal.close_in_time();
        }
    }

    /// Erases the display while `stop` stops the process.
    #[cfg(unix)]
    pub(crate) fn suspend(&self, stop: impl FnOnce()) {
        match self.stderr.terminal() {
            Some(terminal) => terminal.suspend(stop),
            None => stop(),
        }
    }
}
