//! Work that is done one item after another on blocking threads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::spawn_blocking;

/// Items that one blocking thread does before it lets others have their turn.
const BATCH: usize = 32;

/// A queue whose items are worked on in order. While there are any, it has one of the runtime's
/// blocking threads; while there are none, it costs nothing but itself.
pub(crate) struct SerialExecutor<T>(Arc<Shared<T>>);

type Work<T> = Box<dyn FnMut(T) + Send>;

struct Shared<T> {
    state: Mutex<State<T>>,
    work: Mutex<Work<T>>,
}

struct State<T> {
    items: VecDeque<T>,
    /// A thread is at work, or about to be. It stays so after a panic: the executor is dead then, and
    /// drops what it is given.
    running: bool,
    dead: bool,
}

impl<T: Send + 'static> SerialExecutor<T> {
    pub(crate) fn new(work: impl FnMut(T) + Send + 'static) -> Self {
        let state = State { items: VecDeque::new(), running: false, dead: false };
        Self(Arc::new(Shared { state: Mutex::new(state), work: Mutex::new(Box::new(work)) }))
    }

    /// Queues an item. Needs a runtime's context, as its blocking threads have it too.
    pub(crate) fn push(&self, item: T) {
        let mut state = self.0.state();
        if state.dead {
            return;
        }
        state.items.push_back(item);
        if !std::mem::replace(&mut state.running, true) {
            let shared = Arc::clone(&self.0);
            drop(spawn_blocking(move || shared.drain()));
        }
    }
}

impl<T: Send + 'static> Shared<T> {
    fn drain(self: Arc<Self>) {
        let _guard = DeadOnPanic(&self);
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..BATCH {
            let item = {
                let mut state = self.state();
                match state.items.pop_front() {
                    Some(item) => item,
                    None => {
                        state.running = false;
                        return;
                    }
                }
            };
            work(item);
        }
        let shared = Arc::clone(&self);
        drop(spawn_blocking(move || shared.drain()));
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits for the items must not wait for ever.
struct DeadOnPanic<'a, T>(&'a Shared<T>);

impl<T> Drop for DeadOnPanic<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.state();
            state.dead = true;
            state.items.clear();
        }
    }
}
