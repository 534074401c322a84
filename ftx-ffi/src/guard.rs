//! The only exit of this library: it stops every panic.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

use crate::failure::Failure;
use crate::{log, thread_state};

/// Prefix of the names of all threads of this library.
pub(crate) const THREAD_PREFIX: &str = "ftx-";

/// Runs the body of an exported function, and returns its status. A failure or a panic becomes the
/// last failure of the thread.
pub(crate) fn guard(work: impl FnOnce() -> Result<(), Failure>) -> i32 {
    match caught(work).and_then(|result| result) {
        Ok(()) => 0,
        Err(failure) => {
            let status = failure.status;
            thread_state::remember(failure);
            status
        }
    }
}

/// Runs `work` as `guard` does, but returns its value, or `otherwise` if it fails or panics.
pub(crate) fn guard_or<T>(otherwise: T, work: impl FnOnce() -> Result<T, Failure>) -> T {
    match caught(work).and_then(|result| result) {
        Ok(value) => value,
        Err(failure) => {
            thread_state::remember(failure);
            otherwise
        }
    }
}

/// Returns the result of `work`, or a failure if it panics. Nothing is printed.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    silence();
    // After a panic, the state is either unused or consistent after each step.
    let result = thread_state::in_guard(|| catch_unwind(AssertUnwindSafe(work)));
    result.map_err(|panic| {
        Failure::internal(format!(
            "an internal error: {}; please report it",
            ftx_io::panic_text(&*panic)
        ))
    })
}

/// Logs panics in guarded calls and on this library's threads instead of printing them.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let ours = thread_state::is_guarded()
                || thread::current().name().is_some_and(|name| name.starts_with(THREAD_PREFIX));
            if ours {
                log::error(&info.to_string());
            } else {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use ftx_client::Reason;

    use super::{guard, guard_or};
    use crate::thread_state::last_failure;

    #[test]
    fn a_panic_becomes_a_status_with_its_message() {
        assert_eq!(guard(|| panic!("the sky fell")), Reason::Internal.code());
        assert!(last_failure().unwrap().message.contains("the sky fell"));
        assert_eq!(guard_or(7, || panic!("{}", "again")), 7);
        assert!(last_failure().unwrap().message.contains("again"));
    }
}
