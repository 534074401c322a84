//! Trouble that may come a thousand times a second, and is told of once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long at least lies between two lines about it.
const BETWEEN: Duration = Duration::from_secs(1);

/// Counts what is not told of.
#[derive(Debug, Default)]
pub(crate) struct Rarely(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    told: Option<Instant>,
    since: u64,
}

impl Rarely {
    /// Takes note that it happened. How often it did since it was told of last, if it is to be told now.
    pub(crate) fn note(&self) -> Option<u64> {
        self.note_at(Instant::now())
    }

    fn note_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.since = state.since.saturating_add(1);
        if state.told.is_some_and(|told| now.saturating_duration_since(told) < BETWEEN) {
            return None;
        }
        state.told = Some(now);
        Some(std::mem::take(&mut state.since))
    }
}

#[cfg(test)]
mod tests {
    use super::{BETWEEN, Instant, Rarely};

    #[test]
    fn it_is_told_of_once_a_second_with_a_count() {
        let (rarely, start) = (Rarely::default(), Instant::now());
        assert_eq!(rarely.note_at(start), Some(1));
        for _ in 0..5 {
            assert_eq!(rarely.note_at(start + BETWEEN / 2), None);
        }
        assert_eq!(rarely.note_at(start + BETWEEN), Some(6));
        assert_eq!(rarely.note_at(start + 3 * BETWEEN), Some(1));
    }
}
