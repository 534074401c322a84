//! The queue of events for the caller.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{JobEvent, JobEventKind};
use crate::failure::Failure;
use crate::signal::Signal;
use crate::totals::JobTotals;

/// The time for which a thread that has taken events lets further events gather. Waking it for each
/// of ten thousand small files takes about as long as transferring them, and a progress bar is drawn
/// less often than that.
const GATHER_FOR: Duration = Duration::from_millis(10);

/// A queue bounded by the jobs in it: it holds one coalescing event for each job, file and kind,
/// and of the events that are never dropped, one for each file and a few for each job.
#[derive(Debug)]
pub(crate) struct EventQueue {
    waiting: Mutex<QueuedEvents>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct QueuedEvents {
    events: VecDeque<JobEvent>,
    /// The number of the first queued event; events are numbered as they arrive.
    first: u64,
    /// The numbers of the queued events that coalesce.
    latest: HashMap<EventKey, u64>,
    /// The current totals of the jobs. A replaced event keeps its position in the queue, so totals
    /// stored with each event would seem to go backwards.
    totals: HashMap<u64, JobTotals>,
    sleeper: Sleeper,
    /// The descriptor that is readable while an event waits, once the caller has asked for it.
    signal: Option<Signal>,
}

impl QueuedEvents {
    /// Makes the descriptor unreadable, because no event waits.
    fn clear(&self) {
        if let Some(signal) = &self.signal {
            signal.clear();
        }
    }
}

/// The events for which a waiting thread is woken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sleeper {
    #[default]
    Nobody,
    ForAny,
    ForEnd,
}

type EventKey = (u64, Option<usize>, JobEventKind);

fn key(event: &JobEvent) -> EventKey {
    (event.job, event.file, event.kind)
}

impl EventQueue {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new() }
    }

    /// The descriptor that is readable while an event waits, or -1 on a system without one. The first
    /// call makes it.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn fd(&self) -> Result<i32, Failure> {
        let mut waiting = self.waiting();
        if let Some(signal) = &waiting.signal {
            return Ok(signal.fd());
        }
        let signal = Signal::new();
        let signal =
            signal.map_err(|error| Failure::system("cannot make an event descriptor", &error))?;
        if !waiting.events.is_empty() {
            signal.set();
        }
        Ok(waiting.signal.insert(signal).fd())
    }

    pub(crate) fn push(&self, event: JobEvent) {
        let mut waiting = self.waiting();
        waiting.totals.insert(event.job, event.totals);
        if event.kind.coalesces() {
            let next = waiting.first + waiting.events.len() as u64;
            let number = *waiting.latest.entry(key(&event)).or_insert(next);
            let place = usize::try_from(number - waiting.first).unwrap_or(usize::MAX);
            if let Some(place) = waiting.events.get_mut(place) {
                *place = event;
                return;
            }
        }
        waiting.events.push_back(event);
        if waiting.events.len() == 1
            && let Some(signal) = &waiting.signal
        {
            signal.set();
        }
        let woken = match waiting.sleeper {
            Sleeper::Nobody => false,
            Sleeper::ForAny => true,
            Sleeper::ForEnd => event.kind == JobEventKind::JobEnded,
        };
        if woken {
            waiting.sleeper = Sleeper::Nobody;
            self.arrived.notify_one();
        }
    }

    /// Updates the totals of a job that has progressed since its last event.
    pub(crate) fn update(&self, job: u64, totals: JobTotals) {
        if let Some(told) = self.waiting().totals.get_mut(&job) {
            *told = totals;
        }
    }

    /// The next event, if there is one.
    pub(crate) fn take(&self) -> Option<JobEvent> {
        self.take_from(&mut self.waiting())
    }

    /// Waits for events, and takes all of them. For a queue of one job and one thread, which last
    /// took events at `last`; the end of the job ends the wait at once.
    pub(crate) fn wait(&self, last: Option<Instant>) -> Vec<JobEvent> {
        let gathered = last.map(|last| last + GATHER_FOR);
        let mut waiting = self.waiting();
        loop {
            let end =
                waiting.events.back().is_some_and(|event| event.kind == JobEventKind::JobEnded);
            let left = gathered.map(|until| until.saturating_duration_since(Instant::now()));
            match left.filter(|left| !end && !left.is_zero()) {
                Some(left) => {
                    waiting.sleeper = Sleeper::ForEnd;
                    let waited = self.arrived.wait_timeout(waiting, left);
                    waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None if waiting.events.is_empty() => {
                    waiting.sleeper = Sleeper::ForAny;
                    waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
                None => break,
            }
        }
        waiting.sleeper = Sleeper::Nobody;
        std::iter::from_fn(|| self.take_from(&mut waiting)).collect()
    }

    /// Drops the events of a job.
    pub(crate) fn forget(&self, job: u64) {
        let mut waiting = self.waiting();
        let had_some = !waiting.events.is_empty();
        waiting.events.retain(|event| event.job != job);
        waiting.first = 0;
        waiting.totals.remove(&job);
        let numbered =
            waiting.events.iter().enumerate().filter(|(_, event)| event.kind.coalesces());
        waiting.latest = numbered.map(|(number, event)| (key(event), number as u64)).collect();
        if had_some && waiting.events.is_empty() {
            waiting.clear();
        }
    }

    fn take_from(&self, waiting: &mut QueuedEvents) -> Option<JobEvent> {
        let mut event = waiting.events.pop_front()?;
        let totals = match event.kind {
            // No event of the job follows its end.
            JobEventKind::JobEnded => waiting.totals.remove(&event.job),
            _ => waiting.totals.get(&event.job).copied(),
        };
        event.totals = totals.unwrap_or(event.totals);
        waiting.first += 1;
        if event.kind.coalesces() {
            waiting.latest.remove(&key(&event));
        }
        if waiting.events.is_empty() {
            waiting.clear();
        }
        Some(event)
    }

    fn waiting(&self) -> MutexGuard<'_, QueuedEvents> {
        // Each step leaves things in order, so a panic elsewhere is no reason to stop.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(job: u64, file: usize, kind: JobEventKind, done: u64) -> JobEvent {
        JobEvent { job, done, ..JobEvent::new(kind, Some(file)) }
    }

    fn taken(queue: &EventQueue) -> Vec<(u64, Option<usize>, JobEventKind, u64)> {
        std::iter::from_fn(|| queue.take()).map(|e| (e.job, e.file, e.kind, e.done)).collect()
    }

    #[test]
    fn progress_coalesces_by_file_and_ends_do_not() {
        let queue = EventQueue::new();
        for done in 1..=1000 {
            queue.push(event(1, 0, JobEventKind::Progress, done));
            queue.push(event(1, 1, JobEventKind::Progress, done * 2));
        }
        queue.push(event(1, 0, JobEventKind::FileEnded, 1));
        queue.push(event(1, 0, JobEventKind::FileEnded, 2));
        let expected = [
            (1, Some(0), JobEventKind::Progress, 1000),
            (1, Some(1), JobEventKind::Progress, 2000),
            (1, Some(0), JobEventKind::FileEnded, 1),
            (1, Some(0), JobEventKind::FileEnded, 2),
        ];
        assert_eq!(taken(&queue), expected);
    }

    #[test]
    fn after_taking_and_forgetting_later_events_find_their_place() {
        let queue = EventQueue::new();
        queue.push(event(1, 0, JobEventKind::Progress, 1));
        queue.push(event(2, 0, JobEventKind::Progress, 1));
        queue.push(event(3, 0, JobEventKind::Progress, 1));
        assert_eq!(queue.take().map(|event| event.job), Some(1));
        queue.push(event(1, 0, JobEventKind::Progress, 5));
        queue.push(event(3, 0, JobEventKind::Progress, 6));
        queue.forget(2);
        queue.push(event(1, 0, JobEventKind::Progress, 7));
        let expected =
            [(3, Some(0), JobEventKind::Progress, 6), (1, Some(0), JobEventKind::Progress, 7)];
        assert_eq!(taken(&queue), expected);
    }

    #[test]
    fn a_thread_that_waits_gets_all_events_and_the_end_at_once() {
        let queue = EventQueue::new();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let first = queue.wait(None);
                let much_later = Instant::now() + Duration::from_secs(3600);
                (first, queue.wait(Some(much_later)))
            });
            queue.push(event(1, 0, JobEventKind::Progress, 1));
            while !queue.waiting().events.is_empty() {
                std::thread::yield_now();
            }
            queue.push(event(1, 0, JobEventKind::Progress, 2));
            queue.push(event(1, 0, JobEventKind::FileEnded, 2));
            queue.push(event(1, 0, JobEventKind::JobEnded, 2));
            let (first, rest) = waits.join().unwrap();
            let kinds: Vec<_> = first.iter().chain(&rest).map(|event| event.kind).collect();
            let expected = [
                JobEventKind::Progress,
                JobEventKind::Progress,
                JobEventKind::FileEnded,
                JobEventKind::JobEnded,
            ];
            assert_eq!((first.len(), &kinds[..]), (1, &expected[..]));
        });
    }

    #[test]
    fn reported_totals_of_a_job_never_decrease() {
        let queue = EventQueue::new();
        for files in 1..=2 {
            for file in 0..2 {
                let totals = JobTotals { files: files * 10 + file, ..JobTotals::default() };
                let file = usize::try_from(file).unwrap();
                queue.push(JobEvent { totals, ..event(1, file, JobEventKind::Progress, files) });
            }
        }
        queue.push(event(2, 0, JobEventKind::Progress, 1));
        let told: Vec<_> = std::iter::from_fn(|| queue.take()).map(|e| e.totals.files).collect();
        assert_eq!(told, [21, 21, 0]);
        queue.push(event(1, 0, JobEventKind::JobEnded, 1));
        queue.take();
        queue.forget(2);
        assert!(queue.waiting().totals.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn the_descriptor_is_readable_while_an_event_waits() {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use std::os::fd::BorrowedFd;

        let queue = EventQueue::new();
        queue.push(event(1, 0, JobEventKind::Progress, 1));
        let fd = queue.fd().unwrap();
        assert_eq!(queue.fd().unwrap(), fd);
        let readable = || {
            // SAFETY: the queue keeps the descriptor open while it is borrowed.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)).unwrap() == 1
        };
        assert!(readable());
        queue.take();
        assert!(!readable());
        queue.push(event(1, 0, JobEventKind::Progress, 1));
        queue.push(event(1, 0, JobEventKind::JobEnded, 1));
        assert!(readable());
        queue.take();
        assert!(readable());
        queue.take();
        assert!(!readable());
        queue.push(event(1, 0, JobEventKind::Progress, 1));
        queue.forget(1);
        assert!(!readable());
    }
}
