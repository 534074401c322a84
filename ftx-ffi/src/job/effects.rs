//! The effects of a step.

use crate::event::JobEvent;
use crate::totals::JobTotals;

/// The work that a step of a job leaves to the client.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Effects {
    /// An event for the caller.
    pub(crate) event: Option<JobEvent>,
    /// The caller wants no event of the job, nor those that wait.
    pub(crate) forgets_events: bool,
    /// The totals that the waiting events of the job have from now on.
    pub(crate) totals: Option<JobTotals>,
    pub(crate) schedule: Option<ScheduleChange>,
    /// The running transfer must end.
    pub(crate) stop: Option<Stop>,
    /// A listing that waits for room may continue.
    pub(crate) has_room: bool,
    /// The job has ended, for which threads may wait.
    pub(crate) has_ended: bool,
}

/// A change of the order in which the client runs its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScheduleChange {
    /// The job runs after all others.
    Append,
    /// The job does not run.
    Remove,
}

/// The way in which a running transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// As soon as both sides can resume later.
    Soft,
    /// At once, even if an original server then hangs.
    Hard,
}

impl Effects {
    pub(super) fn schedule(change: ScheduleChange) -> Self {
        Self { schedule: Some(change), ..Self::default() }
    }

    /// A listing ends its wait for room when it is to stop.
    pub(super) fn stop(stop: Stop) -> Self {
        Self { stop: Some(stop), has_room: true, ..Self::default() }
    }
}
