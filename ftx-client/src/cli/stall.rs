//! Lines that a slow reader keeps waiting.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a line may stay unread before an interrupted process ends without it.
const STALL_LIMIT: Duration = Duration::from_secs(2);

/// When the current write began.
static WRITE_BEGAN: Mutex<Option<Instant>> = Mutex::new(None);

/// Writes a line to a stream that may be a pipe with a slow reader. Waiting for it is right, except
/// when the process was told to end: see [`stalled`].
pub(crate) fn tracked_write<T>(write: impl FnOnce() -> T) -> T {
    let set = |began| *WRITE_BEGAN.lock().unwrap_or_else(PoisonError::into_inner) = began;
    set(Some(Instant::now()));
    let written = write();
    set(None);
    written
}

/// Completes when a write has taken longer than [`STALL_LIMIT`].
pub(crate) async fn stalled() {
    loop {
        let began = *WRITE_BEGAN.lock().unwrap_or_else(PoisonError::into_inner);
        if began.is_some_and(|began| began.elapsed() >= STALL_LIMIT) {
            return;
        }
        tokio::time::sleep(STALL_LIMIT / 4).await;
    }
}
