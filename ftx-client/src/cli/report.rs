//! Reports progress and errors: bars on a terminal, lines elsewhere, JSON with `--json`.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ftx_client::{Event, Observer, Reason, TransferError, Transferred};
use ftx_core::escaped;
use ftx_io::ErrorChain;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::exit::Exit;
use super::job::{Direction, FileJob};
use super::output;
use super::skipped::Skipped;
use super::stall::tracked_write;

/// The interval between two progress events of a file in JSON.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Reports to the user. Clones share bar and counters.
#[derive(Clone)]
pub(crate) struct Report {
    face: ReportStyle,
    files: Arc<AtomicUsize>,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReportStyle {
    Bars,
    Json,
    Lines,
    Quiet,
}

impl Report {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let face = match (json, quiet) {
            (true, _) => ReportStyle::Json,
            (_, true) => ReportStyle::Quiet,
            _ if std::io::stderr().is_terminal() => ReportStyle::Bars,
            _ => ReportStyle::Lines,
        };
        Self { face, files: Arc::default(), bar: Arc::default() }
    }

    /// Sets the number of files.
    pub(crate) fn expect(&self, files: usize) {
        self.files.store(files, Relaxed);
    }

    pub(crate) fn is_json(&self) -> bool {
        self.face == ReportStyle::Json
    }

    /// Reports an error outside any transfer, and returns the exit code.
    pub(crate) fn gave_up(&self, error: &TransferError) -> Exit {
        let message = ErrorChain(error).to_string();
        if self.is_json() {
            let status = error.status();
            let line = json!({
                "event": "failed",
                "status": status.code(),
                "status_name": status.name(),
                "error": message,
            });
            write_json(&line);
        } else {
            self.message(&message);
        }
        Exit::of(error)
    }

    /// An observer for the next file.
    pub(crate) fn begin(&self, index: usize, job: &FileJob) -> Observer {
        let name = job.name();
        let report = self.clone();
        match self.face {
            ReportStyle::Quiet => Observer::default(),
            ReportStyle::Json => {
                report.emit(
                    index,
                    job,
                    "begin",
                    json!({ "path": job.path.path().to_string_lossy() }),
                );
                let told = Mutex::new(Instant::now());
                let direction = job.direction.verb();
                Observer::new(move |event| {
                    if is_due(event, &told) {
                        print_json(index, direction, &name, event_kind(event), fields(event));
                    }
                })
            }
            ReportStyle::Bars => {
                let prefix = match report.files.load(Relaxed) {
                    0 | 1 => name,
                    files => format!("[{}/{files}] {name}", index + 1),
                };
                let bar = bar(&prefix);
                report.replace(Some(bar.clone()));
                Observer::new(move |event| show(event, &bar))
            }
            ReportStyle::Lines => Observer::new(move |event| match event {
                Event::Started { from: 1.., .. } | Event::Draining { .. } => {
                    report.message(&format!("{name}: {}", sentence(event)));
                }
                Event::Retrying { .. } | Event::Waiting => {
                    report.message(&format!("{name}: {}", sentence(event)));
                }
                _ => {}
            }),
        }
    }

    pub(crate) fn finished(&self, index: usize, job: &FileJob, transferred: Transferred) {
        let Transferred { moved, already_there, .. } = transferred;
        self.replace(None);
        match self.face {
            ReportStyle::Quiet => {}
            ReportStyle::Json => {
                let fields = json!({ "moved": moved, "already_there": already_there });
                self.emit(index, job, "finished", fields);
            }
            ReportStyle::Bars | ReportStyle::Lines => {
                let name = job.name();
                let done = if already_there {
                    "already there, nothing to do".to_owned()
                } else {
                    format!("{}ed, {} moved", job.direction.verb(), HumanBytes(moved))
                };
                self.message(&format!("{name}: {done}"));
            }
        }
    }

    pub(crate) fn failed(&self, index: usize, job: &FileJob, error: &TransferError) {
        self.replace(None);
        let mut message = ErrorChain(error).to_string();
        if job.direction == Direction::Download
            && error.is_refusal()
            && error.reason() == Reason::NotAFile
        {
            message += &format!("; to download all of a directory, say {}/", job.name());
        }
        if self.face == ReportStyle::Json {
            let status = error.status();
            let fields =
                json!({ "status": status.code(), "status_name": status.name(), "error": message });
            self.emit(index, job, "failed", fields);
        } else {
            self.message(&format!("{}: {} failed: {message}", job.name(), job.direction.verb()));
        }
    }

    /// Reports an entry that is left out.
    pub(crate) fn skipped(&self, skipped: &Skipped) {
        let (name, reason) = (&skipped.name, skipped.reason());
        if self.is_json() {
            write_json(&json!({
                "event": "skipped",
                "direction": skipped.direction.verb(),
                "name": name,
                "reason": skipped.why.name(),
                "error": reason,
            }));
        } else {
            self.message(&format!("{name} cannot be transferred: {reason}"));
        }
    }

    /// Reports the number of entries that were left out.
    pub(crate) fn incomplete(&self, skipped: usize) {
        if self.is_json() {
            write_json(&json!({ "event": "incomplete", "skipped": skipped }));
        } else {
            let entries =
                if skipped == 1 { "1 entry".to_owned() } else { format!("{skipped} entries") };
            self.message(&format!("{entries} cannot be transferred"));
        }
    }

    pub(crate) fn end(&self) {
        self.replace(None);
    }

    /// Prints a line for people on standard error, with the names and messages in it escaped.
    pub(crate) fn message(&self, text: &str) {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || {
            // A closed standard error is no failure.
            let _ = tracked_write(|| writeln!(std::io::stderr(), "{}", escaped(text)));
        };
        match &*bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn replace(&self, bar: Option<ProgressBar>) {
        let mut place = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *place, bar) {
            old.finish_and_clear();
        }
    }

    fn emit(&self, index: usize, job: &FileJob, event: &'static str, fields: Value) {
        print_json(index, job.direction.verb(), &job.name(), event, fields);
    }
}

fn print_json(index: usize, direction: &str, name: &str, event: &str, fields: Value) {
    let mut line = json!({ "event": event, "file": index, "direction": direction, "name": name });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    write_json(&line);
}

fn write_json(line: &Value) {
    output::line(&line.to_string());
}

/// Whether to report an event now. Progress is throttled, except at its end.
fn is_due(event: &Event<'_>, told: &Mutex<Instant>) -> bool {
    match event {
        Event::Progress { done, size, .. } | Event::Hashing { done, total: size }
            if done < size =>
        {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let due = told.elapsed() >= PROGRESS_INTERVAL;
            if due {
                *told = Instant::now();
            }
            due
        }
        _ => true,
    }
}

fn event_kind(event: &Event<'_>) -> &'static str {
    match event {
        Event::Hashing { .. } => "hashing",
        Event::Waiting => "waiting",
        Event::Started { .. } => "started",
        Event::Progress { .. } => "progress",
        Event::Draining { .. } => "draining",
        Event::Retrying { .. } => "retrying",
        _ => "other",
    }
}

fn fields(event: &Event<'_>) -> Value {
    match event {
        Event::Hashing { done, total } => json!({ "done": done, "size": total }),
        Event::Started { from, size } => json!({ "from": from, "size": size }),
        Event::Progress { done, size, .. } => json!({ "done": done, "size": size }),
        Event::Draining { left } => json!({ "left": left }),
        Event::Retrying { attempt, pause, error } => json!({
            "attempt": attempt,
            "pause_ms": u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "status": error.status().code(),
            "error": ErrorChain(*error).to_string(),
        }),
        _ => json!({}),
    }
}

fn sentence(event: &Event<'_>) -> String {
    match event {
        Event::Waiting => "waiting: another upload of this file is running".to_owned(),
        Event::Started { from, size } => {
            format!("resuming at {} of {}", HumanBytes(*from), HumanBytes(*size))
        }
        Event::Draining { left } => format!(
            "cancelled; reading the last {}, or the original server would hang \
             (interrupt again to leave at once)",
            HumanBytes(*left)
        ),
        Event::Retrying { attempt, pause, error } => {
            let pause = humantime::format_duration(Duration::from_millis(
                u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            ));
            format!("{}; retry {attempt} in {pause}", ErrorChain(*error))
        }
        _ => String::new(),
    }
}

fn show(event: &Event<'_>, bar: &ProgressBar) {
    match event {
        Event::Hashing { done, total } => {
            bar.set_length(*total);
            bar.set_position(*done);
            label(bar, "checking existing data");
        }
        Event::Started { from, size } => {
            bar.set_length(*size);
            bar.set_position(*from);
            // Speed and ETA count only bytes that move now.
            bar.reset_eta();
            bar.reset_elapsed();
            let resumed = format!("resumed at {}", HumanBytes(*from));
            label(bar, if *from == 0 { "" } else { &resumed });
        }
        Event::Progress { done, .. } => bar.set_position(*done),
        Event::Draining { .. } | Event::Retrying { .. } | Event::Waiting => {
            label(bar, &sentence(event))
        }
        _ => {}
    }
}

/// Sets the text behind a bar, escaped.
fn label(bar: &ProgressBar, text: &str) {
    bar.set_message(escaped(text).to_string());
}

/// A bar with a prefix, which is escaped.
fn bar(prefix: &str) -> ProgressBar {
    let template = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta} {wide_msg}";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(0).with_prefix(escaped(prefix).to_string());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
