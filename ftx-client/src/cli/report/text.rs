//! Reports for people: what is under way, and how it ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ftx_client::{Event, Observer, TransferError, Transferred};
use ftx_core::native::Scope;
use ftx_io::ErrorChain;

use crate::cli::job::FileJob;
use crate::cli::progress::format;
use crate::cli::progress::render::{draining, render};
use crate::cli::progress::{FileEnd, Finished, Progress};
use crate::cli::stderr::Stderr;

/// Counts the events of transfers, and shows them on a terminal. Clones share everything.
#[derive(Clone)]
pub(super) struct TextReport {
    stderr: Stderr,
    /// Names each file.
    is_verbose: bool,
    start: Instant,
    progress: Arc<Mutex<Progress>>,
}

impl TextReport {
    pub(super) fn new(stderr: Stderr, is_verbose: bool) -> Self {
        let (start, progress) = (Instant::now(), Arc::new(Mutex::new(Progress::new())));
        Self { stderr, is_verbose, start, progress }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to draw, on a terminal.
    pub(super) fn open(&self) {
        let (report, charset) = (self.clone(), self.stderr.charset());
        self.stderr.open(move |columns| {
            let view = report.progress().view(report.now());
            render(&view, columns, charset)
        });
    }

    /// An observer of the search for files.
    pub(super) fn searching(&self) -> Observer {
        let report = self.clone();
        Observer::new(move |event| report.on_event(0, "", event))
    }

    pub(super) fn found(&self, size: Option<u64>) {
        self.progress().found(size);
    }

    pub(super) fn expect(&self, jobs: &[FileJob]) {
        self.progress().expect(jobs.iter().map(FileJob::expected_bytes), self.now());
    }

    /// A file was found while others are under way.
    pub(super) fn expect_file(&self, job: &FileJob) {
        self.progress().expect_file(job.expected_bytes(), self.now());
    }

    pub(super) fn all_expected(&self) {
        self.progress().all_expected(self.now());
    }

    pub(super) fn begin(&self, index: usize, job: &FileJob) -> Observer {
        let (report, name) = (self.clone(), job.name());
        self.progress().begin(index, &name, job.expected_bytes(), self.now());
        Observer::new(move |event| report.on_event(index, &name, event))
    }

    fn on_event(&self, index: usize, name: &str, event: &Event<'_>) {
        let is_news = self.progress().observe(index, event, self.now());
        // The lines at the bottom of a terminal show it as well.
        if is_news && let Some(text) = self.news(name, event) {
            self.stderr.message(&text);
        }
    }

    /// The line about an event, if it is worth one.
    fn news(&self, name: &str, event: &Event<'_>) -> Option<String> {
        let is_shown = self.stderr.draws() && !self.is_verbose;
        let text = match event {
            Event::Started { from, size } if self.is_verbose && *from > 0 && from < size => {
                format!("resuming at {} of {}", format::bytes(*from), format::bytes(*size))
            }
            Event::Waiting if !is_shown => {
                "waiting: another upload of this file is running".to_owned()
            }
            Event::Draining { left } if !is_shown => draining(*left),
            Event::Retrying { attempt, pause, error } if !is_shown => {
                let pause = format::pause(*pause);
                let text = format!("{}; retry {attempt} in {pause}", ErrorChain(*error));
                // A connection has more than one file.
                if name.is_empty() || error.scope() == Scope::Connection {
                    return Some(text);
                }
                text
            }
            _ => return None,
        };
        Some(format!("{name}: {text}"))
    }

    pub(super) fn finished(&self, index: usize, job: &FileJob, transferred: Transferred) {
        let Transferred { moved, already_there, .. } = transferred;
        let local_size = || Some(job.path.path().metadata().ok()?.len());
        let size = if already_there { job.size.or_else(local_size) } else { job.size };
        self.progress().finish(index, Finished { moved, already_there, size }, self.now());
        if self.is_verbose {
            let text = if already_there {
                "already there, nothing to do".to_owned()
            } else {
                format!("{}, {} moved", job.direction.done(), format::bytes(moved))
            };
            self.stderr.message(&format!("{}: {text}", job.name()));
        }
    }

    pub(super) fn failed(&self, index: usize, job: &FileJob, error: &TransferError) {
        let end = match () {
            () if error.is_cancelled() => FileEnd::Cancelled,
            () if job.has_vanished(error) => FileEnd::Vanished,
            () => FileEnd::Failed,
        };
        self.progress().fail(index, end);
    }

    /// Ends the display, and prints the totals.
    pub(super) fn end(&self, done: &str) {
        if let Some(terminal) = self.stderr.terminal() {
            terminal.close();
        }
        for line in self.progress().summary(self.now()).lines(done) {
            self.stderr.message(&line);
        }
    }
}
