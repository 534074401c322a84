//! Jobs: their work, state and results.
//!
//! ```text
//! New ──start──▶ Queued ──▶ Running ──▶ Ended
//!                  │  ▲        │
//!              pause  resume   pause, as soon as the transfer can resume later
//!                  ▼  │        ▼
//!                 Paused ◀─────┘          cancel leads from each to Ended
//! ```

mod control;
mod model;
mod totals;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ftx_client::{Cancel, Listed, Reason, RemoteName, TransferError};

pub(crate) use self::model::{
    FileOutcome, JobFile, JobKind, OptionInput, Override, Phase, Settings,
};
use crate::event::{JobEvent, JobEventKind};
use crate::failure::Failure;
use crate::queue::EventQueue;
use crate::status::AbiStatus;
use crate::totals::JobTotals;

/// Maximum number of queued entries of a listing; the listing pauses beyond it.
const MAX_WAITING_ENTRIES: usize = 4096;

/// The phase that a running job enters when a caller stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    End,
    Pause,
    Resume,
}

/// Runs the jobs of a client, one after another.
pub(crate) trait JobRunner: Debug + Send + Sync {
    /// Identifies the client.
    fn id(&self) -> u64;

    /// Runs a job after the earlier jobs have ended.
    ///
    /// # Errors
    /// The client was freed, or its thread has failed.
    fn submit(&self, job: &Arc<Job>) -> Result<(), Failure>;

    /// Forgets a job that has ended.
    fn job_ended(&self, id: u64);
}

/// A job of a client.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) kind: JobKind,
    pub(crate) runner: Arc<dyn JobRunner>,
    /// Receives its events.
    pub(crate) queue: Arc<EventQueue>,
    state: Mutex<JobState>,
    changed: Condvar,
}

#[derive(Debug)]
struct JobState {
    phase: Phase,
    wish: Wish,
    cancel: Cancel,
    settings: Settings,
    files: Vec<JobFile>,
    totals: JobTotals,
    entries: VecDeque<Listed>,
    failure: Option<Failure>,
    /// Whether the server speaks the native dialect, once known.
    native: Option<bool>,
    user_data: usize,
    /// The caller has freed the job: it emits no more events.
    released: bool,
    /// The number of threads that wait for its end, and so take no entries.
    waiters: u32,
}

impl Job {
    pub(crate) fn new(
        kind: JobKind,
        runner: Arc<dyn JobRunner>,
        queue: Arc<EventQueue>,
    ) -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let state = JobState {
            phase: Phase::New,
            wish: Wish::End,
            cancel: Cancel::new(),
            settings: Settings::default(),
            files: Vec::new(),
            totals: JobTotals::default(),
            entries: VecDeque::new(),
            failure: None,
            native: None,
            user_data: 0,
            released: false,
            waiters: 0,
        };
        let id = IDS.fetch_add(1, Relaxed);
        Arc::new(Self {
            id,
            kind,
            runner,
            queue,
            state: Mutex::new(state),
            changed: Condvar::new(),
        })
    }

    /// Adds a file.
    pub(crate) fn add(&self, path: PathBuf, name: &str) -> Result<(), Failure> {
        let name = RemoteName::parse(name)
            .map_err(|source| Failure::from(&TransferError::name_refused(name).caused_by(source)));
        let file = JobFile { path, name, done: 0, size: None, digest: None, outcome: None };
        let mut state = self.state();
        state.must_be(Phase::New, "files are added to")?;
        state.files.push(file);
        state.totals.files += 1;
        Ok(())
    }

    /// Sets the size of a file that the caller knows.
    pub(crate) fn tell_size(&self, index: usize, size: u64) -> Result<(), Failure> {
        let mut state = self.state();
        state.must_be(Phase::New, "sizes are told in")?;
        if index >= state.files.len() {
            return Err(no_file(index));
        }
        state.set_size(index, size);
        Ok(())
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) -> Result<(), Failure> {
        let mut state = self.state();
        state.must_be(Phase::New, "options are set on")?;
        change(&mut state.settings);
        Ok(())
    }

    pub(crate) fn set_user_data(&self, user_data: usize) {
        self.state().user_data = user_data;
    }

    pub(crate) fn start(self: &Arc<Self>) -> Result<(), Failure> {
        let mut state = self.state();
        state.must_be(Phase::New, "start is for")?;
        self.runner.submit(self)?;
        state.phase = Phase::Queued;
        Ok(())
    }

    /// Stops the job for good; `hard` stops it at once, even if an original server then hangs.
    pub(crate) fn cancel(&self, hard: bool) {
        let mut state = self.state();
        match state.phase {
            Phase::Ended => {}
            Phase::Running => {
                state.wish = Wish::End;
                if hard {
                    state.cancel.abort();
                } else {
                    state.cancel.cancel();
                }
                self.changed.notify_all();
            }
            Phase::New | Phase::Queued | Phase::Paused => self.end(&mut state, Err(cancelled())),
        }
    }

    pub(crate) fn pause(&self) -> Result<(), Failure> {
        let mut state = self.state();
        match state.phase {
            Phase::Paused => {}
            Phase::Queued => self.rest(&mut state),
            Phase::Running => {
                if state.wish == Wish::Resume || !state.cancel.is_cancelled() {
                    state.wish = Wish::Pause;
                    state.cancel.cancel();
                    self.changed.notify_all();
                }
            }
            Phase::New | Phase::Ended => return Err(state.not("pause is for")),
        }
        Ok(())
    }

    pub(crate) fn resume(self: &Arc<Self>) -> Result<(), Failure> {
        let mut state = self.state();
        match state.phase {
            Phase::Queued => {}
            Phase::Running if state.wish == Wish::Pause => state.wish = Wish::Resume,
            Phase::Running => {}
            Phase::Paused => {
                self.runner.submit(self)?;
                state.cancel = Cancel::new();
                state.phase = Phase::Queued;
            }
            Phase::New | Phase::Ended => return Err(state.not("resume is for")),
        }
        Ok(())
    }

    /// Waits until the job has ended; for ever without a `limit`.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Result<(), Failure> {
        // A deadline that the clock cannot represent means for ever.
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = self.state();
        state.waiters += 1;
        self.changed.notify_all();
        while state.phase != Phase::Ended {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.waiters -= 1;
        state.outcome()
    }

    /// The result of the job, or `Pending` if it has not ended.
    pub(crate) fn outcome(&self) -> Result<(), Failure> {
        self.state().outcome()
    }

    /// Drops its present and future events, and stops it.
    pub(crate) fn release(&self) {
        self.state().released = true;
        self.cancel(false);
        self.queue.forget(self.id);
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    pub(crate) fn totals(&self) -> JobTotals {
        self.state().totals
    }

    pub(crate) fn file_count(&self) -> usize {
        self.state().files.len()
    }

    pub(crate) fn file(&self, index: usize) -> Result<JobFile, Failure> {
        self.state().files.get(index).cloned().ok_or_else(|| no_file(index))
    }

    /// The first failure of the job, or that of one file.
    pub(crate) fn failure(&self, index: Option<usize>) -> Result<Option<Failure>, Failure> {
        let state = self.state();
        let Some(index) = index else { return Ok(state.failure.clone()) };
        let file = state.files.get(index).ok_or_else(|| no_file(index))?;
        Ok(file.outcome.as_ref().and_then(|outcome| outcome.as_ref().err()).cloned())
    }

    /// Whether the server speaks the native dialect, if the job has found that out.
    pub(crate) fn native(&self) -> Option<bool> {
        self.state().native
    }

    /// The next entry of a listing; `None` when all were taken.
    pub(crate) fn next_entry(&self) -> Result<Option<Listed>, Failure> {
        let mut state = self.state();
        let entry = state.entries.pop_front();
        if entry.is_some() {
            self.changed.notify_all();
        } else if state.phase != Phase::Ended {
            return Err(Failure::abi(AbiStatus::Pending, "no entry is available yet"));
        }
        Ok(entry)
    }
}

impl Job {
    fn rest(&self, state: &mut JobState) {
        state.phase = Phase::Paused;
        self.push(state, JobEvent::new(JobEventKind::JobPaused, None));
        self.changed.notify_all();
    }

    fn end(&self, state: &mut JobState, result: Result<(), Failure>) {
        state.phase = Phase::Ended;
        state.failure = result.err();
        let mut event = JobEvent {
            done: state.totals.done,
            total: state.totals.files,
            ..JobEvent::new(JobEventKind::JobEnded, None)
        };
        if let Some(failure) = &state.failure {
            event = event.failed(failure);
        }
        self.push(state, event);
        self.changed.notify_all();
        self.runner.job_ended(self.id);
    }

    fn push(&self, state: &JobState, event: JobEvent) {
        if !state.released {
            let JobState { user_data, totals, .. } = *state;
            self.queue.push(JobEvent { job: self.id, user_data, totals, ..event });
        }
    }

    fn state(&self) -> MutexGuard<'_, JobState> {
        // Each step leaves things in order, so a panic elsewhere is no reason to stop.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobState {
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

    fn outcome(&self) -> Result<(), Failure> {
        match (&self.failure, self.phase) {
            (Some(failure), Phase::Ended) => Err(failure.clone()),
            (None, Phase::Ended) => Ok(()),
            _ => Err(Failure::abi(AbiStatus::Pending, "the job has not ended yet")),
        }
    }
}

/// The failure of a cancelled job.
pub(crate) fn cancelled() -> Failure {
    Failure::reason(Reason::Cancelled, Reason::Cancelled.text())
}

fn no_file(index: usize) -> Failure {
    Failure::abi(AbiStatus::NoSuchFile, format!("the job has no file {index}; they count from 0"))
}
