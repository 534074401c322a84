//! Panics that tests plan for certain jobs; compiled out of the library.

/// The points at which a job may panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "planned by tests only"))]
pub(crate) enum FailPoint {
    /// When the job begins.
    Begin,
    /// When a file of the job has an event.
    Tell,
    /// When a file has an event on the thread of a further connection.
    TellOnStream,
    /// After the work of the job.
    End,
    /// Just before the thread ends.
    Thread,
}

/// Panics if a test has planned a panic here.
#[cfg(not(test))]
pub(crate) fn point(_: u64, _: FailPoint) {}

#[cfg(test)]
pub(crate) use planned::{plan, point, take_back};

#[cfg(test)]
mod planned {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, PoisonError};
    use std::thread;

    use super::FailPoint;

    static PLANNED: Mutex<BTreeMap<u64, FailPoint>> = Mutex::new(BTreeMap::new());

    /// Makes the job panic at that point, once.
    pub(crate) fn plan(job: u64, point: FailPoint) {
        PLANNED.lock().unwrap_or_else(PoisonError::into_inner).insert(job, point);
    }

    /// Removes the planned panic; returns whether it was still pending.
    pub(crate) fn take_back(job: u64) -> bool {
        PLANNED.lock().unwrap_or_else(PoisonError::into_inner).remove(&job).is_some()
    }

    pub(crate) fn point(job: u64, here: FailPoint) {
        let mut planned = PLANNED.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = match planned.get(&job) {
            Some(FailPoint::TellOnStream) => {
                let name = thread::current().name().unwrap_or_default().to_owned();
                here == FailPoint::Tell && name.starts_with("ftx-stream")
            }
            point => point == Some(&here),
        };
        if hit {
            planned.remove(&job);
        }
        drop(planned);
        assert!(!hit, "the sky fell on job {job}");
    }
}
