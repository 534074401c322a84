//! The steps of a job that the thread of its client takes.

use std::path::PathBuf;

use ftx_client::{Digest, Listed};

use super::{Effects, FileOutcome, Job, JobKind, MAX_WAITING_ENTRIES, Phase, Wish, Work};
use crate::event::{JobEvent, JobEventKind};
use crate::failure::Failure;

/// Files whose sizes are read in one batch; a job can be stopped after each batch.
const SIZES_AT_ONCE_FILES: usize = 256;

impl Job {
    /// Begins the job if it must still run; returns whether it does.
    pub(crate) fn begin(&mut self) -> bool {
        let begins = self.phase == Phase::Queued;
        if begins {
            self.phase = Phase::Running;
            self.wish = Wish::Finish;
        }
        begins
    }

    /// Ends or pauses the job, or queues it again.
    pub(crate) fn finish(&mut self, result: Result<(), Failure>) -> Effects {
        if self.phase != Phase::Running {
            return Effects::default();
        }
        match self.wish {
            Wish::Pause if self.is_stopped(&result) => self.rest(),
            Wish::Resume if self.is_stopped(&result) => self.queue_again(),
            Wish::Finish | Wish::Cancel | Wish::Pause | Wish::Resume => {
                let failed = self.failure.take().map_or(result, Err);
                self.end(failed)
            }
        }
    }

    /// Ends the job because of an internal error.
    pub(crate) fn give_up(&mut self, failure: Failure) -> Effects {
        if self.phase == Phase::Ended { Effects::default() } else { self.end(Err(failure)) }
    }

    /// The work that is left.
    pub(crate) fn work(&self) -> Work {
        let files = self.files.iter().enumerate();
        let todo = files.filter(|(_, file)| file.outcome.is_none());
        let todo = todo.map(|(index, file)| (index, file.clone())).collect();
        Work { kind: self.kind, settings: self.settings.clone(), todo }
    }

    /// Records an event of a file.
    pub(crate) fn tell(&mut self, event: JobEvent) -> Effects {
        // Another thread may still report events of a job that was abandoned.
        if self.has_ended() {
            return Effects::default();
        }
        if let Some(index) = event.file
            && matches!(event.kind, JobEventKind::Started | JobEventKind::Progress)
        {
            self.set_size(index, event.total);
            self.set_done(index, event.done);
        }
        self.event(event)
    }

    /// Returns the files of unknown size in the next batch of an upload; `None` when no file is left, or
    /// the job is stopped.
    pub(crate) fn unsized_paths(&self, batch: usize) -> Option<Vec<(usize, PathBuf)>> {
        let begin = batch * SIZES_AT_ONCE_FILES;
        let is_needed = self.kind == JobKind::Upload && !self.has_ended() && !self.is_stopping();
        if !is_needed || begin >= self.files.len() {
            return None;
        }
        let files = self.files.iter().enumerate().skip(begin).take(SIZES_AT_ONCE_FILES);
        let files = files.filter(|(_, file)| file.size.is_none());
        Some(files.map(|(index, file)| (index, file.path.clone())).collect())
    }

    /// Sets the sizes of local files.
    pub(crate) fn set_sizes(&mut self, sizes: &[(usize, u64)]) -> Effects {
        for (index, size) in sizes {
            // A size that the transfer has reported meanwhile takes precedence.
            if self.files.get(*index).is_some_and(|file| file.size.is_none()) {
                self.set_size(*index, *size);
            }
        }
        Effects { totals: Some(self.totals), ..Effects::default() }
    }

    /// Records that a file is done or has failed. A file interrupted by a pause of its job is
    /// neither.
    pub(crate) fn file_ended(
        &mut self,
        index: usize,
        result: Result<FileOutcome, Failure>,
    ) -> Effects {
        // As in `tell`.
        if self.has_ended() || self.is_stopped(&result) && self.wish != Wish::Cancel {
            return Effects::default();
        }
        let Some(file) = self.files.get_mut(index).filter(|file| file.outcome.is_none()) else {
            return Effects::default();
        };
        let (size, across) = (file.size.unwrap_or(0), file.done);
        let result =
            result.map_err(|failure| Failure { file: Some(index), resume_at: across, ..failure });
        file.outcome = Some(result.clone());
        let event = JobEvent { total: size, ..JobEvent::new(JobEventKind::FileEnded, Some(index)) };
        let event = match result {
            Ok(FileOutcome { moved, already_there }) => {
                self.totals.done += 1;
                self.set_done(index, size);
                JobEvent { done: moved, already_there, ..event }
            }
            Err(failure) => {
                self.totals.failed += 1;
                let event = event.failed(&failure);
                self.failure.get_or_insert(failure);
                event
            }
        };
        self.event(event)
    }

    pub(crate) fn set_digest(&mut self, index: usize, digest: Digest) {
        if let Some(file) = self.files.get_mut(index) {
            file.digest = Some(digest);
        }
    }

    pub(crate) fn set_native(&mut self, native: bool) {
        self.native = Some(native);
    }

    /// Whether the listing must wait until the caller takes entries.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= MAX_WAITING_ENTRIES && self.waiters == 0 && !self.is_stopping()
    }

    /// Queues an entry for the caller.
    pub(crate) fn put_entry(&mut self, entry: Listed) -> Effects {
        if self.is_released || self.has_ended() {
            return Effects::default();
        }
        self.entries.push_back(entry);
        self.event(JobEvent::new(JobEventKind::Entries, None))
    }

    fn is_stopping(&self) -> bool {
        self.wish != Wish::Finish
    }

    /// Whether a transfer has ended because it was to stop.
    fn is_stopped<T>(&self, result: &Result<T, Failure>) -> bool {
        result.as_ref().is_err_and(Failure::is_cancel) && self.is_stopping()
    }
}
