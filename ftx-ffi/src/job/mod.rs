//! Jobs: machines without threads, clocks or queues.
//!
//! ```text
//!  New ──start──▶ Queued ──begin──▶ Running ──finish──▶ Ended
//!                  │  ▲              │   ▲ │
//!               pause resume      pause  │ └─ finish, resumed before the transfer stopped ──▶ Queued
//!                  ▼  │              │ resume
//!                 Paused ◀──finish── ▼   │           cancel leads from each to Ended, from Running
//!                                 stopping           by way of finish
//! ```
//!
//! A job is driven by its caller (this file) and by the thread of its client (`run`). Each step returns
//! [`Effects`]; the client carries them out (`worker`), under the lock under which it took the step. A job
//! ends once, and its last event says so.

mod effects;
mod model;
mod run;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::VecDeque;
use std::path::PathBuf;

use ftx_client::{Listed, Reason, RemoteName, TransferError};

pub(crate) use self::effects::{Effects, ScheduleChange, Stop};
pub(crate) use self::model::{
    FileOutcome, JobFile, JobKind, OptionInput, Override, Phase, Settings, Work,
};
use crate::event::{JobEvent, JobEventKind};
use crate::failure::Failure;
use crate::status::AbiStatus;
use crate::totals::JobTotals;

/// Maximum number of queued entries of a listing; the listing pauses beyond it.
const MAX_WAITING_ENTRIES: usize = 4096;

/// The caller's wish for a running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Go on.
    Finish,
    /// Stop, and end.
    Cancel,
    /// Stop, and rest.
    Pause,
    /// Run again, after the stop that an earlier wish has begun.
    Resume,
}

/// A job of a client.
#[derive(Debug)]
pub(crate) struct Job {
    id: u64,
    kind: JobKind,
    phase: Phase,
    wish: Wish,
    settings: Settings,
    files: Vec<JobFile>,
    totals: JobTotals,
    entries: VecDeque<Listed>,
    failure: Option<Failure>,
    /// Whether the server speaks the native dialect, once known.
    native: Option<bool>,
    user_data: usize,
    /// The caller has freed the job: it emits no more events.
    is_released: bool,
    /// The number of threads that wait for its end, and so take no entries.
    waiters: u32,
}

impl Job {
    pub(crate) fn new(id: u64, kind: JobKind) -> Self {
        Self {
            id,
            kind,
            phase: Phase::New,
            wish: Wish::Finish,
            settings: Settings::default(),
            files: Vec::new(),
            totals: JobTotals::default(),
            entries: VecDeque::new(),
            failure: None,
            native: None,
            user_data: 0,
            is_released: false,
            waiters: 0,
        }
    }

    /// Adds a file.
    pub(crate) fn add(&mut self, path: PathBuf, name: &str) -> Result<(), Failure> {
        self.must_be(Phase::New, "files are added to")?;
        let name = RemoteName::parse(name)
            .map_err(|source| Failure::from(&TransferError::name_refused(name).caused_by(source)));
        self.files.push(JobFile { path, name, done: 0, size: None, digest: None, outcome: None });
        self.totals.files += 1;
        Ok(())
    }

    /// Sets the size of a file that the caller knows.
    pub(crate) fn tell_size(&mut self, index: usize, size: u64) -> Result<(), Failure> {
        self.must_be(Phase::New, "sizes are told in")?;
        if index >= self.files.len() {
            return Err(no_file(index));
        }
        self.set_size(index, size);
        Ok(())
    }

    pub(crate) fn set(&mut self, change: impl FnOnce(&mut Settings)) -> Result<(), Failure> {
        self.must_be(Phase::New, "options are set on")?;
        change(&mut self.settings);
        Ok(())
    }

    pub(crate) fn set_user_data(&mut self, user_data: usize) {
        self.user_data = user_data;
    }

    /// Starts the job if its client accepts it.
    pub(crate) fn start(&mut self, client: Result<(), Failure>) -> Result<Effects, Failure> {
        self.must_be(Phase::New, "start is for")?;
        client?;
        self.phase = Phase::Queued;
        Ok(Effects::schedule(ScheduleChange::Append))
    }

    /// Stops the job for good.
    pub(crate) fn cancel(&mut self, stop: Stop) -> Effects {
        match self.phase {
            Phase::Ended => Effects::default(),
            Phase::Running => {
                self.wish = Wish::Cancel;
                Effects::stop(stop)
            }
            Phase::New | Phase::Queued | Phase::Paused => self.end(Err(cancelled())),
        }
    }

    pub(crate) fn pause(&mut self) -> Result<Effects, Failure> {
        match (self.phase, self.wish) {
            (Phase::Queued, _) => {
                let schedule = Some(ScheduleChange::Remove);
                Ok(Effects { schedule, ..self.rest() })
            }
            (Phase::Running, Wish::Finish | Wish::Resume) => {
                self.wish = Wish::Pause;
                Ok(Effects::stop(Stop::Soft))
            }
            (Phase::Running, Wish::Cancel | Wish::Pause) | (Phase::Paused, _) => {
                Ok(Effects::default())
            }
            (Phase::New | Phase::Ended, _) => Err(self.not("pause is for")),
        }
    }

    /// Resumes the job if its client accepts it.
    pub(crate) fn resume(&mut self, client: Result<(), Failure>) -> Result<Effects, Failure> {
        match (self.phase, self.wish) {
            (Phase::Paused, _) => {
                client?;
                Ok(self.queue_again())
            }
            (Phase::Running, Wish::Pause) => {
                self.wish = Wish::Resume;
                Ok(Effects::default())
            }
            (Phase::Queued | Phase::Running, _) => Ok(Effects::default()),
            (Phase::New | Phase::Ended, _) => Err(self.not("resume is for")),
        }
    }

    /// A thread begins to wait for the end.
    pub(crate) fn begin_wait(&mut self) -> Effects {
        self.waiters += 1;
        Effects { has_room: true, ..Effects::default() }
    }

    pub(crate) fn end_wait(&mut self) {
        self.waiters = self.waiters.saturating_sub(1);
    }

    /// Stops the job, which the caller has freed, and keeps its events from the caller.
    pub(crate) fn release(&mut self) -> Effects {
        self.is_released = true;
        Effects { forgets_events: true, ..self.cancel(Stop::Soft) }
    }

    /// The next entry of a listing; `None` when all were taken.
    pub(crate) fn next_entry(&mut self) -> Result<(Option<Listed>, Effects), Failure> {
        let has_room = self.entries.len() >= MAX_WAITING_ENTRIES;
        let entry = self.entries.pop_front();
        if entry.is_none() && self.phase != Phase::Ended {
            return Err(Failure::abi(AbiStatus::Pending, "no entry is available yet"));
        }
        Ok((entry, Effects { has_room, ..Effects::default() }))
    }
}

/// What the caller can ask.
impl Job {
    /// The result of the job, or `Pending` if it has not ended.
    pub(crate) fn outcome(&self) -> Result<(), Failure> {
        match (&self.failure, self.phase) {
            (Some(failure), Phase::Ended) => Err(failure.clone()),
            (None, Phase::Ended) => Ok(()),
            _ => Err(Failure::abi(AbiStatus::Pending, "the job has not ended yet")),
        }
    }

    pub(crate) fn kind(&self) -> JobKind {
        self.kind
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn totals(&self) -> JobTotals {
        self.totals
    }

    pub(crate) fn file_count(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn file(&self, index: usize) -> Result<JobFile, Failure> {
        self.files.get(index).cloned().ok_or_else(|| no_file(index))
    }

    /// The first failure of the job, or that of one file.
    pub(crate) fn failure(&self, index: Option<usize>) -> Result<Option<Failure>, Failure> {
        let Some(index) = index else { return Ok(self.failure.clone()) };
        let file = self.files.get(index).ok_or_else(|| no_file(index))?;
        Ok(file.outcome.as_ref().and_then(|outcome| outcome.as_ref().err()).cloned())
    }

    /// Whether the server speaks the native dialect, if the job has found that out.
    pub(crate) fn native(&self) -> Option<bool> {
        self.native
    }

    /// Whether the client has the job to run, now or after a pause.
    pub(crate) fn is_started(&self) -> bool {
        matches!(self.phase, Phase::Queued | Phase::Running | Phase::Paused)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether nobody needs the job any more.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended() && self.is_released
    }
}

impl Job {
    fn queue_again(&mut self) -> Effects {
        (self.phase, self.wish) = (Phase::Queued, Wish::Finish);
        Effects::schedule(ScheduleChange::Append)
    }

    fn rest(&mut self) -> Effects {
        self.phase = Phase::Paused;
        self.event(JobEvent::new(JobEventKind::JobPaused, None))
    }

    fn end(&mut self, result: Result<(), Failure>) -> Effects {
        self.phase = Phase::Ended;
        self.failure = result.err();
        let mut event = JobEvent {
            done: self.totals.done,
            total: self.totals.files,
            ..JobEvent::new(JobEventKind::JobEnded, None)
        };
        if let Some(failure) = &self.failure {
            event = event.failed(failure);
        }
        Effects { has_ended: true, ..self.event(event) }
    }

    fn event(&self, event: JobEvent) -> Effects {
        let Self { id: job, user_data, totals, .. } = *self;
        let event = JobEvent { job, user_data, totals, ..event };
        Effects { event: (!self.is_released).then_some(event), ..Effects::default() }
    }

    fn must_be(&self, phase: Phase, what: &str) -> Result<(), Failure> {
        if self.phase == phase { Ok(()) } else { Err(self.not(what)) }
    }

    fn not(&self, what: &str) -> Failure {
        let phase = match self.phase {
            Phase::New => "was not started",
            Phase::Queued | Phase::Running => "is under way",
            Phase::Paused => "is paused",
            Phase::Ended => "has ended",
        };
        Failure::abi(AbiStatus::WrongState, format!("the job {phase}; {what} another state"))
    }
}

/// The failure of a cancelled job.
pub(crate) fn cancelled() -> Failure {
    Failure::reason(Reason::Cancelled, Reason::Cancelled.text())
}

fn no_file(index: usize) -> Failure {
    Failure::abi(AbiStatus::NoSuchFile, format!("the job has no file {index}; they count from 0"))
}
