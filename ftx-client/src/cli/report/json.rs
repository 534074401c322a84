//! Events for programs: one JSON object a line on standard output, as `docs/json.md` has them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ftx_client::{Event, Observer, TransferError, Transferred};
use ftx_io::ErrorChain;
use serde_json::{Value, json};

use crate::cli::job::FileJob;
use crate::cli::output;
use crate::cli::skipped::Skipped;

/// The interval between two progress events of a file.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// An error outside any transfer.
pub(super) fn gave_up(error: &TransferError) {
    let mut line = failure(error, &ErrorChain(error).to_string());
    if let Value::Object(fields) = &mut line {
        fields.insert("event".to_owned(), "failed".into());
    }
    write(&line);
}

pub(super) fn begin(index: usize, job: &FileJob) -> Observer {
    emit(index, job, "begin", json!({ "path": job.path.path().to_string_lossy() }));
    let told = Mutex::new(Instant::now());
    let (direction, name) = (job.direction.verb(), job.name());
    Observer::new(move |event| {
        if is_due(event, &told) {
            print(index, direction, &name, event_kind(event), fields(event));
        }
    })
}

pub(super) fn finished(index: usize, job: &FileJob, transferred: Transferred) {
    let Transferred { moved, already_there, .. } = transferred;
    emit(index, job, "finished", json!({ "moved": moved, "already_there": already_there }));
}

pub(super) fn failed(index: usize, job: &FileJob, error: &TransferError, message: &str) {
    emit(index, job, "failed", failure(error, message));
}

pub(super) fn skipped(skipped: &Skipped) {
    write(&json!({
        "event": "skipped",
        "direction": skipped.direction.verb(),
        "name": skipped.name,
        "reason": skipped.why.name(),
        "error": skipped.reason(),
    }));
}

pub(super) fn incomplete(skipped: u64) {
    write(&json!({ "event": "incomplete", "skipped": skipped }));
}

fn failure(error: &TransferError, message: &str) -> Value {
    let status = error.status();
    json!({ "status": status.code(), "status_name": status.name(), "error": message })
}

fn emit(index: usize, job: &FileJob, event: &'static str, fields: Value) {
    print(index, job.direction.verb(), &job.name(), event, fields);
}

fn print(index: usize, direction: &str, name: &str, event: &str, fields: Value) {
    let mut line = json!({ "event": event, "file": index, "direction": direction, "name": name });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    write(&line);
}

fn write(line: &Value) {
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
