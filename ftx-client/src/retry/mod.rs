//! The retry policy: decides after each failed attempt of a call whether another one follows.
//!
//! ```text
//!             first byte of a file            connection lost
//!   Opening ───────────────────────▶ Moving ────────────────────▶ Stalled
//!      │                               ▲          the next byte      │
//!      │ connection lost               └─────────────────────────────┤
//!      ▼                                                             │ no byte for `stall_timeout`,
//!    failed                                                          ▼ or all retries used up
//!                                           failed, with the error of the first loss
//! ```
//!
//! A server that is not there will hardly appear within seconds, so its absence ends a call at once. A
//! transfer that was moving is worth a retry: the line or the server may be back soon. A refusal that
//! may pass, and a file that arrived damaged, are retried in either state.
//!
//! The policy does no I/O, and keeps no time but through [`Activity`].

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use ftx_core::native::Reason;

use crate::activity::Activity;
use crate::{Cancel, ClientConfig, Event, TransferError};

/// The retries of one call, or of one file of it.
pub(crate) struct Retries {
    builder: ExponentialBuilder,
    pauses: <ExponentialBuilder as BackoffBuilder>::Backoff,
    /// Retries since the last attempt that got further.
    attempt: u32,
    timeout: Duration,
    stall_timeout: Duration,
    activity: Activity,
    /// The first attempt runs on a connection that has been used before. The server may have closed
    /// it meanwhile, so a failure on it says nothing about the server.
    is_reused: bool,
    /// Whether bytes had moved when the first attempt began.
    had_moved: bool,
    /// The progress counter at the end of the attempt before.
    gained_before: u64,
    /// The loss from which the transfer has not recovered yet.
    first_loss: Option<TransferError>,
}

/// The step after a failed attempt.
#[derive(Debug)]
#[must_use]
pub(crate) enum RetryDecision {
    /// Another attempt follows after the pause. Number 0 is neither counted nor reported.
    Retry { number: u32, pause: Duration },
    /// The call or file has failed.
    Fail(TransferError),
}

impl Retries {
    pub(crate) fn new(config: &ClientConfig, activity: &Activity, is_reused: bool) -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(config.min_backoff)
            .with_max_delay(config.max_backoff)
            .with_max_times(config.retries as usize)
            .with_jitter();
        Self {
            builder,
            pauses: builder.build(),
            attempt: 0,
            timeout: config.timeout,
            stall_timeout: config.stall_timeout,
            activity: activity.clone(),
            is_reused,
            had_moved: activity.has_moved(),
            gained_before: 0,
            first_loss: None,
        }
    }

    /// Decides after an attempt that failed with `error`. `gained` counts progress over all attempts;
    /// it grows when an attempt gets further than all before it.
    pub(crate) fn after(&mut self, error: TransferError, gained: u64) -> RetryDecision {
        if !error.is_transient() {
            return RetryDecision::Fail(error);
        }
        let has_gained = gained > std::mem::replace(&mut self.gained_before, gained);
        let was_reused = std::mem::take(&mut self.is_reused);
        if was_reused && !has_gained && self.activity.idle() < self.timeout {
            self.activity.set_moved(self.had_moved);
            self.activity.expect_within(self.timeout);
            return RetryDecision::Retry { number: 0, pause: Duration::ZERO };
        }
        self.note_progress(&error, has_gained);
        let is_loss = error.is_about_connection();
        if is_loss {
            self.first_loss.get_or_insert_with(|| error.clone());
        }
        let next =
            if is_loss && !error.is_refusal() { self.after_loss() } else { self.next_pause() };
        match next {
            Some((number, pause)) => RetryDecision::Retry { number, pause },
            None => RetryDecision::Fail(self.first_loss.take().unwrap_or(error)),
        }
    }

    /// Forgets earlier failures if the attempt has recovered from them. The count of retries restarts
    /// only if the connection or a takeover ended the attempt: a file that changes all the time must
    /// fail at some point.
    fn note_progress(&mut self, error: &TransferError, has_gained: bool) {
        if has_gained {
            self.activity.set_moved(true);
        }
        if self.activity.take_moved_again() || has_gained {
            self.first_loss = None;
        }
        if has_gained && (error.is_about_connection() || error.reason() == Reason::TakenOver) {
            self.attempt = 0;
            self.pauses = self.builder.build();
        }
    }

    /// The next retry of a transfer that was moving, if it can begin before the transfer has stalled
    /// for too long.
    fn after_loss(&mut self) -> Option<(u32, Duration)> {
        if !self.activity.has_moved() {
            return None;
        }
        let left = self.stall_timeout.saturating_sub(self.activity.idle());
        let next = self.next_pause().filter(|(_, pause)| *pause < left)?;
        self.activity.expect_within(self.stall_timeout);
        Some(next)
    }

    /// The number of the next retry and the pause before it; `None` when all are used up.
    fn next_pause(&mut self) -> Option<(u32, Duration)> {
        let pause = self.pauses.next()?;
        self.attempt += 1;
        Some((self.attempt, pause))
    }

    /// Tells the next retry after a failed attempt, and waits for its pause.
    ///
    /// # Errors
    /// The call or file has failed, or the caller stopped it.
    pub(crate) async fn pause(
        &mut self,
        error: TransferError,
        gained: u64,
        tell: impl FnOnce(&Event<'_>),
        cancel: &Cancel,
    ) -> Result<(), TransferError> {
        let (attempt, pause) = match self.after(error.clone(), gained) {
            RetryDecision::Fail(error) => return Err(error),
            RetryDecision::Retry { .. } if cancel.is_cancelled() => {
                return Err(TransferError::cancelled());
            }
            RetryDecision::Retry { number, pause } => (number, pause),
        };
        if attempt > 0 {
            tell(&Event::Retrying { attempt, pause, error: &error });
        }
        tokio::select! {
            () = cancel.token(true).cancelled() => Err(TransferError::cancelled()),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
