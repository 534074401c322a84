//! The meter that shows whether an upload makes progress.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// An upload stands still if fewer bytes arrive within the limit: a byte now and then is no progress.
pub(super) const MIN_MOVING_BYTES: u64 = 64 * 1024;

/// Bytes that count as progress although they completed no block: as many as several connections may have
/// in flight.
const MAX_UNPROVEN_BYTES: u64 = 128 * 1024 * 1024;

/// The least speed at which a client reads and hashes the bytes that the server has. It sends nothing
/// meanwhile.
const HASHED_BYTES_PER_S: u64 = 64 * 1024 * 1024;

/// Measures the bytes of one upload as they arrive.
#[derive(Debug)]
pub(super) struct ProgressMeter(Mutex<MeterState>);

#[derive(Debug)]
struct MeterState {
    /// How long the upload may stand still.
    limit: Duration,
    /// Additional time for the client to hash the bytes that the server has.
    hashing: Duration,
    /// The last time of progress.
    since: Instant,
    /// Bytes that have arrived since.
    bytes: u64,
    /// Bytes that have arrived since the last block was stored.
    unproven: u64,
    has_stored: bool,
    /// The running jobs of the server for the upload, and their start. Their time does not count.
    jobs: u32,
    working_since: Instant,
    /// Bytes that the server has, and the size.
    progress: (u64, u64),
}

impl ProgressMeter {
    pub(super) fn new(limit: Duration) -> Self {
        let now = Instant::now();
        Self(Mutex::new(MeterState {
            limit,
            hashing: Duration::ZERO,
            since: now,
            bytes: 0,
            unproven: 0,
            has_stored: false,
            jobs: 0,
            working_since: now,
            progress: (0, 0),
        }))
    }

    fn state(&self) -> MutexGuard<'_, MeterState> {
        // Each change is a single step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the upload will have stood still for too long; `None` while the server works for it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let limit = state.limit.saturating_add(state.hashing);
        (state.jobs == 0).then(|| later(state.since, limit))
    }

    pub(super) fn has_stored(&self) -> bool {
        self.state().has_stored
    }

    pub(super) fn progress(&self) -> (u64, u64) {
        self.state().progress
    }

    /// The client learned that the server has `known` bytes of `size`, and hashes them now.
    pub(super) fn begin_hashing(&self, known: u64, size: u64) {
        let mut state = self.state();
        state.progress = (known.min(size), size);
        state.hashing = Duration::from_secs(known.div_ceil(HASHED_BYTES_PER_S));
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

    /// A block of this size has been stored.
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
        if state.jobs == 0 {
            state.working_since = Instant::now();
        }
        state.jobs += 1;
    }

    pub(super) fn end_work(&self) {
        let mut state = self.state();
        state.jobs = state.jobs.saturating_sub(1);
        if state.jobs == 0 {
            // As if no time had passed.
            state.since = later(state.since, state.working_since.elapsed()).min(Instant::now());
        }
    }
}

impl MeterState {
    fn moved(&mut self) {
        self.bytes = 0;
        self.since = Instant::now();
    }
}

/// The sum of both, within the range of `Instant`.
fn later(from: Instant, by: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    from + by.min(CENTURY)
}
