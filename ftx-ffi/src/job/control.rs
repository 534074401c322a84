//! The steps of a job, as the worker drives them.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use ftx_client::{Cancel, Digest, Listed};

use super::{FileOutcome, Job, JobFile, JobKind, MAX_WAITING_ENTRIES, Phase, Settings, Wish};
use crate::event::{JobEvent, JobEventKind};
use crate::failure::Failure;

/// Files whose sizes are read in one batch; a job can be stopped after each batch.
const SIZES_AT_ONCE_FILES: usize = 256;

impl Job {
    /// Begins the job if it must still run, and returns the switch that stops it.
    pub(crate) fn begin(&self) -> Option<Cancel> {
        let mut state = self.state();
        if state.phase != Phase::Queued {
            return None;
        }
        state.phase = Phase::Running;
        state.wish = Wish::End;
        Some(state.cancel.clone())
    }

    /// Ends or pauses the job; returns whether it must run again.
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

    /// Ends the job because of an internal error.
    pub(crate) fn give_up(&self, failure: Failure) {
        let mut state = self.state();
        if state.phase != Phase::Ended {
            self.end(&mut state, Err(failure));
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        self.state().settings.clone()
    }

    /// The unfinished files, with their indices.
    pub(crate) fn todo(&self) -> Vec<(usize, JobFile)> {
        let state = self.state();
        let files = state.files.iter().enumerate();
        files
            .filter(|(_, file)| file.outcome.is_none())
            .map(|(i, file)| (i, file.clone()))
            .collect()
    }

    /// Records an event of a file.
    pub(crate) fn tell(&self, event: JobEvent) {
        let mut state = self.state();
        // Another thread may still report events of a job that was abandoned.
        if state.phase == Phase::Ended {
            return;
        }
        if let Some(index) = event.file
            && matches!(event.kind, JobEventKind::Started | JobEventKind::Progress)
        {
            state.set_size(index, event.total);
            state.set_done(index, event.done);
        }
        self.push(&state, event);
    }

    /// Reads the sizes of the files to upload, so that the first event has the total. A file whose
    /// size cannot be read fails when the job reaches it.
    pub(crate) fn look_at_sizes(&self) {
        if self.kind != JobKind::Upload {
            return;
        }
        let mut begin = 0;
        while let Some(paths) = self.unsized_paths(begin) {
            begin += SIZES_AT_ONCE_FILES;
            let sizes: Vec<_> = paths
                .into_iter()
                .filter_map(|(index, path)| Some((index, size_of_file(&path)?)))
                .collect();
            self.set_sizes(&sizes);
        }
    }

    /// Returns the files of unknown size in the next batch; `None` when no file is left, or the job
    /// is stopped.
    fn unsized_paths(&self, begin: usize) -> Option<Vec<(usize, PathBuf)>> {
        let state = self.state();
        if state.phase == Phase::Ended || state.cancel.is_cancelled() {
            return None;
        }
        let files = state.files.iter().enumerate().skip(begin).take(SIZES_AT_ONCE_FILES);
        let files = files.filter(|(_, file)| file.size.is_none());
        (begin < state.files.len())
            .then(|| files.map(|(index, file)| (index, file.path.clone())).collect())
    }

    fn set_sizes(&self, sizes: &[(usize, u64)]) {
        let mut state = self.state();
        for (index, size) in sizes {
            // A size that the transfer has reported meanwhile takes precedence.
            if state.files.get(*index).is_some_and(|file| file.size.is_none()) {
                state.set_size(*index, *size);
            }
        }
        self.queue.update(self.id, state.totals);
    }

    /// Reads the size of a local file, unless it has become known.
    pub(crate) fn look_at_size(&self, index: usize, path: &Path) {
        if let Some(size) = size_of_file(path) {
            self.set_sizes(&[(index, size)]);
        }
    }

    /// Records that a file is done or has failed. A file interrupted by a pause of its job is
    /// neither.
    pub(crate) fn file_ended(&self, index: usize, result: Result<FileOutcome, Failure>) {
        let mut state = self.state();
        let stopped = result.as_ref().is_err_and(Failure::is_cancel) && state.cancel.is_cancelled();
        if stopped && state.wish != Wish::End {
            return;
        }
        let Some(file) = state.files.get(index).filter(|file| file.outcome.is_none()) else {
            return;
        };
        let (size, across) = (file.size.unwrap_or(0), file.done);
        let mut event =
            JobEvent { total: size, ..JobEvent::new(JobEventKind::FileEnded, Some(index)) };
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

    /// Queues an entry for the caller; blocks while too many entries are queued.
    pub(crate) fn put_entry(&self, entry: Listed) {
        let mut state = self.state();
        while state.entries.len() >= MAX_WAITING_ENTRIES
            && state.waiters == 0
            && !state.cancel.is_cancelled()
        {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.released {
            state.entries.push_back(entry);
            self.push(&state, JobEvent::new(JobEventKind::Entries, None));
        }
    }
}

fn size_of_file(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().filter(Metadata::is_file).map(|metadata| metadata.len())
}
