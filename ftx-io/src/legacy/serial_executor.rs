//! Running items one after another on blocking threads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Executor;

/// The items that one blocking thread processes before it yields to other work.
const BATCH_ITEMS: usize = 32;

/// A queue whose items are processed in order. It occupies one blocking thread while it has items, and
/// none otherwise.
pub(crate) struct SerialExecutor<T>(Arc<ExecutorShared<T>>);

type ItemWork<T> = Box<dyn FnMut(T) + Send>;

struct ExecutorShared<T> {
    state: Mutex<ExecutorState<T>>,
    work: Mutex<ItemWork<T>>,
}

struct ExecutorState<T> {
    items: VecDeque<T>,
    /// A thread is or will soon be at work. It stays set after a panic: the executor is dead then,
    /// and drops all items.
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

    /// Queues an item.
    pub(crate) fn push(&self, executor: &Executor, item: T) {
        let mut state = self.0.state();
        if state.dead {
            return;
        }
        state.items.push_back(item);
        if !std::mem::replace(&mut state.running, true) {
            ExecutorShared::spawn(Arc::clone(&self.0), executor);
        }
    }
}

impl<T: Send + 'static> ExecutorShared<T> {
    fn spawn(shared: Arc<Self>, executor: &Executor) {
        let owned = executor.clone();
        drop(executor.spawn(move || shared.drain(&owned)));
    }

    fn drain(self: Arc<Self>, executor: &Executor) {
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
        Self::spawn(Arc::clone(&self), executor);
    }
}

impl<T> ExecutorShared<T> {
    fn state(&self) -> MutexGuard<'_, ExecutorState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the items dropped, waiting for them would never end.
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
