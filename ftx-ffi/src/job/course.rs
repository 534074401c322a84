//! A job's course, as the worker drives it.

use std::sync::PoisonError;

use ftx_client::{Cancel, Digest, Entry};

use super::{ENTRIES, File, Job, Outcome, Phase, Settings, Wish};
use crate::event::{Event, Kind as Happened};
use crate::failure::Failure;

impl Job {
    /// What it is to be stopped by, if it is to be run.
    pub(crate) fn begin(&self) -> Option<Cancel> {
        let mut state = self.state();
        if state.phase != Phase::Queued {
            return None;
        }
        state.phase = Phase::Running;
        state.wish = Wish::End;
        Some(state.cancel.clone())
    }

    /// It has stopped. Whether it is to be run again.
    pub(crate) fn finish(&self, result: Result<(), Failure>) -> bool {
        let mut state = self.state();
        let stopped = result.as_ref().is_err_and(Failure::is_cancel) && state.cancel.is_cancelled();
        match state.wish {
            Wish::Pause if stopped => self.rest(&mut state),
            Wish::Resume if stopped => {
                state.cancel = Cancel::new();
                state.phase = Phase::Queued;
                return true;
            }
            Wish::End | Wish::Pause | Wish::Resume => {
                let failed = state.failure.take().map_or(result, Err);
                self.end(&mut state, failed);
            }
        }
        false
    }

    /// It was stopped by a fault of ours.
    pub(crate) fn give_up(&self, failure: Failure) {
        let mut state = self.state();
        if state.phase != Phase::Ended {
            self.end(&mut state, Err(failure));
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        self.state().settings
    }

    /// The files that are still to be done, with their indices.
    pub(crate) fn todo(&self) -> Vec<(usize, File)> {
        let state = self.state();
        let files = state.files.iter().enumerate();
        files
            .filter(|(_, file)| file.outcome.is_none())
            .map(|(i, file)| (i, file.clone()))
            .collect()
    }

    /// Tells what happened with a file.
    pub(crate) fn tell(&self, event: Event) {
        let mut state = self.state();
        // Of a job that was given up, another thread may still tell.
        if state.phase == Phase::Ended {
            return;
        }
        if let Some(index) = event.file
            && matches!(event.kind, Happened::Started | Happened::Progress)
        {
            state.set_size(index, event.total);
            state.set_done(index, event.done);
        }
        self.push(&state, event);
    }

    /// The size of a file is known before it is begun.
    pub(crate) fn sized(&self, index: usize, size: u64) {
        self.state().set_size(index, size);
    }

    /// A file is done, or has failed. One that was stopped with a job that is only paused is not.
    pub(crate) fn file_ended(&self, index: usize, result: Result<Outcome, Failure>) {
        let mut state = self.state();
        let stopped = result.as_ref().is_err_and(Failure::is_cancel) && state.cancel.is_cancelled();
        if stopped && state.wish != Wish::End {
            return;
        }
        let Some(file) = state.files.get(index).filter(|file| file.outcome.is_none()) else {
            return;
        };
        let (size, across) = (file.size.unwrap_or(0), file.done);
        let mut event = Event { total: size, ..Event::new(Happened::FileEnded, Some(index)) };
        let result =
            result.map_err(|failure| Failure { file: Some(index), resume_at: across, ..failure });
        match &result {
            Ok(outcome) => {
                event.done = outcome.moved;
                event.already_there = outcome.already_there;
                state.totals.done += 1;
                state.set_done(index, size);
            }
            Err(failure) => {
                event = event.failed(failure);
                state.totals.failed += 1;
            }
        }
        let failure = result.as_ref().err().cloned();
        if let Some(file) = state.files.get_mut(index) {
            file.outcome = Some(result);
        }
        if state.failure.is_none() {
            state.failure = failure;
        }
        self.push(&state, event);
    }

    pub(crate) fn set_digest(&self, index: usize, digest: Digest) {
        if let Some(file) = self.state().files.get_mut(index) {
            file.digest = Some(digest);
        }
    }

    pub(crate) fn set_native(&self, native: bool) {
        self.state().native = Some(native);
    }

    /// Keeps an entry for the caller, and waits while too many are waiting already.
    pub(crate) fn put_entry(&self, entry: Entry) {
        let mut state = self.state();
        while state.entries.len() >= ENTRIES && state.waiters == 0 && !state.cancel.is_cancelled() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.released {
            state.entries.push_back(entry);
            self.push(&state, Event::new(Happened::Entries, None));
        }
    }
}
