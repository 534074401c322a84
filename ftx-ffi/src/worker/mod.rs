//! A client: its jobs, and the thread that runs one after another.
//!
//! [`ClientThread`] is what the handles of C and the thread share: under one lock the jobs, which are plain
//! machines, and their order. [`JobRef`] takes the steps of a job; `ClientThread::take` carries out their
//! effects. Locks: the client's, then that of a queue of events.

mod job_ref;
mod thread;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ftx_client::{Cancel, ClientConfig, ServerAddr};

pub(crate) use self::job_ref::{JobHandle, JobRef};
use crate::failure::Failure;
use crate::job::{Effects, Job, JobKind, ScheduleChange, Stop, cancelled};
use crate::queue::EventQueue;
use crate::status::AbiStatus;
use crate::thread_state;

/// Longest wait for the thread when a client is freed. Reading from an original server until it
/// stops sending may take longer; the thread then finishes alone.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// State shared by the handles of a client and its jobs and the client's thread.
#[derive(Debug)]
pub(crate) struct ClientThread {
    pub(crate) id: u64,
    /// Events of jobs that were started, except those of blocking calls.
    pub(crate) events: EventQueue,
    state: Mutex<ClientState>,
    /// Wakes the client's thread: it has a job to run, or room for entries.
    work: Condvar,
    /// Wakes threads of the application: a job has ended, or the client's thread has begun or ends.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct ClientState {
    /// All jobs that have a handle or have not ended.
    jobs: BTreeMap<u64, JobSlot>,
    /// Jobs in their order; a job that must no longer run knows that itself.
    schedule: VecDeque<u64>,
    /// The running job, and the handle that stops its transfer.
    running: Option<(u64, Cancel)>,
    /// Whether the thread started; the spawning thread takes the result.
    born: Option<io::Result<()>>,
    /// The client accepts no more jobs.
    closed: bool,
    /// The internal error that closed it, if any.
    fault: Option<Failure>,
    /// The thread is about to end.
    over: bool,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct JobSlot {
    job: Job,
    /// The queue of the blocking call whose job it is.
    call: Option<Arc<EventQueue>>,
}

impl ClientThread {
    /// A client, with its thread.
    pub(crate) fn start(address: ServerAddr, config: ClientConfig) -> Result<Arc<Self>, Failure> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let no = |what| move |error: io::Error| Failure::system(what, &error);
        let events = EventQueue::pollable().map_err(no("cannot make an event descriptor"))?;
        let client = Arc::new(Self {
            id: IDS.fetch_add(1, Relaxed),
            events,
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        });
        let thread = thread::spawn(Arc::clone(&client), address, config);
        client.state().thread = Some(thread.map_err(no("cannot make a thread"))?);
        client.wait_until_born().map_err(no("cannot make an event loop"))?;
        Ok(client)
    }

    fn wait_until_born(&self) -> io::Result<()> {
        let mut state = self.state();
        loop {
            match state.born.take() {
                Some(born) => return born,
                None => state = self.progress.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// A job. A blocking call gives the queue for its events.
    pub(crate) fn new_job(
        self: &Arc<Self>,
        kind: JobKind,
        call: Option<Arc<EventQueue>>,
    ) -> JobHandle {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let id = IDS.fetch_add(1, Relaxed);
        self.state().jobs.insert(id, JobSlot { job: Job::new(id, kind), call });
        JobHandle::new(JobRef { client: Arc::clone(self), id })
    }

    /// Cancels all jobs that were started.
    pub(crate) fn cancel(&self) {
        self.take_all(&mut self.state(), |job| job.cancel(Stop::Soft));
    }

    /// Cancels all jobs, refuses later ones, and waits briefly for the thread.
    pub(crate) fn close(&self) {
        let thread = {
            let mut state = self.state();
            state.closed = true;
            self.take_all(&mut state, |job| job.cancel(Stop::Soft));
            state.thread.take()
        };
        self.work.notify_all();
        let Some(thread) = thread else { return };
        // A log callback may have freed the client on its own thread.
        if thread_state::serves(self.id) {
            return;
        }
        let waiting = |state: &mut ClientState| !state.over;
        let waited = self.progress.wait_timeout_while(self.state(), CLOSE_WAIT, waiting);
        let over = waited.unwrap_or_else(PoisonError::into_inner).0.over;
        if over {
            // The thread has nothing left to do; panics are caught inside.
            let _ = thread.join();
        }
    }

    /// Takes a step of a job, and carries out its effects.
    ///
    /// # Errors
    /// The failure of the step, or the job was freed.
    fn take(
        &self,
        state: &mut ClientState,
        id: u64,
        step: impl FnOnce(&mut Job) -> Result<Effects, Failure>,
    ) -> Result<(), Failure> {
        let slot = state.jobs.get_mut(&id).ok_or_else(cancelled)?;
        let effects = step(&mut slot.job)?;
        let (events, is_over) = (slot.call.as_deref().unwrap_or(&self.events), slot.job.is_over());
        if let Some(event) = effects.event {
            events.push(event);
        }
        if let Some(totals) = effects.totals {
            events.update(id, totals);
        }
        if effects.forgets_events {
            events.forget(id);
        }
        if is_over {
            state.jobs.remove(&id);
        }
        self.reschedule(state, id, &effects);
        if effects.has_ended {
            self.progress.notify_all();
        }
        Ok(())
    }

    fn reschedule(&self, state: &mut ClientState, id: u64, effects: &Effects) {
        match effects.schedule {
            Some(ScheduleChange::Append) => state.schedule.push_back(id),
            Some(ScheduleChange::Remove) => state.schedule.retain(|other| *other != id),
            None => {}
        }
        let running = state.running.as_ref().filter(|(running, _)| *running == id);
        match (effects.stop, running) {
            (Some(Stop::Soft), Some((_, cancel))) => cancel.cancel(),
            (Some(Stop::Hard), Some((_, cancel))) => cancel.abort(),
            (None, _) | (_, None) => {}
        }
        if effects.has_room || effects.schedule.is_some() {
            self.work.notify_all();
        }
    }

    /// Takes the step with every job that was started.
    fn take_all(&self, state: &mut ClientState, step: impl Fn(&mut Job) -> Effects) {
        let started = state.jobs.iter().filter(|(_, slot)| slot.job.is_started());
        let started: Vec<u64> = started.map(|(id, _)| *id).collect();
        for id in started {
            // It is there: only its own step could have removed it.
            let _ = self.take(state, id, |job| Ok(step(job)));
        }
    }

    fn state(&self) -> MutexGuard<'_, ClientState> {
        // Each step leaves things in order, so a panic elsewhere is no reason to stop.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientState {
    /// Whether the client accepts jobs.
    fn accepts(&self) -> Result<(), Failure> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.closed {
            return Err(Failure::abi(AbiStatus::WrongState, "the client of the job was freed"));
        }
        Ok(())
    }
}
