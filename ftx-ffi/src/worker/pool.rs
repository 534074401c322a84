//! The library's threads: one for each client that runs jobs, none for those that do not.
//!
//! A thread without a task waits a moment for the next one, since handing a task over is cheaper than
//! making a thread. It ends when none comes, or when the last client is freed. Each thread has an event
//! loop of its own, so a task may block it and delays no other.

use std::collections::VecDeque;
use std::io;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::guard::THREAD_PREFIX;
use crate::process::{OwnerPid, block_signals};

/// The time for which a thread waits for its next task.
const IDLE_FOR: Duration = Duration::from_secs(1);

/// The work of a thread, which gets the thread's event loop. It must not panic.
pub(super) type PoolTask = Box<dyn FnOnce(Result<&Runtime, &io::Error>) + Send>;

/// The threads of a process.
pub(super) struct ThreadPool {
    owner: OwnerPid,
    state: Mutex<PoolState>,
    /// Wakes idle threads: a task has arrived, or the last client was freed.
    arrived: Condvar,
    /// Wakes a caller that waits for threads to end.
    ended: Condvar,
}

#[derive(Default)]
struct PoolState {
    /// Tasks for the idle threads: at most one for each.
    tasks: VecDeque<PoolTask>,
    /// Threads that wait for a task.
    idle: usize,
    /// Clients that were not freed.
    clients: usize,
    /// The threads that have not ended. No map: leak checkers take its memory for lost.
    threads: Vec<JoinHandle<()>>,
    /// Callers that wait for threads to end, and then join them.
    closers: usize,
    joinable: Vec<JoinHandle<()>>,
}

impl ThreadPool {
    /// The pool of this process. A child process gets one of its own: in the parent's, the threads are
    /// missing, and the lock may stay locked for ever.
    pub(super) fn current() -> &'static Self {
        static POOL: AtomicPtr<ThreadPool> = AtomicPtr::new(null_mut());
        loop {
            let known = POOL.load(Ordering::Acquire);
            // SAFETY: the pointer is null, or came from `Box::into_raw` below and is never freed.
            if let Some(pool) = unsafe { known.as_ref() }
                && pool.owner.is_this()
            {
                return pool;
            }
            let new = Box::into_raw(Box::new(Self {
                owner: OwnerPid::this(),
                state: Mutex::default(),
                arrived: Condvar::new(),
                ended: Condvar::new(),
            }));
            if POOL.compare_exchange(known, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: another thread was faster, so nobody else has seen this pointer.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }

    /// Counts a client more.
    pub(super) fn enter(&self) {
        self.state().clients += 1;
    }

    /// Counts a client less. After the last one, ends the idle threads, and waits for that until
    /// `deadline`, if there is one.
    pub(super) fn leave(&self, deadline: Option<Instant>) {
        let mut state = self.state();
        state.clients = state.clients.saturating_sub(1);
        if state.clients > 0 {
            return;
        }
        self.arrived.notify_all();
        let Some(deadline) = deadline else { return };
        state.closers += 1;
        let left = deadline.saturating_duration_since(Instant::now());
        let is_waiting = |state: &mut PoolState| !state.threads.is_empty() && state.clients == 0;
        let waited = self.ended.wait_timeout_while(state, left, is_waiting);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.closers -= 1;
        let joinable = std::mem::take(&mut state.joinable);
        drop(state);
        for thread in joinable {
            // It has nothing left to do.
            let _ = thread.join();
        }
    }

    /// Runs a task on an idle thread, or on a new one.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn run(&'static self, task: PoolTask) -> io::Result<()> {
        let mut state = self.state();
        if state.idle > state.tasks.len() {
            state.tasks.push_back(task);
            self.arrived.notify_one();
            return Ok(());
        }
        // Under the lock, so that a thread that ends at once finds itself in the list.
        let thread = thread::Builder::new().name(format!("{THREAD_PREFIX}client"));
        let thread = thread.spawn(move || self.live(task))?;
        state.threads.push(thread);
        Ok(())
    }

    /// The main function of a thread. It creates the event loop here, so that thread-local data of the
    /// loop ends with this thread.
    fn live(&self, first: PoolTask) {
        // Before any further thread is created, since threads inherit the mask.
        block_signals();
        let _end = EndOfThread(self);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name(format!("{THREAD_PREFIX}disk"))
            .thread_keep_alive(IDLE_FOR)
            .build();
        let mut next = Some(first);
        while let Some(task) = next {
            task(runtime.as_ref());
            // Without an event loop it is of no use for another task.
            next = if runtime.is_ok() { self.next() } else { None };
        }
    }

    /// Waits for the next task.
    fn next(&self) -> Option<PoolTask> {
        let mut state = self.state();
        state.idle += 1;
        let is_waiting = |state: &mut PoolState| state.tasks.is_empty() && state.clients > 0;
        let waited = self.arrived.wait_timeout_while(state, IDLE_FOR, is_waiting);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.idle -= 1;
        state.tasks.pop_front()
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        // Each step leaves things in order, so a panic elsewhere is no reason to stop.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a thread from its pool.
struct EndOfThread<'a>(&'a ThreadPool);

impl Drop for EndOfThread<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let own = thread::current().id();
        let place = state.threads.iter().position(|thread| thread.thread().id() == own);
        let own = place.map(|place| state.threads.swap_remove(place));
        // Otherwise nobody joins it.
        if state.closers > 0 {
            state.joinable.extend(own);
        }
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread::ThreadId;

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    fn pool() -> &'static ThreadPool {
        Box::leak(Box::new(ThreadPool {
            owner: OwnerPid::this(),
            state: Mutex::default(),
            arrived: Condvar::new(),
            ended: Condvar::new(),
        }))
    }

    /// Runs a task, and returns its thread.
    fn thread_of_task(pool: &'static ThreadPool) -> ThreadId {
        let (told, heard) = channel();
        let task =
            move |_: Result<&Runtime, &io::Error>| told.send(thread::current().id()).unwrap();
        pool.run(Box::new(task)).unwrap();
        heard.recv_timeout(SOON).unwrap()
    }

    fn wait_until_idle(pool: &ThreadPool, count: usize) {
        while pool.state().idle != count {
            thread::yield_now();
        }
    }

    #[test]
    fn an_idle_thread_takes_the_next_task() {
        let pool = pool();
        pool.enter();
        let first = thread_of_task(pool);
        wait_until_idle(pool, 1);
        assert_eq!(thread_of_task(pool), first);
        pool.leave(Some(Instant::now() + SOON));
        assert!(pool.state().threads.is_empty());
    }

    #[test]
    fn a_task_that_blocks_delays_no_other() {
        let pool = pool();
        pool.enter();
        let (release, released) = channel::<()>();
        let blocks = move |_: Result<&Runtime, &io::Error>| {
            let _ = released.recv();
        };
        pool.run(Box::new(blocks)).unwrap();
        thread_of_task(pool);
        drop(release);
        pool.leave(Some(Instant::now() + SOON));
        assert!(pool.state().threads.is_empty());
    }

    #[test]
    fn a_thread_without_a_task_ends() {
        let pool = pool();
        pool.enter();
        thread_of_task(pool);
        let mut state = pool.state();
        while !state.threads.is_empty() {
            state = pool.ended.wait(state).unwrap();
        }
    }
}
