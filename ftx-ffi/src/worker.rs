//! The thread of a client, which runs its jobs one after another.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ftx_client::{Client, ClientConfig, Observer, ServerAddr};
use tokio::runtime::{Builder, Runtime};

use crate::execute::run;
use crate::failpoint::{self, FailPoint};
use crate::failure::Failure;
use crate::guard::{THREAD_PREFIX, caught};
use crate::job::{Job, JobRunner};
use crate::process::block_signals;
use crate::queue::EventQueue;
use crate::status::AbiStatus;

/// Longest wait for the thread when a client is freed. Reading from an original server until it
/// stops sending may take longer; the thread then finishes alone.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

thread_local! {
    /// The client of the current thread. `thread::current` would allocate on threads of the
    /// application, which leak checkers report.
    static OWN: Cell<u64> = const { Cell::new(0) };
}

/// State shared by the handles of a client and its thread.
#[derive(Debug)]
pub(crate) struct ClientThread {
    pub(crate) id: u64,
    /// Events of jobs that were started.
    pub(crate) events: Arc<EventQueue>,
    work: Mutex<Schedule>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Schedule {
    /// Jobs in their order; a job that must no longer run knows that itself.
    queue: VecDeque<Arc<Job>>,
    /// All jobs that were started and have not ended.
    started: BTreeMap<u64, Arc<Job>>,
    /// Whether the thread started; the spawning thread takes the result.
    born: Option<io::Result<()>>,
    /// The worker accepts no more jobs.
    closed: bool,
    /// The internal error that closed it, if any.
    fault: Option<Failure>,
    /// The thread is about to end.
    over: bool,
}

impl ClientThread {
    /// A client, with its thread.
    pub(crate) fn start(address: ServerAddr, config: ClientConfig) -> Result<Arc<Self>, Failure> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let no = |what| move |error: io::Error| Failure::system(what, &error);
        let events = EventQueue::pollable().map_err(no("cannot make an event descriptor"))?;
        let worker = Arc::new(Self {
            id: IDS.fetch_add(1, Relaxed),
            events: Arc::new(events),
            work: Mutex::default(),
            changed: Condvar::new(),
            thread: Mutex::default(),
        });
        let thread = thread::Builder::new().name(format!("{THREAD_PREFIX}client")).spawn({
            let worker = Arc::clone(&worker);
            move || {
                // Before any further thread is created, since threads inherit the mask.
                block_signals();
                OWN.set(worker.id);
                if let Err(failure) = caught(|| worker.live(&address, &config)) {
                    worker.give_up(&failure);
                }
                worker.work().over = true;
                worker.changed.notify_all();
            }
        });
        let thread = thread.map_err(no("cannot make a thread"))?;
        worker.thread.lock().unwrap_or_else(PoisonError::into_inner).replace(thread);
        worker.wait_until_born().map_err(no("cannot make an event loop"))?;
        Ok(worker)
    }

    /// The main function of the thread. It creates the event loop here, so that thread-local data
    /// of the loop ends with this thread.
    fn live(&self, address: &ServerAddr, config: &ClientConfig) {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name(format!("{THREAD_PREFIX}disk"))
            .build();
        let (runtime, born) = match runtime {
            Ok(runtime) => (Some(runtime), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.work().born = Some(born);
        self.changed.notify_all();
        if let Some(runtime) = runtime {
            self.work_off(&runtime, address, config);
        }
    }

    fn wait_until_born(&self) -> io::Result<()> {
        let mut work = self.work();
        loop {
            match work.born.take() {
                Some(born) => return born,
                None => work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Cancels all jobs that were started.
    pub(crate) fn cancel(&self) {
        let jobs: Vec<_> = self.work().started.values().cloned().collect();
        for job in jobs {
            job.cancel(false);
        }
    }

    /// Cancels all jobs, refuses later ones, and waits briefly for the thread.
    pub(crate) fn close(&self) {
        self.work().closed = true;
        self.changed.notify_all();
        self.cancel();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        // A log callback may have freed the client on its own thread.
        if OWN.get() == self.id {
            return;
        }
        let waiting = |work: &mut Schedule| !work.over;
        let waited = self.changed.wait_timeout_while(self.work(), CLOSE_WAIT, waiting);
        let over = waited.unwrap_or_else(PoisonError::into_inner).0.over;
        if over {
            // The thread has nothing left to do; panics are caught inside.
            let _ = thread.join();
        }
    }

    fn work_off(&self, runtime: &Runtime, address: &ServerAddr, config: &ClientConfig) {
        let new = || Client::new(address.clone(), config.clone()).on_own_thread();
        let mut client = new();
        while let Some(job) = self.next() {
            failpoint::point(job.id, FailPoint::Thread);
            if let Err(failure) = caught(|| self.do_job(runtime, &mut client, config, &job)) {
                // The panic leaves the client in an unknown state.
                client = new();
                job.give_up(failure);
            }
        }
    }

    fn do_job(
        &self,
        runtime: &Runtime,
        client: &mut Client,
        config: &ClientConfig,
        job: &Arc<Job>,
    ) {
        let Some(cancel) = job.begin() else { return };
        client.set_cancel(cancel);
        let settings = job.settings();
        client.set_retries(settings.retries.unwrap_or(config.retries));
        client.set_overwrite(settings.overwrite.unwrap_or(config.overwrite));
        let result = runtime.block_on(run(client, job));
        client.set_observer(Observer::default());
        failpoint::point(job.id, FailPoint::End);
        if job.finish(result) {
            self.work().queue.push_back(Arc::clone(job));
        }
    }

    /// Ends all jobs, and refuses later ones, because the thread has failed.
    fn give_up(&self, failure: &Failure) {
        let jobs = {
            let mut work = self.work();
            work.closed = true;
            work.fault = Some(failure.clone());
            work.born = Some(Err(io::Error::other(failure.message.clone())));
            std::mem::take(&mut work.started)
        };
        for job in jobs.into_values() {
            job.give_up(failure.clone());
        }
    }

    fn next(&self) -> Option<Arc<Job>> {
        let mut work = self.work();
        loop {
            if let Some(job) = work.queue.pop_front() {
                return Some(job);
            }
            if work.closed {
                return None;
            }
            work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self) -> MutexGuard<'_, Schedule> {
        // Each step leaves things in order, so a panic elsewhere is no reason to stop.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobRunner for ClientThread {
    fn id(&self) -> u64 {
        self.id
    }

    fn submit(&self, job: &Arc<Job>) -> Result<(), Failure> {
        let mut work = self.work();
        if let Some(fault) = &work.fault {
            return Err(fault.clone());
        }
        if work.closed {
            return Err(Failure::abi(AbiStatus::WrongState, "the client of the job was freed"));
        }
        work.queue.push_back(Arc::clone(job));
        work.started.insert(job.id, Arc::clone(job));
        self.changed.notify_all();
        Ok(())
    }

    fn job_ended(&self, id: u64) {
        let ended = self.work().started.remove(&id);
        // Not under the lock: this may drop the last reference to the job and to this worker.
        drop(ended);
    }
}
