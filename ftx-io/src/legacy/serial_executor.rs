//! ItemWork that is done one item after another on blocking threads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::spawn_blocking;

/// Items that one blocking thread does before it lets others have their turn.
const BATCH_ITEMS: usize = 32;

/// A queue whose items are worked on in order. While there are any, it has one of the runtime's
/// blocking threads; while there are none, it costs nothing but itself.
pub(crate) struct SerialExecutor<T>(Arc<ExecutorShared<T>>);

type ItemWork<T> = Box<dyn FnMut(T) + Send>;

struct ExecutorShared<T> {
    state: Mutex<ExecutorState<T>>,
    work: Mutex<ItemWork<T>>,
}

struct ExecutorState<T> {
    items: VecDeque<T>,
    /// A thread is at work, or about to be. It stays so after a panic: the executor is dead then, and
    /// drops what it is given.
    running: bool,
    dead: bool,
}

impl<T: Send + 'static> SerialExecutor<T> {
    pub(crate) fn new(work: impl FnMut(T) + Send + 'static) -> Self {
        let state = ExecutorState { items: VecDeque::new(), running: false, dead: false };
        Self(Arc::new(ExecutorShared {
            state: Mutex::new(state),
            work: Mutex::new(Box::new(work)),
        }))
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

impl<T: Send + 'static> ExecutorShared<T> {
    fn drain(self: Arc<Self>) {
        let _guard = DropItemsOnPanic(&self);
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..BATCH_ITEMS {
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

impl<T> ExecutorShared<T> {
    fn state(&self) -> MutexGuard<'_, ExecutorState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits for the items must not wait for ever.
struct DropItemsOnPanic<'a, T>(&'a ExecutorShared<T>);

impl<T> Drop for DropItemsOnPanic<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.state();
            state.dead = true;
            state.items.clear();
        }
    }
}
