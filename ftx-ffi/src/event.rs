//! Events in their Rust form.

use std::time::Duration;

use ftx_client::Event as ClientEvent;

use crate::api::codes::{
    FTX_EVENT_DRAINING, FTX_EVENT_ENTRIES, FTX_EVENT_FILE_ENDED, FTX_EVENT_HASHING,
    FTX_EVENT_JOB_ENDED, FTX_EVENT_JOB_PAUSED, FTX_EVENT_PROGRESS, FTX_EVENT_RETRYING,
    FTX_EVENT_STARTED, FTX_EVENT_WAITING,
};
use crate::failure::Failure;
use crate::totals::JobTotals;

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum JobEventKind {
    Hashing,
    Started,
    Progress,
    Draining,
    Retrying,
    FileEnded,
    Entries,
    JobPaused,
    JobEnded,
    Waiting,
}

impl JobEventKind {
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Hashing => FTX_EVENT_HASHING,
            Self::Started => FTX_EVENT_STARTED,
            Self::Progress => FTX_EVENT_PROGRESS,
            Self::Draining => FTX_EVENT_DRAINING,
            Self::Retrying => FTX_EVENT_RETRYING,
            Self::FileEnded => FTX_EVENT_FILE_ENDED,
            Self::Entries => FTX_EVENT_ENTRIES,
            Self::JobPaused => FTX_EVENT_JOB_PAUSED,
            Self::JobEnded => FTX_EVENT_JOB_ENDED,
            Self::Waiting => FTX_EVENT_WAITING,
        }
    }

    /// Whether a later event makes an earlier one of this kind redundant.
    pub(crate) fn coalesces(self) -> bool {
        !matches!(self, Self::FileEnded | Self::JobPaused | Self::JobEnded)
    }
}

/// An event of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobEvent {
    pub(crate) kind: JobEventKind,
    pub(crate) job: u64,
    pub(crate) file: Option<usize>,
    pub(crate) done: u64,
    pub(crate) total: u64,
    pub(crate) status: i32,
    pub(crate) original: i32,
    pub(crate) attempt: u32,
    pub(crate) pause: Duration,
    pub(crate) already_there: bool,
    /// The caller's pointer, which is never dereferenced.
    pub(crate) user_data: usize,
    /// Progress of the whole job.
    pub(crate) totals: JobTotals,
}

impl JobEvent {
    pub(crate) fn new(kind: JobEventKind, file: Option<usize>) -> Self {
        Self {
            kind,
            job: 0,
            file,
            done: 0,
            total: 0,
            status: 0,
            original: 0,
            attempt: 0,
            pause: Duration::ZERO,
            already_there: false,
            user_data: 0,
            totals: JobTotals::default(),
        }
    }

    /// Converts an event of the client; `None` for an event that this version does not know.
    pub(crate) fn of_client_event(file: usize, told: &ClientEvent<'_>) -> Option<Self> {
        let event = |kind, done, total| Self { done, total, ..Self::new(kind, Some(file)) };
        Some(match *told {
            ClientEvent::Hashing { done, total } => event(JobEventKind::Hashing, done, total),
            ClientEvent::Waiting => event(JobEventKind::Waiting, 0, 0),
            ClientEvent::Started { from, size } => event(JobEventKind::Started, from, size),
            ClientEvent::Progress { done, size, .. } => event(JobEventKind::Progress, done, size),
            ClientEvent::Draining { left } => event(JobEventKind::Draining, 0, left),
            ClientEvent::Retrying { attempt, pause, error } => {
                Self { attempt, pause, ..event(JobEventKind::Retrying, 0, 0) }.failed(&error.into())
            }
            _ => return None,
        })
    }

    pub(crate) fn failed(self, failure: &Failure) -> Self {
        Self { status: failure.status, original: failure.original, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientEvent, JobEvent};
    use crate::api::codes::FTX_EVENT_WAITING;

    #[test]
    fn a_waiting_file_is_reported() {
        let event = JobEvent::of_client_event(3, &ClientEvent::Waiting)
            .map(|event| (event.kind.code(), event.file));
        assert_eq!(event, Some((FTX_EVENT_WAITING, Some(3))));
    }
}
