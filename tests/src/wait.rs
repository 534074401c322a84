//! Waiting for something to become true.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that has no bound of its own: far more than it needs, on a machine
/// that is busy with the other tests.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Asks again and again until the condition holds.
///
/// # Panics
/// If it does not within `deadline`; `what` describes the condition.
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    assert!(
        within(deadline, || condition().then_some(())).is_some(),
        "waited {deadline:?} in vain: {what}"
    );
}

/// Asks again and again until there is an answer, or `deadline` has passed.
pub fn within<T>(deadline: Duration, mut answer: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(answer) = answer() {
            return Some(answer);
        }
        if start.elapsed() >= deadline {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}
