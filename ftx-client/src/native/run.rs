//! The files of one run: which are to be done, who is at them, and what became of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{Cancel, Event, Observer, TransferError, Transferred, Watch};

/// Locks for one step. Each step leaves things in order, so a panic elsewhere is no reason to stop.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Files that all connections of a client work on.
pub(super) struct Run<J> {
    jobs: Vec<J>,
    keep_going: bool,
    state: Mutex<State>,
    /// Grows with every block and file that is across: as long as it does, a run is not given up.
    gained: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Files that a try has begun and not ended, and that another one goes on with.
    again: VecDeque<usize>,
    /// Files that nobody has begun.
    todo: VecDeque<usize>,
    taken: BTreeSet<usize>,
    /// Files for which trying again may help, when the others are done.
    postponed: BTreeMap<usize, TransferError>,
    notes: VecDeque<(usize, Note)>,
    observers: HashMap<usize, Observer>,
    /// A file has failed, and no other is begun.
    stopped: bool,
}

impl State {
    fn next(&mut self) -> Option<usize> {
        let todo = if self.stopped { None } else { Some(&mut self.todo) };
        let index = self.again.pop_front().or_else(|| todo?.pop_front())?;
        self.taken.insert(index);
        self.notes.push_back((index, Note::Begun));
        Some(index)
    }

    fn has_more(&self) -> bool {
        !self.again.is_empty() || !(self.stopped || self.todo.is_empty())
    }
}

/// Something to be told of a file.
pub(super) enum Note {
    Begun,
    Waiting,
    Started { from: u64, size: u64 },
    Progress { done: u64, size: u64 },
    Ended(Result<Transferred, TransferError>),
}

impl<J> Run<J> {
    pub(super) fn new(jobs: Vec<J>, keep_going: bool) -> Self {
        let todo = (0..jobs.len()).collect();
        let state = Mutex::new(State { todo, ..State::default() });
        Self { jobs, keep_going, state, gained: AtomicU64::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn job(&self, index: usize) -> Option<&J> {
        self.jobs.get(index)
    }

    /// The next file.
    pub(super) fn take(&self) -> Option<usize> {
        self.state().next()
    }

    pub(super) fn note(&self, index: usize, note: Note) {
        self.state().notes.push_back((index, note));
    }

    /// A file is done, or has failed for good.
    pub(super) fn finish(&self, index: usize, result: Result<Transferred, TransferError>) {
        let mut state = self.state();
        if !state.taken.remove(&index) {
            return;
        }
        if result.is_ok() {
            self.gained.fetch_add(1, Relaxed);
        } else if !self.keep_going {
            state.stopped = true;
        }
        state.notes.push_back((index, Note::Ended(result)));
    }

    /// A file has failed for a reason that may pass: it is tried again when the others are done.
    pub(super) fn postpone(&self, index: usize, error: TransferError) {
        let mut state = self.state();
        if state.taken.remove(&index) {
            state.postponed.insert(index, error);
        }
    }

    /// Why the first of the postponed files was, if there is one. It counts as begun again.
    pub(super) fn take_postponed(&self) -> Option<TransferError> {
        let mut state = self.state();
        let (index, error) = state.postponed.pop_first()?;
        state.taken.insert(index);
        Some(error)
    }

    /// Puts back all that were begun and are not done: nobody is at them any more.
    pub(super) fn put_all_back(&self) {
        let mut state = self.state();
        let postponed = std::mem::take(&mut state.postponed).into_keys();
        let taken = std::mem::take(&mut state.taken);
        state.again.extend(taken.into_iter().chain(postponed));
    }

    /// Whether there is nothing left to do in this try.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        state.taken.is_empty() && !state.has_more()
    }

    /// Takes note that something is across.
    pub(super) fn gain(&self) {
        self.gained.fetch_add(1, Relaxed);
    }

    pub(super) fn gained(&self) -> u64 {
        self.gained.load(Relaxed)
    }

    /// Tells what has happened since the last time.
    pub(super) fn tell(&self, watch: &mut dyn Watch) {
        loop {
            // Not under the lock: who is told may take its time.
            let notes = std::mem::take(&mut self.state().notes);
            if notes.is_empty() {
                return;
            }
            for (index, note) in notes {
                let event = match note {
                    Note::Begun => {
                        let observer = watch.begin(index);
                        self.state().observers.insert(index, observer);
                        continue;
                    }
                    Note::Ended(result) => {
                        self.state().observers.remove(&index);
                        watch.end(index, result);
                        continue;
                    }
                    Note::Waiting => Event::Waiting,
                    Note::Started { from, size } => Event::Started { from, size },
                    Note::Progress { done, size } => Event::Progress { done, size },
                };
                self.tell_now(index, &event);
            }
        }
    }

    /// Tells something of a file at once, on any thread: while a disk is read, nobody gets round to
    /// [`tell`](Self::tell).
    pub(super) fn tell_now(&self, index: usize, event: &Event<'_>) {
        let observer = self.state().observers.get(&index).cloned();
        if let Some(observer) = observer {
            observer.tell(event);
        }
    }

    /// Tells those whose files are under way that there is to be another try.
    pub(super) fn tell_all(&self, event: &Event<'_>) {
        let observers: Vec<Observer> = self.state().observers.values().cloned().collect();
        for observer in observers {
            observer.tell(event);
        }
    }

    /// Fails what is left: those that were begun, at least one file, and with `keep_going` all others,
    /// too. Each that was postponed has its own reason.
    pub(super) fn give_up(&self, error: &TransferError) {
        let postponed = std::mem::take(&mut self.state().postponed);
        for (index, error) in postponed {
            self.state().taken.insert(index);
            self.finish(index, Err(error));
        }
        loop {
            let index = {
                let mut state = self.state();
                state.taken.first().copied().or_else(|| state.next())
            };
            let Some(index) = index else { return };
            self.finish(index, Err(error.clone()));
        }
    }
}

/// The connections of one try, which fail together.
pub(super) struct Crew {
    /// Wakes those that wait for others.
    pub(super) changed: Notify,
    over: AtomicBool,
    error: Mutex<Option<TransferError>>,
    next_request: AtomicU32,
    /// Ends the waits of the further connections.
    cancel: Cancel,
}

impl Crew {
    pub(super) fn new(first_request: u32, cancel: &Cancel) -> Self {
        Self {
            cancel: cancel.child(),
            changed: Notify::new(),
            over: AtomicBool::new(false),
            error: Mutex::default(),
            next_request: AtomicU32::new(first_request),
        }
    }

    /// A file is done or has failed. What is not about the file ends the try instead, and the file goes
    /// on in the next one.
    pub(super) fn finish<J>(
        &self,
        run: &Run<J>,
        job: usize,
        result: Result<Transferred, TransferError>,
    ) {
        match result {
            Err(error) if error.is_about_connection() => self.fail(error),
            Err(error) if error.is_cancelled() => self.fail(error),
            Err(error) if error.is_transient() => run.postpone(job, error),
            result => run.finish(job, result),
        }
        if run.is_over() {
            self.changed.notify_waiters();
        }
    }

    /// An id for a request.
    pub(super) fn new_request(&self) -> u32 {
        self.next_request.fetch_add(1, Relaxed)
    }

    /// Ends the try for all.
    pub(super) fn fail(&self, error: TransferError) {
        let mut place = lock(&self.error);
        place.get_or_insert(error);
        drop(place);
        self.over.store(true, Relaxed);
        self.cancel.cancel();
        self.changed.notify_waiters();
    }

    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// # Errors
    /// The try is over, or the caller stopped it.
    pub(super) fn check(&self) -> Result<(), TransferError> {
        // In this order: a try that is over is cancelled for its own connections.
        if self.over.load(Relaxed) {
            return Err(TransferError::closed());
        }
        if self.cancel.is_cancelled() {
            return Err(TransferError::cancelled());
        }
        Ok(())
    }

    /// Why the try has failed, if it has, and the id of the next request.
    pub(super) fn end(&self) -> (Option<TransferError>, u32) {
        let error = lock(&self.error).take();
        (error, self.next_request.load(Relaxed))
    }
}
