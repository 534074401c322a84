//! A client: its jobs, and the thread that runs them one after another while there are any.
//!
//! [`SharedClient`] is shared by the handles of C and that thread: under one lock it holds the jobs, which
//! are plain machines, and their order. [`JobRef`] takes the steps of a job; `SharedClient::take` carries
//! out their effects. Locks: the client's, then that of the thread pool or of a queue of events.

mod job_ref;
mod pool;
mod serve;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ftx_client::{Cancel, Client, ClientConfig, ServerAddr};

pub(crate) use self::job_ref::{JobHandle, JobRef};
use self::pool::ThreadPool;
use crate::failure::Failure;
use crate::job::{Effects, Job, JobKind, ScheduleChange, Stop, cancelled};
use crate::queue::EventQueue;
use crate::status::AbiStatus;
use crate::thread_state;

/// Longest wait for the thread when a client is freed. Reading from an original server until it
/// stops sending may take longer; the thread then finishes alone.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// State shared by the handles of a client and its jobs and the thread that runs the jobs.
#[derive(Debug)]
pub(crate) struct SharedClient {
    pub(crate) id: u64,
    address: ServerAddr,
    config: ClientConfig,
    /// Events of jobs that were started, except those of blocking calls.
    pub(crate) events: EventQueue,
    state: Mutex<ClientState>,
    /// Wakes a listing that waits for room for its entries.
    room: Condvar,
    /// Wakes threads of the application: a job has ended, or the client has no thread any more.
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
    /// A thread runs the jobs, or is about to.
    has_thread: bool,
    /// The client between jobs, with its idle connection. A thread that runs jobs has it.
    idle: Option<Box<Client>>,
    /// The client accepts no more jobs.
    closed: bool,
    /// The internal error that closed it, if any.
    fault: Option<Failure>,
}

#[derive(Debug)]
struct JobSlot {
    job: Job,
    /// The queue of the blocking call whose job it is.
    call: Option<Arc<EventQueue>>,
}

impl SharedClient {
    /// A client. It takes a thread when it has a job to run.
    pub(crate) fn new(address: ServerAddr, config: ClientConfig) -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        ThreadPool::current().enter();
        Arc::new(Self {
            id: IDS.fetch_add(1, Relaxed),
            address,
            config,
            events: EventQueue::new(),
            state: Mutex::default(),
            room: Condvar::new(),
            progress: Condvar::new(),
        })
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
        let deadline = Instant::now() + CLOSE_WAIT;
        let idle = {
            let mut state = self.state();
            state.closed = true;
            self.take_all(&mut state, |job| job.cancel(Stop::Soft));
            state.idle.take()
        };
        drop(idle);
        self.room.notify_all();
        // A log callback may have freed the client on a thread of this library.
        if thread_state::serves_any() {
            return ThreadPool::current().leave(None);
        }
        let has_thread = |state: &mut ClientState| state.has_thread;
        let waited = self.progress.wait_timeout_while(self.state(), CLOSE_WAIT, has_thread);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        ThreadPool::current().leave(Some(deadline));
    }

    /// Sees to it that a thread runs the jobs.
    ///
    /// # Errors
    /// The client accepts no jobs, or the system gives no thread.
    fn take_thread(self: &Arc<Self>, state: &mut ClientState) -> Result<(), Failure> {
        state.accepts()?;
        if state.has_thread {
            return Ok(());
        }
        let started = ThreadPool::current().run(serve::task(Arc::clone(self)));
        started.map_err(|error| Failure::system("cannot make a thread", &error))?;
        state.has_thread = true;
        Ok(())
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
        if effects.has_room {
            self.room.notify_all();
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

/// Steps of the client's thread.
impl SharedClient {
    /// Takes the client, if it has run a job before.
    fn take_idle(&self) -> Option<Box<Client>> {
        self.state().idle.take()
    }

    /// The next job. If there is none, keeps the client for later ones, and the thread leaves.
    fn next_job(&self, client: Box<Client>) -> Option<(u64, Box<Client>)> {
        let mut state = self.state();
        if let Some(id) = state.schedule.pop_front() {
            return Some((id, client));
        }
        state.has_thread = false;
        // A closed client closes its connection; `client` is dropped after the lock.
        let kept = if state.closed { Some(client) } else { state.idle.replace(client) };
        self.progress.notify_all();
        drop(state);
        drop(kept);
        None
    }

    /// Ends all jobs, and refuses later ones, because the thread has failed.
    fn give_up(&self, failure: &Failure) {
        {
            let mut state = self.state();
            state.closed = true;
            state.fault = Some(failure.clone());
        }
        self.fail_jobs(failure);
    }

    /// Ends all jobs, because there is no thread for them.
    fn fail_jobs(&self, failure: &Failure) {
        let mut state = self.state();
        state.running = None;
        state.schedule.clear();
        state.has_thread = false;
        self.take_all(&mut state, |job| job.give_up(failure.clone()));
        self.progress.notify_all();
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
