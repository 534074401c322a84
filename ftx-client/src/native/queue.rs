//! The files of one call: which wait, which are under way, and how each ended.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftx_core::native::TransferProgress;

use super::listing_feed::ListingFeed;
use crate::activity::Activity;
use crate::{Event, Observer, TransferError, Transferred, Watch};

/// Locks for one step. Each step leaves the data consistent, so a panic elsewhere does not matter.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file of a queue.
pub(super) trait TransferJob {
    /// Whether no further file begins after this failure of the file, unless the call keeps going.
    fn stops_others(&self, error: &TransferError) -> bool {
        let _ = error;
        true
    }
}

/// The files of one call, on which all its connections work.
pub(super) struct TransferQueue<J> {
    keep_going: bool,
    state: Mutex<QueueState<J>>,
    /// The directories whose files come into the queue, until it [is complete](Self::is_complete).
    pub(super) feed: ListingFeed,
    /// Hears of the call while no file is under way.
    observer: Observer,
    /// Counts blocks and files that arrived. While it grows, retries are not used up.
    gained: AtomicU64,
    activity: Activity,
}

struct QueueState<J> {
    jobs: Vec<Arc<J>>,
    /// No file is added any more.
    is_complete: bool,
    /// Files that an earlier attempt began and did not end.
    resumed: VecDeque<usize>,
    /// Files that no attempt has begun.
    waiting: VecDeque<usize>,
    /// Files under way.
    taken: BTreeSet<usize>,
    /// Files that failed for a transient reason. They are retried after all the other files.
    postponed: BTreeMap<usize, TransferError>,
    events: VecDeque<(usize, QueueEvent)>,
    observers: HashMap<usize, Observer>,
    /// A file has failed, so no further one is begun.
    is_stopped: bool,
}

impl<J> QueueState<J> {
    fn add(&mut self, jobs: Vec<J>) {
        let first = self.jobs.len();
        self.jobs.extend(jobs.into_iter().map(Arc::new));
        self.waiting.extend(first..self.jobs.len());
    }

    fn next(&mut self) -> Option<usize> {
        let waiting = if self.is_stopped { None } else { Some(&mut self.waiting) };
        let index = self.resumed.pop_front().or_else(|| waiting?.pop_front())?;
        self.taken.insert(index);
        self.events.push_back((index, QueueEvent::Begun));
        Some(index)
    }

    fn has_more(&self) -> bool {
        !self.resumed.is_empty() || !(self.is_stopped || self.waiting.is_empty())
    }
}

/// An event of a file that has not been reported yet.
pub(super) enum QueueEvent {
    Begun,
    Waiting,
    Started { from: u64, size: u64 },
    Progress { progress: TransferProgress, size: u64 },
    Ended(Result<Transferred, TransferError>),
}

impl<J: TransferJob> TransferQueue<J> {
    /// The queue of these files.
    pub(super) fn new(jobs: Vec<J>, keep_going: bool, activity: Activity) -> Self {
        let queue = Self::growing(keep_going, activity, Observer::default());
        queue.add(jobs);
        queue.complete();
        queue
    }

    /// An empty queue, to which files are added while connections work on it.
    pub(super) fn growing(keep_going: bool, activity: Activity, observer: Observer) -> Self {
        let state = QueueState {
            jobs: Vec::new(),
            is_complete: false,
            resumed: VecDeque::new(),
            waiting: VecDeque::new(),
            taken: BTreeSet::new(),
            postponed: BTreeMap::new(),
            events: VecDeque::new(),
            observers: HashMap::new(),
            is_stopped: false,
        };
        let (feed, gained) = (ListingFeed::default(), AtomicU64::new(0));
        Self { keep_going, state: Mutex::new(state), feed, observer, gained, activity }
    }

    fn state(&self) -> MutexGuard<'_, QueueState<J>> {
        lock(&self.state)
    }

    /// Adds files behind all others.
    pub(super) fn add(&self, jobs: Vec<J>) {
        self.state().add(jobs);
    }

    /// Records that no file is added any more.
    pub(super) fn complete(&self) {
        self.state().is_complete = true;
    }

    /// Whether all files are known.
    pub(super) fn is_complete(&self) -> bool {
        self.state().is_complete
    }

    /// Whether more files are to be found: they are not all known, and will begin.
    pub(super) fn seeks_more(&self) -> bool {
        let state = self.state();
        !(state.is_complete || state.is_stopped)
    }

    /// Begins no further file, unless the call keeps going. Returns whether none begins.
    pub(super) fn stop_unless_kept_going(&self) -> bool {
        let mut state = self.state();
        state.is_stopped |= !self.keep_going;
        state.is_stopped
    }

    pub(super) fn job(&self, index: usize) -> Option<Arc<J>> {
        self.state().jobs.get(index).cloned()
    }

    /// Takes the next file.
    pub(super) fn take(&self) -> Option<usize> {
        self.state().next()
    }

    pub(super) fn push_event(&self, index: usize, event: QueueEvent) {
        self.state().events.push_back((index, event));
    }

    /// Records that a file is done, or has failed for good.
    pub(super) fn finish(&self, index: usize, result: Result<Transferred, TransferError>) {
        let mut state = self.state();
        if !state.taken.remove(&index) {
            return;
        }
        match &result {
            Ok(_) => self.gain(),
            Err(error) => {
                let stops = state.jobs.get(index).is_none_or(|job| job.stops_others(error));
                state.is_stopped |= stops && !self.keep_going;
            }
        }
        state.events.push_back((index, QueueEvent::Ended(result)));
    }

    /// Puts off a file that failed for a transient reason until the other files are done.
    pub(super) fn postpone(&self, index: usize, error: TransferError) {
        let mut state = self.state();
        if state.taken.remove(&index) {
            state.postponed.insert(index, error);
        }
    }

    /// Takes the first postponed file, if there is one, and returns its error.
    pub(super) fn take_postponed(&self) -> Option<TransferError> {
        let mut state = self.state();
        let (index, error) = state.postponed.pop_first()?;
        state.taken.insert(index);
        Some(error)
    }

    /// Puts back all files that were begun and are not done, after the end of an attempt.
    pub(super) fn put_all_back(&self) {
        let mut state = self.state();
        let postponed = std::mem::take(&mut state.postponed).into_keys();
        let taken = std::mem::take(&mut state.taken);
        state.resumed.extend(taken.into_iter().chain(postponed));
    }

    /// Whether this attempt has nothing left to do.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        let may_grow = !(state.is_complete || state.is_stopped);
        state.taken.is_empty() && !state.has_more() && !may_grow
    }

    /// The signs of life of the call.
    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Counts progress.
    pub(super) fn gain(&self) {
        self.gained.fetch_add(1, Relaxed);
        self.activity.touch();
    }

    pub(super) fn gained(&self) -> u64 {
        self.gained.load(Relaxed)
    }

    /// Reports the events since the last call.
    pub(super) fn report(&self, watch: &mut dyn Watch) {
        loop {
            // Outside the lock, because `watch` may take its time.
            let events = std::mem::take(&mut self.state().events);
            if events.is_empty() {
                return;
            }
            for (index, event) in events {
                let event = match event {
                    QueueEvent::Begun => {
                        let observer = watch.begin(index);
                        self.state().observers.insert(index, observer);
                        continue;
                    }
                    QueueEvent::Ended(result) => {
                        self.state().observers.remove(&index);
                        watch.end(index, result);
                        continue;
                    }
                    QueueEvent::Waiting => Event::Waiting,
                    QueueEvent::Started { from, size } => Event::Started { from, size },
                    QueueEvent::Progress { progress: TransferProgress { done, moved }, size } => {
                        Event::Progress { done, size, moved }
                    }
                };
                self.tell_now(index, &event);
            }
        }
    }

    /// Tells a file's observer at once, on the calling thread: while a disk is read,
    /// [`report`](Self::report) is not called.
    pub(super) fn tell_now(&self, index: usize, event: &Event<'_>) {
        let observer = self.state().observers.get(&index).cloned();
        if let Some(observer) = observer {
            observer.tell(event);
        }
    }

    /// Tells the observers of all files under way.
    pub(super) fn tell_all(&self, event: &Event<'_>) {
        let observers: Vec<Observer> = self.state().observers.values().cloned().collect();
        if observers.is_empty() {
            self.observer.tell(event);
        }
        for observer in observers {
            observer.tell(event);
        }
    }

    /// Fails the rest: all files under way, but at least one file, and with `keep_going` all that wait.
    /// Postponed files fail with their own errors. If no file failed, the directory that is being listed does.
    pub(super) fn fail_rest(&self, error: &TransferError) {
        let postponed = std::mem::take(&mut self.state().postponed);
        let mut has_failed = !postponed.is_empty();
        for (index, error) in postponed {
            self.state().taken.insert(index);
            self.finish(index, Err(error));
        }
        loop {
            let index = {
                let mut state = self.state();
                state.taken.first().copied().or_else(|| state.next())
            };
            let Some(index) = index else { break };
            has_failed = true;
            self.finish(index, Err(error.clone()));
        }
        if !has_failed && !self.is_complete() {
            self.feed.refuse(error.clone());
        }
        // Nothing more is asked of the server, even if the call keeps going.
        self.state().is_stopped = true;
    }
}
