//! Panics that tests plan for certain jobs; compiled out of the library.

/// Where a job may panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "planned by tests only"))]
pub(crate) enum FailPoint {
    /// When it is begun.
    Begin,
    /// When a file of it has an event.
    Tell,
    /// The same, on the thread of a further connection.
    TellOnStream,
    /// Behind its work.
    End,
    /// Where nothing but the end of the thread is left.
    Thread,
}

/// Panics, if a test has planned that.
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

    /// Has the job panic there, once.
    pub(crate) fn plan(job: u64, point: FailPoint) {
        PLANNED.lock().unwrap_or_else(PoisonError::into_inner).insert(job, point);
    }

    /// Takes back what was planned; whether it has not come to that yet.
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
