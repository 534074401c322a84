//! Whether an upload moves.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// An upload of which fewer bytes arrive within the limit stands still: a byte now and then holds
/// nothing.
pub(super) const MIN_MOVING_BYTES: u64 = 64 * 1024;

/// Bytes that count although no block was completed by them: what many connections may have under way.
const MAX_UNPROVEN_BYTES: u64 = 128 * 1024 * 1024;

/// How fast a client reads and hashes at least what it is told that the server holds. It sends nothing
/// meanwhile.
const HASHED_BYTES_PER_S: u64 = 64 * 1024 * 1024;

/// Measures the bytes of one upload as they arrive.
#[derive(Debug)]
pub(super) struct Meter(Mutex<State>);

#[derive(Debug)]
struct State {
    /// How long it may stand still.
    limit: Duration,
    /// For the client to hash what is here.
    hashing: Duration,
    /// When enough had arrived last.
    since: Instant,
    /// Bytes that have arrived from then on.
    bytes: u64,
    /// Bytes that have arrived since a block was stored.
    unproven: u64,
    has_stored: bool,
    /// What the server is doing for the upload, and since when; it is not the client's fault then.
    works: u32,
    working_since: Instant,
    /// Bytes that are here, and all there will be.
    progress: (u64, u64),
}

impl Meter {
    pub(super) fn new(limit: Duration) -> Self {
        let now = Instant::now();
        Self(Mutex::new(State {
            limit,
            hashing: Duration::ZERO,
            since: now,
            bytes: 0,
            unproven: 0,
            has_stored: false,
            works: 0,
            working_since: now,
            progress: (0, 0),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it will have stood still for too long, unless more arrives; not while the server works.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let limit = state.limit.saturating_add(state.hashing);
        (state.works == 0).then(|| later(state.since, limit))
    }

    pub(super) fn has_stored(&self) -> bool {
        self.state().has_stored
    }

    pub(super) fn progress(&self) -> (u64, u64) {
        self.state().progress
    }

    /// The client was told of so many bytes that are here, of so many in all.
    pub(super) fn told(&self, held: u64, size: u64) {
        let mut state = self.state();
        state.progress = (held.min(size), size);
        state.hashing = Duration::from_secs(held.div_ceil(HASHED_BYTES_PER_S));
    }

    pub(super) fn arrived(&self, bytes: u64) {
        let mut state = self.state();
        if state.unproven >= MAX_UNPROVEN_BYTES {
            return;
        }
        state.unproven = state.unproven.saturating_add(bytes);
        state.bytes = state.bytes.saturating_add(bytes);
        if state.bytes >= MIN_MOVING_BYTES {
            state.moved();
        }
    }

    /// A block of so many bytes is stored.
    pub(super) fn stored(&self, bytes: u64) {
        let mut state = self.state();
        state.unproven = 0;
        state.has_stored = true;
        let (done, size) = state.progress;
        state.progress = (done.saturating_add(bytes).min(size), size);
        state.moved();
    }

    pub(super) fn begin_work(&self) {
        let mut state = self.state();
        if state.works == 0 {
            state.working_since = Instant::now();
        }
        state.works += 1;
    }

    pub(super) fn end_work(&self) {
        let mut state = self.state();
        state.works = state.works.saturating_sub(1);
        if state.works == 0 {
            // As if no time had passed.
            state.since = later(state.since, state.working_since.elapsed()).min(Instant::now());
        }
    }
}

impl State {
    fn moved(&mut self) {
        self.bytes = 0;
        self.since = Instant::now();
    }
}

/// `Instant` has an end that a limit may lie beyond.
fn later(from: Instant, by: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    from + by.min(CENTURY)
}
