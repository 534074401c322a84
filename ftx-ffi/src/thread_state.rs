//! The state of the calling thread.
//!
//! One thread-local for all of it. It is destroyed while its thread ends, and destructors that run later,
//! such as those of the application's own thread-locals, may still call this library: each accessor then
//! answers for a thread on which nothing has happened.

use std::cell::{Cell, RefCell};

use crate::failure::Failure;

thread_local! {
    // `thread::current` would do for the client, but allocates on threads of the application, which leak
    // checkers report.
    static STATE: ThreadState = const {
        ThreadState {
            last_failure: RefCell::new(None),
            callbacks: RefCell::new(Vec::new()),
            is_logging: Cell::new(false),
            guard_depth: Cell::new(0),
            own_client: Cell::new(0),
        }
    };
}

struct ThreadState {
    last_failure: RefCell<Option<Failure>>,
    /// The clients whose callbacks the thread is running.
    callbacks: RefCell<Vec<u64>>,
    /// The thread is inside the log callback.
    is_logging: Cell<bool>,
    /// The number of guarded calls in which the thread is.
    guard_depth: Cell<u32>,
    /// The client that the thread serves; 0 for a thread of the application.
    own_client: Cell<u64>,
}

/// Keeps a failure as the thread's last one.
pub(crate) fn remember(failure: Failure) {
    let _ = STATE.try_with(|state| state.last_failure.borrow_mut().replace(failure));
}

/// Returns the thread's last failure.
pub(crate) fn last_failure() -> Option<Failure> {
    STATE.try_with(|state| state.last_failure.borrow().clone()).ok().flatten()
}

/// Makes the thread that of a client; 0 for none.
pub(crate) fn serve(client: u64) {
    let _ = STATE.try_with(|state| state.own_client.set(client));
}

/// Whether the thread is that of some client.
pub(crate) fn serves_any() -> bool {
    STATE.try_with(|state| state.own_client.get() != 0).unwrap_or(false)
}

/// Runs a callback of a client.
pub(crate) fn in_callback<T>(client: u64, callback: impl FnOnce() -> T) -> T {
    let _ = STATE.try_with(|state| state.callbacks.borrow_mut().push(client));
    let _leave = Leave(|state| {
        let _ = state.callbacks.borrow_mut().pop();
    });
    callback()
}

/// Whether the thread is running a callback of a client.
pub(crate) fn is_in_callback(client: u64) -> bool {
    STATE.try_with(|state| state.callbacks.borrow().contains(&client)).unwrap_or(false)
}

/// Calls the log callback, unless the thread is inside it, or ends.
pub(crate) fn in_log(callback: impl FnOnce()) {
    if STATE.try_with(|state| state.is_logging.replace(true)) != Ok(false) {
        return;
    }
    let _leave = Leave(|state| state.is_logging.set(false));
    callback();
}

/// Whether the thread is inside the log callback.
pub(crate) fn is_in_log() -> bool {
    STATE.try_with(|state| state.is_logging.get()).unwrap_or(false)
}

/// Runs the body of a guarded call.
pub(crate) fn in_guard<T>(work: impl FnOnce() -> T) -> T {
    let _ = STATE.try_with(|state| state.guard_depth.set(state.guard_depth.get() + 1));
    let _leave = Leave(|state| state.guard_depth.set(state.guard_depth.get().saturating_sub(1)));
    work()
}

/// Whether the thread is in a guarded call, or may be, since it ends.
pub(crate) fn is_guarded() -> bool {
    STATE.try_with(|state| state.guard_depth.get() > 0).unwrap_or(true)
}

/// Changes the state at the end of a scope, also after a panic.
struct Leave(fn(&ThreadState));

impl Drop for Leave {
    fn drop(&mut self) {
        let _ = STATE.try_with(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc::{Sender, channel};
    use std::thread;

    use super::*;
    use crate::guard::guard;

    /// Calls this library when it is dropped.
    struct LateCall(Sender<(i32, bool)>);

    impl Drop for LateCall {
        fn drop(&mut self) {
            let status = guard(|| panic!("late"));
            let is_alive = STATE.try_with(|_| ()).is_ok();
            let _ = self.0.send((status, is_alive));
            let runs = in_callback(7, || is_in_callback(7));
            let _ = self.0.send((0, runs));
        }
    }

    thread_local! {
        static LATE: RefCell<Option<LateCall>> = const { RefCell::new(None) };
    }

    #[test]
    fn a_thread_that_ends_may_still_call() {
        let (told, heard) = channel();
        let calls = move || {
            // Destructors run in reverse order, so that of `LATE` runs last.
            LATE.with_borrow_mut(|late| late.replace(LateCall(told)));
            remember(Failure::internal("earlier"));
        };
        thread::spawn(calls).join().unwrap();
        assert_eq!(heard.recv(), Ok((Failure::internal("").status, false)));
        assert_eq!(heard.recv(), Ok((0, false)));
    }

    #[test]
    fn each_scope_is_left_after_a_panic() {
        let status = guard(|| in_callback(1, || in_guard(|| panic!("the sky fell"))));
        assert_eq!(status, Failure::internal("").status);
        assert!(!is_in_callback(1) && !is_guarded());
    }
}
